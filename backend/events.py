"""Every fact of the service, past tense: stored with the change, heard by live listeners after the commit.

Facts hold identifiers and times only - no names, faces, identity or phone numbers - for they are stored and retried.
"""

from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened in one community."""

    community_id: str

    @property
    def kind(self) -> str:
        """The fact's name as it is stored."""
        return type(self).__name__

    def body(self) -> dict[str, Any]:
        """The fact's identifiers, JSON-ready; what only live listeners use is left out."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.metadata.get("stored", True)}


@dataclass(frozen=True, kw_only=True)
class CallChanged(Event):
    """A call was placed, answered, declined by one, or ended; `version` orders the changes.

    `snapshot` is the call as it was then, for live listeners only: it is never stored.
    """

    call_id: str
    station_id: str
    tenancy_id: str | None
    version: int
    snapshot: object = field(repr=False, compare=False, metadata={"stored": False})


@dataclass(frozen=True, kw_only=True)
class CallRinging(CallChanged):
    """A call was placed and phones are to ring."""


@dataclass(frozen=True, kw_only=True)
class CallAnswered(CallChanged):
    """One phone won the call."""


@dataclass(frozen=True, kw_only=True)
class CallDeclined(CallChanged):
    """One phone declined; the others go on ringing."""

    device_id: str


@dataclass(frozen=True, kw_only=True)
class CallEnded(CallChanged):
    """The call is over; `reason` is one of `call_state.EndReason`."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class AccessRecorded(Event):
    """A row was appended to the access log."""

    seq: int
    record_kind: str
    correlation_id: str
    door_id: str | None


@dataclass(frozen=True, kw_only=True)
class OpeningChanged(Event):
    """The state of an opening is known, or known better than before; `snapshot` as in `CallChanged`."""

    opening_id: str
    device_id: str
    door_id: str
    call_id: str | None
    state: str
    snapshot: object = field(repr=False, compare=False, metadata={"stored": False})


@dataclass(frozen=True, kw_only=True)
class DoorContactChanged(Event):
    """A door's contact changed, or a button at it was pressed, as its station reported."""

    door_id: str
    station_id: str
    change: str


@dataclass(frozen=True, kw_only=True)
class DeviceApproved(Event):
    """A device may now open doors and be rung."""

    device_id: str
    account_id: str


@dataclass(frozen=True, kw_only=True)
class DeviceAsked(Event):
    """A device signed in by phone number and waits for approval."""

    device_id: str
    account_id: str


@dataclass(frozen=True, kw_only=True)
class DeviceRemoved(Event):
    """A device lost everything; its sockets are to be closed."""

    device_id: str
    account_id: str


@dataclass(frozen=True, kw_only=True)
class SignedOut(Event):
    """A session ended, by its person or because a refresh token came back; the device's sockets are to be closed."""

    device_id: str
    session_id: str


@dataclass(frozen=True, kw_only=True)
class HouseholdChanged(Event):
    """Who lives in, owns or rents a household changed: sockets of its people read their rooms anew."""

    household_id: str


@dataclass(frozen=True, kw_only=True)
class StationPaired(Event):
    """A station has a new key; whoever held the old one is to be disconnected."""

    station_id: str


@dataclass(frozen=True, kw_only=True)
class StationConfigured(Event):
    """A station's configuration has a new version."""

    station_id: str
    version: int
