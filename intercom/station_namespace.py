"""Socket.IO /station: the edge on which door stations speak their protocol (docs/station-protocol.md)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from sqlalchemy import update

from backend.access import AccessDesk, Acknowledgement, Opening, OpeningState
from backend.clock import iso, utc_now
from backend.config import Settings
from backend.db import Database
from backend.doors import Contact
from backend.errors import (
    HelloExpiredError,
    HelloMalformedError,
    HelloReplayedError,
    NotFoundError,
    ServiceError,
    StationUnknownError,
    TooManyRequestsError,
)
from backend.events import CallChanged, StationConfigured, StationPaired
from backend.pictures import MAX_PICTURES_OF_CALL, PictureStore
from backend.rate_limits import RateLimits, SocketLimits
from backend.sockets import Body, GuardedNamespace
from backend.vault import Vault
from intercom import signalling
from intercom.call_records import Call, CallView, view_of
from intercom.call_state import ACTIVE, Act
from intercom.calls import CallDesk
from intercom.door_events import note_contact, record_event
from intercom.ice import ice_servers
from intercom.station_config import Welcome
from intercom.station_hello import Hello, HelloError, ReplayGuard, verify_hello
from intercom.station_hub import Link, StationHub
from intercom.station_protocol import (
    MESSAGES_BURST,
    MESSAGES_PER_S,
    NAMESPACE,
    PRESSES_PER_MINUTE,
    CallState,
    EndReason,
    HangUpReason,
    Leg,
    LegState,
    ServerEvent,
    StationEvent,
)
from intercom.station_protocol import Call as WireCall
from intercom.station_reports import ConfigApplied, DoorEvent, HangUp, Heartbeat, OpenReport, Press
from intercom.station_reports import Picture as PictureReport
from intercom.station_wire import WireError, to_ms
from intercom.stations import Station, config_of

AUDIENCE = "gatehouse"

SignalPhone = Callable[[str, Body], None]
"""Hand a signal to a device's sockets: (device id, body)."""

Message = TypeVar("Message")

_HELLO_ERRORS: dict[str, type[ServiceError]] = {
    "hello-malformed": HelloMalformedError,
    "hello-replayed": HelloReplayedError,
    "station-unknown": StationUnknownError,
}

_ACTS = {
    HangUpReason.VISITOR: Act.VISITOR_HANGS_UP,
    HangUpReason.STATION_RESTARTED: Act.STATION_LOST,
    HangUpReason.MEDIA_FAILED: Act.MEDIA_FAILED,
}


@dataclass(frozen=True, kw_only=True)
class StationServices:
    """What the edge needs; `signal_phone` leads to the phones' namespace, which this package does not know."""

    db: Database
    vault: Vault
    settings: Settings
    hub: StationHub
    calls: CallDesk
    access: AccessDesk
    pictures: PictureStore
    limits: RateLimits
    signal_phone: SignalPhone


def _read(parse: Callable[[object], Message], body: Body) -> Message:
    try:
        return parse(body)
    except WireError as error:
        raise signalling.invalid(error) from error


def wire_call(seen: CallView) -> WireCall:
    """The call as its station is told it: no names."""
    call = seen.call
    return WireCall(
        id=call.id,
        version=call.version,
        state=CallState(call.state),
        dial=call.dial,
        placed_at=call.placed_at,
        expires_at=call.expires_at,
        talk_until=call.talk_until,
        answered_at=call.answered_at,
        answered_leg_id=call.answered_leg_id,
        ended_at=call.ended_at,
        end_reason=EndReason(call.end_reason) if call.end_reason else None,
        legs=tuple(Leg(id=leg.id, state=LegState(leg.state)) for leg in seen.legs),
    )


class StationNamespace(GuardedNamespace):
    """Every station's connection."""

    EVENTS: ClassVar[dict[str, str]] = {
        StationEvent.HEARTBEAT: "heartbeat",
        StationEvent.PRESS: "press",
        StationEvent.HANGUP: "hang_up",
        StationEvent.SIGNAL: "signal",
        StationEvent.OPEN_RESULT: "open_result",
        StationEvent.EVENT: "door_event",
        StationEvent.PICTURE: "picture",
        StationEvent.CONFIG_APPLIED: "config_applied",
    }

    def __init__(self, services: StationServices) -> None:
        limits = SocketLimits(per_s=MESSAGES_PER_S, burst=MESSAGES_BURST, enabled=services.settings.rate_limits)
        super().__init__(NAMESPACE, limits)
        self._do = services
        self._replays = ReplayGuard()
        self._started_ms = to_ms(utc_now())
        services.hub.deliver = lambda sid, event, body: self.send(event, body, to=sid)

    # connections

    def admit(self, sid: str, environ: dict[str, Any], auth: object) -> None:
        """Believe a hello, once; a newer connection replaces the older one."""
        now = utc_now()
        hello, station = self._proved(auth, now)
        replaced = self._do.hub.connected(
            station_id=station.id, community_id=station.community_id, sid=sid, software=hello.software
        )
        if replaced is not None:
            self.close(replaced)
        with self._do.db.unit_of_work() as uow:
            uow.session.execute(
                update(Station).where(Station.id == station.id).values(last_seen_at=now, software=hello.software)
            )
        self.send(ServerEvent.WELCOME, self._welcome(station, now).to_wire(), to=sid)

    def _proved(self, auth: object, now: datetime) -> tuple[Hello, Station]:
        now_ms = to_ms(now)
        try:
            hello = Hello.from_wire(auth)
            with self._do.db.reading() as session:
                station = session.get(Station, hello.station_id)
            if station is None or station.public_key is None:
                raise StationUnknownError("no station with this key is paired here")
            verify_hello(hello, station.public_key, audience=AUDIENCE, now_ms=now_ms)
            if hello.issued_at_ms < self._started_ms:
                # The nonces of an earlier run are forgotten, so a hello from before this start could be a replay.
                raise HelloExpiredError("the hello is older than this service", server_time=iso(now))
            self._replays.spend(hello, now_ms=now_ms)
        except HelloError as error:
            if error.slug == "hello-expired":
                raise HelloExpiredError(error.detail, server_time=iso(now)) from error
            raise _HELLO_ERRORS[error.slug](error.detail) from error
        return hello, station

    def _welcome(self, station: Station, now: datetime) -> Welcome:
        with self._do.db.reading() as session:
            active = session.query(Call).where(Call.station_id == station.id, Call.state.in_(ACTIVE)).one_or_none()
            return Welcome(
                server_time=now,
                heartbeat_s=max(1, round(self._do.hub.heartbeat_s)),
                config=config_of(
                    session, station, ice_servers=ice_servers(self._do.settings, holder=station.id, now=now)
                ),
                call=wire_call(view_of(session, self._do.vault, active)) if active else None,
            )

    def left(self, sid: str) -> None:
        """The connection is gone; the station is lost only when it stays silent."""
        station_id = self._do.hub.disconnected(sid)
        if station_id is not None:
            with self._do.db.unit_of_work() as uow:
                uow.session.execute(update(Station).where(Station.id == station_id).values(last_seen_at=utc_now()))

    def _link(self, sid: str) -> Link:
        link = self._do.hub.link_of(sid)
        if link is None:
            raise StationUnknownError("this connection was replaced")
        self._do.hub.heard(link)
        return link

    # what stations say

    def heartbeat(self, sid: str, body: Body) -> Body:
        """The station lives; keep what it says of clock, versions and contacts."""
        link, report, now = self._link(sid), _read(Heartbeat.from_wire, body), utc_now()
        link.software, link.config_version = report.software, report.config_version
        link.clock_offset_ms = report.sent_at_ms - to_ms(now)
        changed = {d.door_id: d.contact for d in report.doors if link.contacts.get(d.door_id) != d.contact}
        with self._do.db.unit_of_work() as uow:
            station = uow.get(Station, link.community_id, link.station_id)
            station.last_seen_at, station.software = now, report.software
            station.clock_offset_ms, station.applied_config_version = link.clock_offset_ms, report.config_version
            for door_id, contact in changed.items():
                self._require_door(uow.session, link, door_id)
                note_contact(uow, station=station, door_id=door_id, contact=Contact(contact.value), now=now)
            version = station.config_version
        link.contacts.update(changed)
        return {"server_time": iso(now), "config_version": version}

    def _require_door(self, session: Any, link: Link, door_id: str) -> None:
        mover = self._do.hub.station_for(session, door_id)
        if mover is None or mover[0] != link.station_id:
            raise NotFoundError("this station has no such door")

    def press(self, sid: str, body: Body) -> Body:
        """A visitor pressed a room."""
        link, message = self._link(sid), _read(Press.from_wire, body)
        self._do.limits.hit(f"{PRESSES_PER_MINUTE}/minute", "press", link.station_id)
        placed = self._do.calls.place(
            link.station_id,
            community_id=link.community_id,
            dial=message.dial,
            request_id=message.request_id,
            now=utc_now(),
        )
        return {"call": wire_call(placed).to_wire()}

    def hang_up(self, sid: str, body: Body) -> Body:
        """The station ends its call."""
        link, message = self._link(sid), _read(HangUp.from_wire, body)
        ended = self._do.calls.end_by_station(
            link.station_id, call_id=message.call_id, act=_ACTS[message.reason], now=utc_now()
        )
        return {"call": wire_call(ended).to_wire()}

    def signal(self, sid: str, body: Body) -> Body:
        """SDP or ICE for one leg's phone."""
        link, signal = self._link(sid), signalling.parse(body)
        with self._do.db.reading() as session:
            device_id = signalling.route_from_station(
                session, call_id=signal.call_id, leg_id=signal.leg_id, station_id=link.station_id
            )
        wire = signal.to_wire()
        del wire["leg_id"]
        self._do.signal_phone(device_id, wire)
        return {"ok": True}

    def open_result(self, sid: str, body: Body) -> Body:
        """What became of an open command, in time or late."""
        link, report = self._link(sid), _read(OpenReport.from_wire, body)
        self._do.access.settle(
            report.command_id,
            Acknowledgement(
                state=OpeningState(report.result.value),
                detail=report.detail[:200] if report.detail else None,
                station_at=iso(report.at),
            ),
            now=utc_now(),
            station_id=link.station_id,
        )
        self._do.hub.settled(report.command_id)
        return {"ok": True}

    def door_event(self, sid: str, body: Body) -> Body:
        """A contact or an exit button, stored once however often it is repeated."""
        link, event = self._link(sid), _read(DoorEvent.from_wire, body)
        with self._do.db.unit_of_work() as uow:
            station = uow.get(Station, link.community_id, link.station_id)
            record_event(uow, self._do.vault, self._do.calls, station=station, event=event, now=utc_now())
        return {"event_id": event.event_id}

    def picture(self, sid: str, body: Body) -> Body:
        """A picture of a press, an answer or an opening, or why there is none."""
        link, report = self._link(sid), _read(PictureReport.from_wire, body)
        with self._do.db.unit_of_work() as uow:
            if (
                report.call_id is not None
                and uow.get(Call, link.community_id, report.call_id).station_id != link.station_id
            ):
                raise NotFoundError("this station has no such call")
            if report.command_id is not None:
                opening = uow.get(Opening, link.community_id, report.command_id)
                if opening.station_id != link.station_id:
                    raise NotFoundError("this station has no such command")
            if self._do.pictures.count(uow.session, report.call_id, report.command_id) >= MAX_PICTURES_OF_CALL:
                raise TooManyRequestsError("this call or opening has its pictures", retry_after_s=3600)
            picture_id = self._do.pictures.keep(
                uow,
                community_id=link.community_id,
                station_id=link.station_id,
                call_id=report.call_id,
                opening_id=report.command_id,
                moment=report.moment.value,
                jpeg=report.jpeg,
                missing=report.missing[:40] if report.missing else None,
                taken_at=report.at,
                now=utc_now(),
            )
        return {"picture_id": picture_id}

    def config_applied(self, sid: str, body: Body) -> Body:
        """The station runs with this configuration now."""
        link, message = self._link(sid), _read(ConfigApplied.from_wire, body)
        link.config_version = message.version
        with self._do.db.unit_of_work() as uow:
            station = uow.get(Station, link.community_id, link.station_id)
            if message.version > station.config_version:
                raise NotFoundError("there is no such configuration version")
            station.applied_config_version = message.version
        return {"ok": True}

    # what stations are told

    def announce_call(self, fact: CallChanged) -> None:
        """Tell the station the state of its call."""
        assert isinstance(fact.snapshot, CallView), "a call's fact carries the call"
        self._do.hub.tell(fact.station_id, ServerEvent.CALL, wire_call(fact.snapshot).to_wire())

    def announce_config(self, fact: StationConfigured) -> None:
        """Send the whole configuration, with fresh TURN credentials."""
        self.send_config(fact.station_id)

    def send_config(self, station_id: str) -> None:
        """Send the station its configuration, if it is connected."""
        with self._do.db.reading() as session:
            station = session.get_one(Station, station_id)
            config = config_of(
                session, station, ice_servers=ice_servers(self._do.settings, holder=station.id, now=utc_now())
            )
        self._do.hub.tell(station_id, ServerEvent.CONFIG, config.to_wire())

    def renew_configs(self) -> None:
        """Give every connected station fresh TURN credentials, with its configuration."""
        for station_id in self._do.hub.station_ids():
            self.send_config(station_id)

    def drop_station(self, fact: StationPaired) -> None:
        """The station has a new key: whoever is connected with the old one goes."""
        link = self._do.hub.link(fact.station_id)
        if link is not None:
            self.close(link.sid)

    def drop_silent(self) -> None:
        """Close connections that were silent for three heartbeats."""
        for link in self._do.hub.silent():
            self.close(link.sid)
