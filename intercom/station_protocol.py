"""The station protocol's messages: what a door station says to Gatehouse and hears from it (docs/station-protocol.md).

Both ends use it, so it needs nothing but the standard library. Signatures stand in `station_hello`, the configuration
and the welcome in `station_config`, what a station reports in `station_reports`, reading and writing of fields in
`station_wire`.
Every message is a frozen dataclass; `from_wire` refuses what is malformed with a `WireError` that names the field and
ignores members it does not know, so that a later minor version may add some.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from intercom.station_wire import Fields, Json, WireError, format_time, optional_time

NAMESPACE = "/station"
SOCKETIO_PATH = "/socket.io/"
PAIRING_PATH = "/api/v1/stations/pair"

HEARTBEAT_S = 10
HEARTBEATS_MISSED = 3
OPEN_EXPIRES_S = 5
MAX_MESSAGE_BYTES = 300 * 1024
MAX_PICTURE_BYTES = 256 * 1024
MAX_SDP_BYTES = 32 * 1024
MAX_CANDIDATE_BYTES = 1024
MAX_DIAL_LENGTH = 16
MESSAGES_PER_S = 30
MESSAGES_BURST = 90
PRESSES_PER_MINUTE = 12

DIAL_PATTERN = re.compile(rf"[0-9-]{{1,{MAX_DIAL_LENGTH}}}")


class ServerEvent(StrEnum):
    """Names of the events a server sends to a station."""

    WELCOME = "welcome"
    CONFIG = "config"
    CALL = "call"
    SIGNAL = "signal"
    OPEN = "open"


class StationEvent(StrEnum):
    """Names of the events a station sends to the server; each is acknowledged."""

    HEARTBEAT = "heartbeat"
    PRESS = "press"
    HANGUP = "hangup"
    SIGNAL = "signal"
    OPEN_RESULT = "open.result"
    EVENT = "event"
    PICTURE = "picture"
    CONFIG_APPLIED = "config.applied"


class CallState(StrEnum):
    """Where a call stands."""

    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"


class LegState(StrEnum):
    """Where one phone's part in a call stands."""

    RINGING = "ringing"
    ANSWERED = "answered"
    DECLINED = "declined"
    COMPLETED_ELSEWHERE = "completed_elsewhere"
    ENDED = "ended"


class EndReason(StrEnum):
    """Why a call ended; a station says something polite for each."""

    VISITOR_HUNG_UP = "visitor_hung_up"
    RESIDENT_HUNG_UP = "resident_hung_up"
    DECLINED = "declined"
    NO_ANSWER = "no_answer"
    NOBODY_CONNECTED = "nobody_connected"
    OPENED = "opened"
    DOOR_OPENED = "door_opened"
    STATION_LOST = "station_lost"
    PHONE_LOST = "phone_lost"
    TALK_LIMIT = "talk_limit"
    HOUSEHOLD_BUSY = "household_busy"
    MEDIA_FAILED = "media_failed"
    WITHDRAWN = "withdrawn"


class HangUpReason(StrEnum):
    """Why the station itself ends a call."""

    VISITOR = "visitor"
    STATION_RESTARTED = "station_restarted"
    MEDIA_FAILED = "media_failed"


class OpenResult(StrEnum):
    """What became of an open command."""

    OPENED = "opened"
    FAILED = "failed"
    EXPIRED = "expired"


class EventKind(StrEnum):
    """What happened at a door."""

    DOOR_OPENED = "door_opened"
    DOOR_CLOSED = "door_closed"
    EXIT_BUTTON = "exit_button"


class Contact(StrEnum):
    """What a door's contact says."""

    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"


class RelayKind(StrEnum):
    """Who moves the lock of a kiosk page: an agent on the same machine, a drawn door, or nobody."""

    AGENT = "agent"
    DRAWN = "drawn"
    NONE = "none"


class StationKind(StrEnum):
    """At the entrance of one unit, or at a gate that several buildings share."""

    UNIT = "unit"
    GATE = "gate"


class DialKind(StrEnum):
    """What a visitor dials: a room of this unit, or building and room."""

    ROOM = "room"
    BUILDING_ROOM = "building_room"


class Moment(StrEnum):
    """Why a picture was taken."""

    PRESS = "press"
    ANSWER = "answer"
    OPENING = "opening"


def valid_dial(text: str) -> bool:
    """Whether a server may look this room number up at all (1 to 16 ASCII digits and hyphens)."""
    return DIAL_PATTERN.fullmatch(text) is not None


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One phone's part in a call."""

    id: str
    state: LegState


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call as a station sees it: no names, no phone numbers."""

    id: str
    version: int
    state: CallState
    dial: str
    placed_at: datetime
    expires_at: datetime
    talk_until: datetime | None = None
    answered_at: datetime | None = None
    answered_leg_id: str | None = None
    ended_at: datetime | None = None
    end_reason: EndReason | None = None
    legs: tuple[Leg, ...] = ()

    @classmethod
    def from_wire(cls, body: object) -> Call:
        f = Fields(body, "call")
        reason = None if f.body.get("end_reason") is None else f.choice("end_reason", EndReason)
        return cls(
            id=f.text("id", limit=64),
            version=f.integer("version"),
            state=f.choice("state", CallState),
            dial=f.text("dial", limit=MAX_DIAL_LENGTH),
            placed_at=f.time("placed_at"),
            expires_at=f.time("expires_at"),
            talk_until=f.optional_time("talk_until"),
            answered_at=f.optional_time("answered_at"),
            answered_leg_id=f.optional_text("answered_leg_id", limit=64),
            ended_at=f.optional_time("ended_at"),
            end_reason=reason,
            legs=tuple(Leg(id=x.text("id", limit=64), state=x.choice("state", LegState)) for x in f.objects("legs")),
        )

    def to_wire(self) -> Json:
        return {
            "id": self.id,
            "version": self.version,
            "state": self.state.value,
            "dial": self.dial,
            "placed_at": optional_time(self.placed_at),
            "expires_at": optional_time(self.expires_at),
            "talk_until": optional_time(self.talk_until),
            "answered_at": optional_time(self.answered_at),
            "answered_leg_id": self.answered_leg_id,
            "ended_at": optional_time(self.ended_at),
            "end_reason": None if self.end_reason is None else self.end_reason.value,
            "legs": [{"id": leg.id, "state": leg.state.value} for leg in self.legs],
        }


@dataclass(frozen=True, kw_only=True)
class Signal:
    """WebRTC signalling between one phone and the station: exactly one of description, candidate, problem.

    A candidate of empty text (or null) says that no more will come.
    """

    call_id: str
    leg_id: str
    description: Json | None = None
    candidate: Json | None = None
    problem: Json | None = None

    @classmethod
    def from_wire(cls, body: object) -> Signal:
        f = Fields(body, "signal")
        present = [key for key in ("description", "candidate", "problem") if key in f.body]
        if len(present) != 1:
            raise WireError("signal", "needs exactly one of description, candidate, problem")
        call_id, leg_id = f.text("call_id", limit=64), f.text("leg_id", limit=64)
        if present == ["description"]:
            d = f.object("description")
            if d.text("type", limit=16) not in ("offer", "answer"):
                raise WireError("signal.description.type", "must be offer or answer")
            description = {"type": d.body["type"], "sdp": d.text("sdp", limit=MAX_SDP_BYTES)}
            return cls(call_id=call_id, leg_id=leg_id, description=description)
        if present == ["problem"]:
            return cls(call_id=call_id, leg_id=leg_id, problem=dict(f.object("problem").body))
        if f.body["candidate"] is None:
            return cls(call_id=call_id, leg_id=leg_id, candidate={"candidate": ""})
        c = f.object("candidate")
        candidate: Json = {"candidate": c.text("candidate", limit=MAX_CANDIDATE_BYTES, empty=True)}
        if (mid := c.optional_text("sdpMid", limit=32)) is not None:
            candidate["sdpMid"] = mid
        if c.body.get("sdpMLineIndex") is not None:
            candidate["sdpMLineIndex"] = c.integer("sdpMLineIndex", high=64)
        return cls(call_id=call_id, leg_id=leg_id, candidate=candidate)

    def to_wire(self) -> Json:
        wire: Json = {"call_id": self.call_id, "leg_id": self.leg_id}
        for key in ("description", "candidate", "problem"):
            if (value := getattr(self, key)) is not None:
                wire[key] = value
        return wire


@dataclass(frozen=True, kw_only=True)
class OpenCommand:
    """The order to release one door; not to be obeyed after `expires_at` by the server's clock."""

    command_id: str
    door_id: str
    relay: int
    hold_s: float
    issued_at: datetime
    expires_at: datetime
    call_id: str | None = None
    by: str | None = None

    @classmethod
    def from_wire(cls, body: object) -> OpenCommand:
        f = Fields(body, "open")
        return cls(
            command_id=f.text("command_id", limit=64),
            door_id=f.text("door_id", limit=64),
            relay=f.integer("relay", low=1, high=64),
            hold_s=f.number("hold_s", low=0.1, high=120),
            issued_at=f.time("issued_at"),
            expires_at=f.time("expires_at"),
            call_id=f.optional_text("call_id", limit=64),
            by=f.optional_text("by", limit=64),
        )

    def to_wire(self) -> Json:
        return {
            "command_id": self.command_id,
            "door_id": self.door_id,
            "relay": self.relay,
            "hold_s": self.hold_s,
            "issued_at": format_time(self.issued_at),
            "expires_at": format_time(self.expires_at),
            "call_id": self.call_id,
            "by": self.by,
        }
