"""Open commands: each moves its relay at most once, never too late, and reports only what the relay answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from intercom.agent.clock import ServerClock
from intercom.agent.failpoints import failpoint
from intercom.agent.journal import Journal, Origin
from intercom.agent.relay import Relay, RelayError
from intercom.station_config import StationConfig
from intercom.station_protocol import OpenCommand, OpenResult
from intercom.station_reports import OpenReport

logger = logging.getLogger(__name__)
INTERRUPTED = "interrupted: the station restarted during the pulse, whether the lock moved is not known"


class Openings:
    """The one place that moves locks, for the server's commands and for a kiosk page on this machine."""

    def __init__(
        self,
        *,
        journal: Journal,
        relay: Relay,
        clock: ServerClock,
        on_result: Callable[[], None],
        on_begin: Callable[[OpenCommand], None] | None = None,
    ) -> None:
        self._journal = journal
        self._relay = relay
        self._clock = clock
        self._on_result = on_result
        self._on_begin = on_begin
        self._running: dict[str, asyncio.Future[OpenReport]] = {}
        for command_id in journal.interrupted():
            logger.warning("command %s was interrupted", command_id)
            self._finish(command_id, OpenResult.FAILED, INTERRUPTED)

    async def obey(self, command: OpenCommand, *, config: StationConfig | None) -> None:
        """Carry out a command of the server; its result is queued for it."""
        if not self._journal.begin(command.command_id, origin=Origin.SERVER):
            if self._journal.repeat_result(command.command_id):
                self._on_result()
            return
        door = None if config is None else config.door_of_relay(command.relay)
        if door is None or door.id != command.door_id:
            self._finish(command.command_id, OpenResult.FAILED, "this station has no such door at that relay")
        elif self._clock.now() > command.expires_at:
            self._finish(command.command_id, OpenResult.EXPIRED, "the command came too late")
        else:
            if self._on_begin is not None:
                self._on_begin(command)
            await self._pulse(command.command_id, relay=command.relay, hold_s=command.hold_s)
        self._on_result()

    async def pulse_locally(self, command_id: str, *, relay: int, hold_s: float) -> OpenReport:
        """Move a lock for a page on this machine; the same id again gives the same report and moves nothing."""
        if not self._journal.begin(command_id, origin=Origin.LOCAL):
            if (running := self._running.get(command_id)) is not None:
                return await asyncio.shield(running)
            return self._journal.result_of(command_id) or self._finish(command_id, OpenResult.FAILED, INTERRUPTED)
        return await self._pulse(command_id, relay=relay, hold_s=hold_s)

    async def _pulse(self, command_id: str, *, relay: int, hold_s: float) -> OpenReport:
        report: asyncio.Future[OpenReport] = asyncio.get_running_loop().create_future()
        self._running[command_id] = report
        try:
            failpoint("agent.before_pulse")
            try:
                await self._relay.pulse(relay, hold_s=hold_s, command_id=command_id)
            except RelayError as error:
                report.set_result(self._finish(command_id, OpenResult.FAILED, str(error)))
            else:
                failpoint("agent.after_pulse")
                report.set_result(self._finish(command_id, OpenResult.OPENED, None))
        finally:
            del self._running[command_id]
            report.cancel()  # does nothing to a report that is there
        return report.result()

    def _finish(self, command_id: str, result: OpenResult, detail: str | None) -> OpenReport:
        report = OpenReport(command_id=command_id, result=result, detail=detail, at=self._clock.now())
        self._journal.finish(report)
        logger.info("command %s: %s%s", command_id, result.value, f" ({detail})" if detail else "")
        return report
