"""A strict server side of the station protocol for tests of the agent: it validates every message it gets.

It is the contract, not a stand-in for the product: it keeps no households and decides nothing. A test drives it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import socketio
from aiohttp import web

from intercom.station_config import Door, StationConfig, Welcome
from intercom.station_hello import (
    Hello,
    HelloError,
    PairingRequest,
    ReplayGuard,
    problem_body,
    verify_hello,
    verify_pairing,
)
from intercom.station_protocol import (
    MAX_MESSAGE_BYTES,
    NAMESPACE,
    PAIRING_PATH,
    Call,
    CallState,
    DialKind,
    EndReason,
    Leg,
    LegState,
    OpenCommand,
    RelayKind,
    ServerEvent,
    Signal,
    StationEvent,
    StationKind,
    valid_dial,
)
from intercom.station_reports import ConfigApplied, DoorEvent, HangUp, Heartbeat, OpenReport, Picture, Press
from intercom.station_wire import WireError, format_time, new_id, to_ms

AUDIENCE = "contract-server"
MESSAGES = {
    StationEvent.HEARTBEAT: Heartbeat,
    StationEvent.PRESS: Press,
    StationEvent.HANGUP: HangUp,
    StationEvent.SIGNAL: Signal,
    StationEvent.OPEN_RESULT: OpenReport,
    StationEvent.EVENT: DoorEvent,
    StationEvent.PICTURE: Picture,
    StationEvent.CONFIG_APPLIED: ConfigApplied,
}


async def eventually(condition: Callable[[], Any], what: str, *, within_s: float = 20.0) -> Any:
    """Wait until a condition holds and return its value; an AssertionError says what never came."""
    end = asyncio.get_running_loop().time() + within_s
    while True:
        value = condition()
        if value:
            return value
        assert asyncio.get_running_loop().time() < end, f"{what} did not come within {within_s:g} s"
        await asyncio.sleep(0.01)


def two_doors() -> tuple[Door, ...]:
    return (
        Door(id="d" * 31 + "1", name="大门", relay=1, hold_s=1.0, primary=True),
        Door(id="d" * 31 + "2", name="侧门", relay=2, hold_s=1.0, primary=False),
    )


@dataclass
class ContractServer:
    """One station's server. `messages` holds everything it said, in order; `violations` must stay empty."""

    base: str = ""
    station_id: str = field(default_factory=new_id)
    heartbeat_s: int = 10
    clock_ahead: timedelta = timedelta(0)
    code: str = "12345678"
    public_key: str | None = None
    call: Call | None = None
    config_version: int = 1
    ice_servers: tuple[dict[str, Any], ...] = ()
    messages: list[tuple[StationEvent, Any]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    hellos: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    swallow: set[StationEvent] = field(default_factory=set)
    """Events that are taken but not acknowledged."""
    stored_events: dict[str, DoorEvent] = field(default_factory=dict)
    stored_results: list[OpenReport] = field(default_factory=list)
    presses: dict[str, Call] = field(default_factory=dict)
    on_press: Callable[[Press], Any] | None = None
    sid: str | None = None
    connections: int = 0
    _seq: int = 0

    def __post_init__(self) -> None:
        self.sio = socketio.AsyncServer(
            async_mode="aiohttp",
            namespaces=[NAMESPACE],
            transports=["websocket"],
            max_http_buffer_size=MAX_MESSAGE_BYTES,
            cors_allowed_origins=[],
        )
        self.sio.on("connect", self._connect, namespace=NAMESPACE)
        self.sio.on("disconnect", self._disconnect, namespace=NAMESPACE)
        self.sio.on("*", self._message, namespace=NAMESPACE)
        self._replays = ReplayGuard()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.clock_ahead

    @contextlib.asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator[ContractServer]:
        app = web.Application()
        app.router.add_post(PAIRING_PATH, self._pair)
        self.sio.attach(app)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await self.sio.shutdown()
            await runner.cleanup()
            self.sid = None
        assert self.violations == []

    @property
    def port(self) -> int:
        return int(self.base.rpartition(":")[2])

    def config(self) -> StationConfig:
        return StationConfig(
            version=self.config_version,
            station_id=self.station_id,
            name="3栋2单元门口",
            kind=StationKind.UNIT,
            community="幸福里小区",
            language="zh",
            doors=two_doors(),
            dial_kind=DialKind.ROOM,
            dial_hint_zh="请输入房号",
            dial_hint_en="Enter the room number",
            ring_s=30,
            talk_s=120,
            relay_kind=RelayKind.AGENT,
            relay_url=None,
            ice_servers=self.ice_servers,
        )

    async def _pair(self, request: web.Request) -> web.Response:
        try:
            pairing = PairingRequest.from_wire(await request.json())
        except WireError as error:
            return web.json_response(problem_body("validation-failed", "x", status=422, detail=str(error)), status=422)
        if not verify_pairing(pairing):
            body = problem_body("pairing-malformed", "Wrong proof", status=400, detail="The proof is wrong.")
            return web.json_response(body, status=400)
        if pairing.code != self.code:
            body = problem_body("pairing-code-unknown", "Unknown code", status=404, detail="This code is not known.")
            return web.json_response(body, status=404)
        self.code, self.public_key = "", pairing.public_key
        body = {"station_id": self.station_id, "audience": AUDIENCE, "server_time": format_time(self.now())}
        return web.json_response(body, status=201)

    async def _connect(self, sid: str, _environ: dict[str, Any], auth: Any = None) -> None:
        self.hellos.append(auth)
        try:
            hello = Hello.from_wire(auth)
            if hello.station_id != self.station_id or self.public_key is None:
                raise HelloError("station-unknown", "no such station")
            verify_hello(hello, self.public_key, audience=AUDIENCE, now_ms=to_ms(self.now()))
            self._replays.spend(hello, now_ms=to_ms(self.now()))
        except HelloError as error:
            self.refusals.append(error.slug)
            members = {"server_time": format_time(self.now())} if error.slug == "hello-expired" else {}
            body = problem_body(error.slug, error.slug, status=401, detail=error.detail, **members)
            raise socketio.exceptions.ConnectionRefusedError(error.slug, body) from error
        earlier, self.sid = self.sid, sid
        self.connections += 1
        if earlier is not None:
            await self.sio.disconnect(earlier, namespace=NAMESPACE)
        self._welcome_task = asyncio.create_task(self._welcome(sid))

    async def _welcome(self, sid: str) -> None:
        active = self.call if self.call is not None and self.call.state is not CallState.ENDED else None
        body = Welcome(server_time=self.now(), heartbeat_s=self.heartbeat_s, config=self.config(), call=active)
        await self.sio.emit(ServerEvent.WELCOME.value, body.to_wire(), to=sid, namespace=NAMESPACE)

    async def _disconnect(self, sid: str, *_reason: Any) -> None:
        if self.sid == sid:
            self.sid = None

    async def _message(self, event: str, _sid: str, body: Any = None) -> Any:
        try:
            kind = StationEvent(event)
            message = MESSAGES[kind].from_wire(body)
        except ValueError as error:
            self.violations.append(f"{event}: {error}")
            return {"problem": problem_body("malformed", "Malformed", status=400, detail=str(error))}
        if set(message.to_wire()) != set(body):
            self.violations.append(f"{event}: members {sorted(body)}")
        self.messages.append((kind, message))
        answer = await self._answer(kind, message)
        if kind in self.swallow:
            await asyncio.Event().wait()
        return answer

    async def _answer(self, kind: StationEvent, message: Any) -> Any:
        if kind is StationEvent.HEARTBEAT:
            return {"server_time": format_time(self.now()), "config_version": self.config_version}
        if kind is StationEvent.PRESS:
            return self._press(message)
        if kind is StationEvent.HANGUP:
            return await self._hang_up(message)
        if kind is StationEvent.OPEN_RESULT:
            self.stored_results.append(message)
        if kind is StationEvent.EVENT:
            known = self.stored_events.setdefault(message.event_id, message)
            if known != message:
                self.violations.append("the same event_id with another body")
            return {"event_id": message.event_id}
        if kind is StationEvent.PICTURE:
            return {"picture_id": new_id()}
        return {"ok": True}

    def _press(self, press: Press) -> Any:
        if self.on_press is not None and (answer := self.on_press(press)) is not None:
            return answer
        if not valid_dial(press.dial) or press.dial == "9999":
            return {"problem": problem_body("room-unknown", "Unknown room", status=404, detail="No such room.")}
        if press.request_id not in self.presses:
            self.presses[press.request_id] = self.call = self.ringing(dial=press.dial)
        return {"call": self.presses[press.request_id].to_wire()}

    async def _hang_up(self, hang_up: HangUp) -> Any:
        if self.call is None or self.call.id != hang_up.call_id:
            return {"problem": problem_body("call-unknown", "Unknown call", status=404, detail="No such call.")}
        self.call = self.next(state=CallState.ENDED, end_reason=EndReason.VISITOR_HUNG_UP, ended_at=self.now())
        return {"call": self.call.to_wire()}

    def ringing(self, *, dial: str = "1201", legs: int = 2, ring_s: float = 30) -> Call:
        return Call(
            id=new_id(),
            version=1,
            state=CallState.RINGING,
            dial=dial,
            placed_at=self.now(),
            expires_at=self.now() + timedelta(seconds=ring_s),
            legs=tuple(Leg(id=new_id(), state=LegState.RINGING) for _ in range(legs)),
        )

    def next(self, *, legs: dict[str, LegState] | None = None, **changes: Any) -> Call:
        """The current call's next version."""
        call = self.call
        assert call is not None
        states = legs or {}
        if changes.get("state") is CallState.ENDED:
            states = {leg.id: states.get(leg.id, LegState.ENDED) for leg in call.legs}
        new_legs = tuple(Leg(id=leg.id, state=states.get(leg.id, leg.state)) for leg in call.legs)
        return replace(call, version=call.version + 1, legs=new_legs, **changes)

    async def send_call(self, call: Call) -> None:
        self.call = call
        await self.send(ServerEvent.CALL, call.to_wire())

    async def answered(self, winner: str) -> None:
        """The call is answered on one leg; the others learn that it was completed elsewhere."""
        assert self.call is not None
        legs = {
            leg.id: LegState.ANSWERED if leg.id == winner else LegState.COMPLETED_ELSEWHERE for leg in self.call.legs
        }
        await self.send_call(
            self.next(
                legs=legs,
                state=CallState.ANSWERED,
                answered_at=self.now(),
                answered_leg_id=winner,
                talk_until=self.now() + timedelta(seconds=120),
            )
        )

    async def open(self, *, relay: int = 1, valid_for: timedelta = timedelta(seconds=5), **changes: Any) -> OpenCommand:
        door = next(d for d in two_doors() if d.relay == relay)
        command = OpenCommand(
            command_id=changes.pop("command_id", None) or new_id(),
            door_id=door.id,
            relay=relay,
            hold_s=changes.pop("hold_s", door.hold_s),
            issued_at=self.now() + valid_for - timedelta(seconds=5),
            expires_at=self.now() + valid_for,
            **changes,
        )
        await self.send(ServerEvent.OPEN, command.to_wire())
        return command

    async def send(self, event: ServerEvent, body: Any) -> None:
        assert self.sid is not None, "the station is not connected"
        await self.sio.emit(event.value, body, to=self.sid, namespace=NAMESPACE)

    def heard(self, kind: StationEvent) -> list[Any]:
        return [message for event, message in self.messages if event is kind]

    async def hear(self, kind: StationEvent, *, where: Callable[[Any], bool] = lambda _m: True) -> Any:
        """The first message of this kind for which the condition holds, waiting for it if need be."""
        return await eventually(lambda: next((m for m in self.heard(kind) if where(m)), None), f"{kind.value}")
