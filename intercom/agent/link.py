"""The station's line to its server: hello, reconnection, request and acknowledgement (docs/station-protocol.md, 2)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

import aiohttp
import socketio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from socketio.exceptions import ConnectionError as SocketConnectionError
from socketio.exceptions import SocketIOError

from intercom.agent.clock import ServerClock
from intercom.agent.state_folder import Pairing
from intercom.station_hello import sign_hello
from intercom.station_protocol import NAMESPACE, SOCKETIO_PATH, ServerEvent, StationEvent
from intercom.station_wire import Fields, Json, WireError

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 10.0
STEADY_AFTER_S = 10.0
CONNECT_TIMEOUT_S = 8.0


class NotConnectedError(Exception):
    """There is no line to the server now, or it broke before the acknowledgement came."""


class RefusedError(Exception):
    """The server acknowledged with a problem document."""

    def __init__(self, problem: Json) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or "refused"))
        self.problem = problem
        self.status = problem["status"] if isinstance(problem.get("status"), int) else 500
        self.slug = str(problem.get("type", "")).rsplit("/", 1)[-1]

    @property
    def final(self) -> bool:
        """Whether repeating the same message cannot help."""
        return self.status in (400, 403, 404, 410, 413, 422)


def pause_s(attempt: int, *, rng: Callable[[], float] = random.random) -> float:
    """How long to wait before a retry (0 is the first): quick first, doubling, with jitter, at most 10 s."""
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(attempt, 10)) * (0.5 + rng() / 2))


class Link:
    """Keeps one authenticated connection; hands every message of the server to `on_message` in the order it came.

    `identity` is asked before each connection.
    """

    def __init__(
        self,
        identity: Callable[[], tuple[Pairing, Ed25519PrivateKey]],
        *,
        clock: ServerClock,
        software: str,
        on_message: Callable[[ServerEvent, Any], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._identity = identity
        self._pairing, self._key = identity()
        self._clock = clock
        self._software = software
        self._on_message = on_message
        self._on_lost = on_lost
        self._client: socketio.AsyncClient | None = None  # once it is connected
        self._current: socketio.AsyncClient | None = None
        self._early: list[tuple[ServerEvent, Any]] = []
        self._sending = asyncio.Lock()
        self._unacknowledged: set[asyncio.Future[Any]] = set()
        self.connected = asyncio.Event()
        self.connect_started_ms = 0
        self.last_refusal: str | None = None

    async def run(self) -> None:
        """Connect, stay connected, connect again, for ever."""
        attempt, corrected = 0, False
        while True:
            started = asyncio.get_running_loop().time()
            try:
                wrong_clock = await self._one_connection()
            except Exception:
                # Whatever a broken server or proxy sends, the station tries again.
                logger.exception("the connection broke in an unexpected way")
                wrong_clock = False
            if wrong_clock and not corrected:
                corrected = True
                continue
            corrected = False
            if asyncio.get_running_loop().time() - started > STEADY_AFTER_S:
                attempt = 0
            await asyncio.sleep(pause_s(attempt))
            attempt += 1

    async def _one_connection(self) -> bool:
        """One connection from hello to loss; True when the server only said that the clock is wrong."""
        refusals: list[Any] = []
        lost = asyncio.Event()
        # A station that was paired again while this ran goes on as its new self.
        self._pairing, self._key = self._identity()
        async with aiohttp.ClientSession() as session:
            client = self._current = socketio.AsyncClient(reconnection=False, handle_sigint=False, http_session=session)
            self._listen(client, refusals, lost)
            self.connect_started_ms = self._clock.monotonic_ms()
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await client.connect(
                        self._pairing.server,
                        transports=["websocket"],
                        namespaces=[NAMESPACE],
                        socketio_path=SOCKETIO_PATH.strip("/"),
                        auth=self._hello(),
                        wait_timeout=int(CONNECT_TIMEOUT_S),
                    )
                self._client = client
                self.last_refusal = None
                self.connected.set()
                logger.info("connected to %s", self._pairing.server)
                for event, body in self._early:
                    self._on_message(event, body)
                self._early.clear()
                await lost.wait()
            except TimeoutError:
                logger.info("%s does not answer", self._pairing.server)
            except SocketConnectionError as error:
                return self._refused(refusals, error)
            finally:
                self._client = self._current = None
                self._early.clear()
                for acknowledged in self._unacknowledged:
                    if not acknowledged.done():
                        acknowledged.set_exception(ConnectionError("the line broke"))
                if self.connected.is_set():
                    self.connected.clear()
                    logger.info("connection lost")
                    self._on_lost()
                await client.disconnect()
        return False

    def _hello(self) -> Json:
        return sign_hello(
            self._key,
            self._pairing.station_id,
            audience=self._pairing.audience,
            issued_at_ms=self._clock.now_ms(),
            software=self._software,
        )

    def _listen(self, client: socketio.AsyncClient, refusals: list[Any], lost: asyncio.Event) -> None:
        async def connect_error(data: Any = None) -> None:
            refusals.append(data)

        def hand_over(event: ServerEvent) -> Callable[[Any], Any]:
            async def handler(body: Any = None) -> None:
                # A late message of a connection that was given up must not pass for one of the next, and the welcome
                # may come before `connect` returns.
                if self._client is client:
                    self._on_message(event, body)
                elif self._current is client:
                    self._early.append((event, body))

            return handler

        async def disconnected(*_reason: Any) -> None:
            lost.set()

        client.on("connect_error", connect_error, namespace=NAMESPACE)
        client.on("disconnect", disconnected, namespace=NAMESPACE)
        for event in ServerEvent:
            client.on(event.value, hand_over(event), namespace=NAMESPACE)

    def _refused(self, refusals: list[Any], error: Exception) -> bool:
        refusal = refusals[-1] if refusals else None
        if not isinstance(refusal, dict):
            logger.info("cannot connect to %s: %s", self._pairing.server, error)
            return False
        self.last_refusal = str(refusal.get("message"))
        if self.last_refusal != "hello-expired":
            logger.warning("the server refuses this station: %s", self.last_refusal)
            return False
        try:
            server_time = Fields(refusal.get("data"), "problem").time("server_time")
        except WireError as wrong:
            logger.warning("the server refuses this station's clock without its own time: %s", wrong)
            return False
        self._clock.learn(server_time, sent_ms=self.connect_started_ms, fresh=True)
        logger.warning("the clock was wrong; the server's is %+.1f s from this station's", self._clock.offset_ms / 1000)
        return True

    async def request(self, event: StationEvent, body: Json, *, timeout_s: float = 5.0) -> Json:
        """Send a message and wait for its acknowledgement.

        Raises:
            NotConnectedError: no line, or no acknowledgement in time.
            RefusedError: the acknowledgement is a problem.
        """
        client = self._client
        if client is None:
            raise NotConnectedError(event.value)
        acknowledged: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def acknowledge(*answers: Any) -> None:
            if not acknowledged.done():
                acknowledged.set_result(answers[0] if answers else None)

        self._unacknowledged.add(acknowledged)
        try:
            async with asyncio.timeout(timeout_s):
                async with self._sending:  # a message with a picture has two parts that must stay together
                    await client.emit(event.value, body, namespace=NAMESPACE, callback=acknowledge)
                answer = await acknowledged
        except (TimeoutError, SocketIOError, aiohttp.ClientError, ConnectionError) as error:
            raise NotConnectedError(event.value) from error
        finally:
            self._unacknowledged.discard(acknowledged)
        if not isinstance(answer, dict):
            raise RefusedError({"title": f"{event.value} was not acknowledged as the protocol says", "status": 502})
        if isinstance(answer.get("problem"), dict):
            raise RefusedError(answer["problem"])
        return answer

    async def drop(self) -> None:
        """Give this connection up (it went silent); `run` makes another."""
        if self._client is not None:
            await self._client.disconnect()
