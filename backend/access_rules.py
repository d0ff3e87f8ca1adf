"""Who may open which door now: a pure decision with a reason, the same on the server and (later) on a station."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a door opens or stays shut; a closed set, each with a sentence in the pages."""

    RESIDENT = "resident"
    RESIDENT_IN_CALL = "resident_in_call"
    NOT_YOUR_DOOR = "not_your_door"
    NO_HOUSEHOLD = "no_household"
    HOUSEHOLD_LET = "household_let"
    DEVICE_PENDING = "device_pending"
    CALL_OVER = "call_over"
    NOT_DOOR_OF_CALL = "not_door_of_call"
    ANSWERED_BY_ANOTHER = "answered_by_another"


GRANTS = frozenset({Reason.RESIDENT, Reason.RESIDENT_IN_CALL})


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The answer and the rule that gave it."""

    reason: Reason

    @property
    def granted(self) -> bool:
        """Whether the door may open."""
        return self.reason in GRANTS


@dataclass(frozen=True, kw_only=True)
class CallClaim:
    """What is known of the call a person opens from: theirs, still running, and with a door it can open."""

    running: bool
    mine: bool
    serves_door: bool
    answered_by_another: bool
    tenancy_id: str | None = None
    """Whose call it is."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One wish to open one door."""

    device_approved: bool
    has_household: bool
    lives_here: bool
    """One of the person's tenancies has its home now."""
    own_door: bool
    """The door is on the way to a home whose tenancy counts."""
    call: CallClaim | None = None


def decide(request: Request) -> Decision:
    """The decision; total over every request, first rule that speaks wins."""
    return Decision(reason=_reason(request))


def _reason(request: Request) -> Reason:
    if not request.device_approved:
        return Reason.DEVICE_PENDING
    if not request.has_household:
        return Reason.NO_HOUSEHOLD
    if not request.lives_here:
        return Reason.HOUSEHOLD_LET
    if request.call is not None:
        return _call_reason(request.call)
    return Reason.RESIDENT if request.own_door else Reason.NOT_YOUR_DOOR


def _call_reason(call: CallClaim) -> Reason:
    if not call.mine or not call.running:
        return Reason.CALL_OVER
    if not call.serves_door:
        return Reason.NOT_DOOR_OF_CALL
    if call.answered_by_another:
        return Reason.ANSWERED_BY_ANOTHER
    return Reason.RESIDENT_IN_CALL
