"""What a door station reports to the server: heartbeat, press, hang-up, opening results, door events and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from intercom.station_protocol import (
    MAX_DIAL_LENGTH,
    MAX_PICTURE_BYTES,
    Contact,
    EventKind,
    HangUpReason,
    Moment,
    OpenResult,
)
from intercom.station_wire import Fields, Json, WireError, format_time


@dataclass(frozen=True, kw_only=True)
class DoorContact:
    """What the contact of one door says now."""

    door_id: str
    contact: Contact


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """A sign of life; `sent_at_ms` is the station's own, uncorrected clock, from which the server reads its offset."""

    sent_at_ms: int
    software: str
    config_version: int
    doors: tuple[DoorContact, ...] = ()

    @classmethod
    def from_wire(cls, body: object) -> Heartbeat:
        f = Fields(body, "heartbeat")
        return cls(
            sent_at_ms=f.integer("sent_at_ms"),
            software=f.text("software", limit=100),
            config_version=f.integer("config_version"),
            doors=tuple(
                DoorContact(door_id=d.text("door_id", limit=64), contact=d.choice("contact", Contact))
                for d in f.objects("doors", limit=64)
            ),
        )

    def to_wire(self) -> Json:
        return {
            "sent_at_ms": self.sent_at_ms,
            "software": self.software,
            "config_version": self.config_version,
            "doors": [{"door_id": d.door_id, "contact": d.contact.value} for d in self.doors],
        }


@dataclass(frozen=True, kw_only=True)
class Press:
    """A visitor dialled; the same `request_id` again is the same press.

    `dial` is only bounded here: whether it names a room is the server's answer (`room-unknown`).
    """

    request_id: str
    dial: str

    @classmethod
    def from_wire(cls, body: object) -> Press:
        f = Fields(body, "press")
        return cls(
            request_id=f.text("request_id", limit=64), dial=f.text("dial", limit=4 * MAX_DIAL_LENGTH, empty=True)
        )

    def to_wire(self) -> Json:
        return {"request_id": self.request_id, "dial": self.dial}


@dataclass(frozen=True, kw_only=True)
class HangUp:
    """The station ends a call."""

    call_id: str
    reason: HangUpReason

    @classmethod
    def from_wire(cls, body: object) -> HangUp:
        f = Fields(body, "hangup")
        return cls(call_id=f.text("call_id", limit=64), reason=f.choice("reason", HangUpReason))

    def to_wire(self) -> Json:
        return {"call_id": self.call_id, "reason": self.reason.value}


@dataclass(frozen=True, kw_only=True)
class OpenReport:
    """What became of an open command; `opened` only when the relay itself answered."""

    command_id: str
    result: OpenResult
    detail: str | None
    at: datetime

    @classmethod
    def from_wire(cls, body: object) -> OpenReport:
        f = Fields(body, "open.result")
        return cls(
            command_id=f.text("command_id", limit=64),
            result=f.choice("result", OpenResult),
            detail=f.optional_text("detail", limit=500),
            at=f.time("at"),
        )

    def to_wire(self) -> Json:
        return {
            "command_id": self.command_id,
            "result": self.result.value,
            "detail": self.detail,
            "at": format_time(self.at),
        }


@dataclass(frozen=True, kw_only=True)
class DoorEvent:
    """Something that happened at a door; `seq` grows by one with each event of this station, also across restarts."""

    event_id: str
    seq: int
    kind: EventKind
    door_id: str
    at: datetime
    detail: str | None = None

    @classmethod
    def from_wire(cls, body: object) -> DoorEvent:
        f = Fields(body, "event")
        return cls(
            event_id=f.text("event_id", limit=64),
            seq=f.integer("seq", low=1),
            kind=f.choice("kind", EventKind),
            door_id=f.text("door_id", limit=64),
            at=f.time("at"),
            detail=f.optional_text("detail", limit=500),
        )

    def to_wire(self) -> Json:
        return {
            "event_id": self.event_id,
            "seq": self.seq,
            "kind": self.kind.value,
            "door_id": self.door_id,
            "at": format_time(self.at),
            "detail": self.detail,
        }


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A JPEG of one moment of a call or an opening, or the reason (`missing`) why there is none."""

    moment: Moment
    at: datetime
    call_id: str | None = None
    command_id: str | None = None
    jpeg: bytes | None = None
    missing: str | None = None

    @classmethod
    def from_wire(cls, body: object) -> Picture:
        f = Fields(body, "picture")
        jpeg, missing = f.body.get("jpeg"), f.optional_text("missing", limit=100)
        if (jpeg is None) == (missing is None):
            raise WireError("picture", "needs exactly one of jpeg, missing")
        if jpeg is not None and (
            not isinstance(jpeg, bytes | bytearray)
            or len(jpeg) > MAX_PICTURE_BYTES
            or bytes(jpeg[:3]) != b"\xff\xd8\xff"
        ):
            raise WireError("picture.jpeg", f"must be a JPEG of at most {MAX_PICTURE_BYTES} bytes")
        call_id, command_id = f.optional_text("call_id", limit=64), f.optional_text("command_id", limit=64)
        if call_id is None and command_id is None:
            raise WireError("picture", "belongs to a call_id or a command_id")
        return cls(
            moment=f.choice("moment", Moment),
            at=f.time("at"),
            call_id=call_id,
            command_id=command_id,
            jpeg=None if jpeg is None else bytes(jpeg),
            missing=missing,
        )

    def to_wire(self) -> Json:
        wire: Json = {
            "moment": self.moment.value,
            "call_id": self.call_id,
            "command_id": self.command_id,
            "at": format_time(self.at),
        }
        if self.jpeg is None:
            return {**wire, "missing": self.missing}
        return {**wire, "jpeg": self.jpeg}


@dataclass(frozen=True, kw_only=True)
class ConfigApplied:
    """The station now works by this version of its configuration."""

    version: int

    @classmethod
    def from_wire(cls, body: object) -> ConfigApplied:
        return cls(version=Fields(body, "config.applied").integer("version"))

    def to_wire(self) -> Json:
        return {"version": self.version}
