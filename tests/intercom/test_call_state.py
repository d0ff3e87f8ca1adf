"""The life of a call as a table: every act from every state, and what counts as missed (clause 8(1)b)."""

import itertools

import pytest

from intercom.call_state import ACTIVE, Act, CallState, EndReason, missed, next_state, reason_of, sources_of

R, A, E = CallState.RINGING, CallState.ANSWERED, CallState.ENDED
TABLE = {
    # act: (from ringing, from answered, reason)
    Act.ANSWER: (A, A, None),
    Act.VISITOR_HANGS_UP: (E, E, "visitor_hung_up"),
    Act.RESIDENT_HANGS_UP: (R, E, "resident_hung_up"),
    Act.ALL_DECLINED: (E, A, "declined"),
    Act.RING_TIME_OVER: (E, A, "no_answer"),
    Act.TALK_TIME_OVER: (R, E, "talk_limit"),
    Act.OPENED_BY_CALL: (E, A, "opened"),
    Act.DOOR_OPENED: (E, A, "door_opened"),
    Act.STATION_LOST: (E, E, "station_lost"),
    Act.PHONE_LOST: (R, E, "phone_lost"),
    Act.MEDIA_FAILED: (R, E, "media_failed"),
    Act.WITHDRAWN: (E, E, "withdrawn"),
}


def test_the_table_covers_every_act() -> None:
    assert set(TABLE) == set(Act)


@pytest.mark.parametrize("act", list(Act))
def test_each_act_leads_where_the_table_says_and_nothing_revives_an_ended_call(act: Act) -> None:
    from_ringing, from_answered, reason = TABLE[act]
    assert next_state(R, act) == from_ringing
    assert next_state(A, act) == from_answered
    assert next_state(E, act) == E
    assert reason_of(act) == reason
    assert E not in sources_of(act)


def test_whatever_happens_in_whatever_order_a_call_only_moves_forward_and_is_answered_once() -> None:
    order = {R: 0, A: 1, E: 2}
    for acts in itertools.product(Act, repeat=3):
        state, path = R, [R]
        for act in acts:
            state = next_state(state, act)
            path.append(state)
        assert [order[s] for s in path] == sorted(order[s] for s in path), acts


def test_every_active_state_can_end_and_every_reason_but_two_has_its_act() -> None:
    for state in ACTIVE:
        assert any(next_state(state, act) == E for act in Act)
    at_placing = {EndReason.NOBODY_CONNECTED, EndReason.HOUSEHOLD_BUSY}
    assert {reason_of(act) for act in Act} - {None} == set(EndReason) - at_placing


@pytest.mark.parametrize("reason", list(EndReason))
def test_a_call_is_missed_when_nobody_answered_and_nobody_opened(reason: EndReason) -> None:
    assert missed(answered=True, reason=reason) is False
    assert missed(answered=False, reason=reason) is (reason not in {"opened", "door_opened", "withdrawn"})


def test_a_running_call_is_not_missed() -> None:
    assert missed(answered=False, reason=None) is False
