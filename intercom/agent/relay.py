"""The lock: a port and its adapters (log, HTTP, GPIO file)."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import aiohttp

from intercom.agent.wiring import relay_path

logger = logging.getLogger(__name__)
HTTP_TIMEOUT_S = 2.0


class RelayError(Exception):
    """The relay did not confirm that it moved; the text says why."""


class Relay(Protocol):
    """One or more numbered relays that release locks."""

    async def pulse(self, number: int, *, hold_s: float, command_id: str) -> None:
        """Release lock `number` for `hold_s`; returns as soon as the relay confirms that it is released.

        Raises:
            RelayError: it did not, or nobody knows.
        """

    async def close(self) -> None:
        """Leave every lock locked."""


class LogRelay:
    """Writes a line for each pulse: for development and the demo, and countable in tests."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def pulse(self, number: int, *, hold_s: float, command_id: str) -> None:
        line = json.dumps(
            {"at": datetime.now(UTC).isoformat(), "relay": number, "hold_s": hold_s, "command_id": command_id}
        )
        try:
            await asyncio.to_thread(self._append, line)
        except OSError as error:
            raise RelayError(f"cannot write {self.path.name}: {error.strerror}") from error
        logger.info("relay %d released for %g s", number, hold_s)

    def _append(self, line: str) -> None:
        with self.path.open("a") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

    async def close(self) -> None:
        return


class HttpRelay:
    """POSTs `{command_id, relay, hold_s}` to a relay with a network address; only a 2xx within 2 s counts.

    `{relay}` in the address is replaced by the number.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    async def pulse(self, number: int, *, hold_s: float, command_id: str) -> None:
        body = {"command_id": command_id, "relay": number, "hold_s": hold_s}
        url = self.url.replace("{relay}", str(number))
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=HTTP_TIMEOUT_S)) as session,
                session.post(url, json=body, allow_redirects=False) as response,
            ):
                if not 200 <= response.status < 300:
                    raise RelayError(f"the relay answered {response.status}")
        except TimeoutError as error:
            raise RelayError(f"the relay did not answer within {HTTP_TIMEOUT_S:g} s") from error
        except aiohttp.ClientError as error:
            raise RelayError(f"the relay cannot be reached: {type(error).__name__}") from error

    async def close(self) -> None:
        return


class GpioRelay:
    """Writes 1, waits, writes 0 to a file such as /sys/class/gpio/gpio17/value; locks at start and at the end.

    A second pulse while the lock is released makes the release last until the later of the two ends.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._until: dict[int, float] = {}
        self._timers: dict[int, tuple[asyncio.TimerHandle, Path]] = {}
        # A power cut in the middle of a pulse may have left a line high: no door stays open because of it.
        for number in range(1, 65):
            path = relay_path(pattern, number)
            if path is not None and path.exists():
                path.write_text("0")

    async def pulse(self, number: int, *, hold_s: float, command_id: str) -> None:
        path = relay_path(self.pattern, number)
        if path is None:
            raise RelayError(f"relay {number} is not wired")
        loop = asyncio.get_running_loop()
        try:
            _set(path, "1")
        except OSError as error:
            raise RelayError(f"cannot write the GPIO file: {error.strerror}") from error
        self._until[number] = max(self._until.get(number, 0.0), loop.time() + hold_s)
        if number in self._timers:
            self._timers[number][0].cancel()
        self._timers[number] = (loop.call_at(self._until[number], self._lock_again, number), path)

    def _lock_again(self, number: int) -> None:
        timer, path = self._timers.pop(number)
        timer.cancel()
        try:
            _set(path, "0")
        except OSError:
            logger.exception("relay %d could not be let go", number)

    async def close(self) -> None:
        for number in list(self._timers):
            self._lock_again(number)


def _set(path: Path, level: str) -> None:
    """A GPIO file takes no time; a thread would only let a pulse and its end overtake each other."""
    path.write_text(level)


def relay_from(text: str, *, state: Path) -> Relay:
    """The adapter named by `--relay`: `log`, `http:URL` (the URL itself begins with http) or `gpio:FILE`.

    Raises:
        ValueError: no such adapter.
    """
    if text == "log":
        return LogRelay(state / "relay.log")
    if text.startswith(("http://", "https://")):
        return HttpRelay(text)
    if text.startswith(("http:http", "http:https")):
        return HttpRelay(text.removeprefix("http:"))
    if text.startswith("gpio:"):
        return GpioRelay(text.removeprefix("gpio:"))
    raise ValueError(f"unknown relay {text!r}: log, http:URL or gpio:FILE")
