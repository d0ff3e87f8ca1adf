"""The life of a call, pure: which state each act starts from, and what each end means."""

from enum import StrEnum

from intercom.station_protocol import CallState, EndReason, LegState

__all__ = ["ACTIVE", "Act", "CallState", "EndReason", "LegState", "missed", "next_state", "reason_of", "sources_of"]

ACTIVE = (CallState.RINGING, CallState.ANSWERED)


class Act(StrEnum):
    """What can happen to a call."""

    ANSWER = "answer"
    VISITOR_HANGS_UP = "visitor_hangs_up"
    RESIDENT_HANGS_UP = "resident_hangs_up"
    ALL_DECLINED = "all_declined"
    RING_TIME_OVER = "ring_time_over"
    TALK_TIME_OVER = "talk_time_over"
    OPENED_BY_CALL = "opened_by_call"
    DOOR_OPENED = "door_opened"
    STATION_LOST = "station_lost"
    PHONE_LOST = "phone_lost"
    MEDIA_FAILED = "media_failed"
    WITHDRAWN = "withdrawn"


_RULES: dict[Act, tuple[tuple[CallState, ...], EndReason | None]] = {
    Act.ANSWER: ((CallState.RINGING,), None),
    Act.VISITOR_HANGS_UP: (ACTIVE, EndReason.VISITOR_HUNG_UP),
    Act.RESIDENT_HANGS_UP: ((CallState.ANSWERED,), EndReason.RESIDENT_HUNG_UP),
    Act.ALL_DECLINED: ((CallState.RINGING,), EndReason.DECLINED),
    Act.RING_TIME_OVER: ((CallState.RINGING,), EndReason.NO_ANSWER),
    Act.TALK_TIME_OVER: ((CallState.ANSWERED,), EndReason.TALK_LIMIT),
    Act.OPENED_BY_CALL: ((CallState.RINGING,), EndReason.OPENED),
    Act.DOOR_OPENED: ((CallState.RINGING,), EndReason.DOOR_OPENED),
    Act.STATION_LOST: (ACTIVE, EndReason.STATION_LOST),
    Act.PHONE_LOST: ((CallState.ANSWERED,), EndReason.PHONE_LOST),
    Act.MEDIA_FAILED: ((CallState.ANSWERED,), EndReason.MEDIA_FAILED),
    Act.WITHDRAWN: (ACTIVE, EndReason.WITHDRAWN),
}

_NOT_MISSED = frozenset({EndReason.OPENED, EndReason.DOOR_OPENED, EndReason.WITHDRAWN})


def sources_of(act: Act) -> tuple[CallState, ...]:
    """The states in which this can happen; in any other it changes nothing."""
    return _RULES[act][0]


def reason_of(act: Act) -> EndReason | None:
    """The reason a call ends with when this happens, None for an act that does not end it."""
    return _RULES[act][1]


def next_state(state: CallState, act: Act) -> CallState:
    """The state after `act`; unchanged where the act does not apply (an opening never ends a talk)."""
    sources, reason = _RULES[act]
    if state not in sources:
        return state
    return CallState.ANSWERED if reason is None else CallState.ENDED


def missed(*, answered: bool, reason: EndReason | None) -> bool:
    """Whether the household missed the visitor: nobody answered and nobody opened."""
    return not answered and reason is not None and reason not in _NOT_MISSED
