"""The decision table of openings: total, and the first rule that speaks wins (clause 8.1 i)."""

import itertools

import pytest

from backend.access_rules import GRANTS, CallClaim, Reason, Request, decide

BOOLS = (False, True)
CLAIMS = [
    CallClaim(running=running, mine=mine, serves_door=serves, answered_by_another=other)
    for running, mine, serves, other in itertools.product(BOOLS, repeat=4)
]
REQUESTS = [
    Request(device_approved=approved, has_household=household, lives_here=lives, own_door=own, call=call)
    for approved, household, lives, own in itertools.product(BOOLS, repeat=4)
    for call in (None, *CLAIMS)
]


def expected(request: Request) -> Reason:
    """The same rules written the other way round: what must hold for each reason, each condition on its own."""
    ranked = [
        (not request.device_approved, Reason.DEVICE_PENDING),
        (not request.has_household, Reason.NO_HOUSEHOLD),
        (not request.lives_here, Reason.HOUSEHOLD_LET),
    ]
    if request.call is None:
        ranked += [(not request.own_door, Reason.NOT_YOUR_DOOR), (True, Reason.RESIDENT)]
    else:
        ranked += [
            (not (request.call.mine and request.call.running), Reason.CALL_OVER),
            (not request.call.serves_door, Reason.NOT_DOOR_OF_CALL),
            (request.call.answered_by_another, Reason.ANSWERED_BY_ANOTHER),
            (True, Reason.RESIDENT_IN_CALL),
        ]
    return next(reason for holds, reason in ranked if holds)


def test_every_combination_has_exactly_the_expected_decision() -> None:
    assert len(REQUESTS) == 16 * 17
    for request in REQUESTS:
        decision = decide(request)
        assert decision.reason == expected(request), request
        assert decision.granted is (decision.reason in GRANTS)


def test_every_reason_can_happen() -> None:
    assert {decide(request).reason for request in REQUESTS} == set(Reason)


GOOD_CALL = CallClaim(running=True, mine=True, serves_door=True, answered_by_another=False)


@pytest.mark.parametrize(
    ("changes", "reason", "granted"),
    [
        ({}, "resident", True),
        ({"own_door": False}, "not_your_door", False),
        ({"own_door": False, "call": GOOD_CALL}, "resident_in_call", True),
        ({"device_approved": False, "call": GOOD_CALL}, "device_pending", False),
        ({"has_household": False, "lives_here": False}, "no_household", False),
        ({"lives_here": False}, "household_let", False),
        ({"lives_here": False, "call": GOOD_CALL}, "household_let", False),
        (
            {"call": CallClaim(running=False, mine=True, serves_door=True, answered_by_another=False)},
            "call_over",
            False,
        ),
        (
            {"call": CallClaim(running=True, mine=False, serves_door=True, answered_by_another=False)},
            "call_over",
            False,
        ),
    ],
)
def test_decisions_a_person_would_expect(changes: dict, reason: str, granted: bool) -> None:
    usual = {"device_approved": True, "has_household": True, "lives_here": True, "own_door": True}
    decision = decide(Request(**{**usual, **changes}))
    assert (decision.reason, decision.granted) == (reason, granted)


def test_nothing_opens_for_a_device_that_waits_for_approval_whatever_else_holds() -> None:
    assert not any(decide(request).granted for request in REQUESTS if not request.device_approved)
    assert not any(decide(request).granted for request in REQUESTS if not request.lives_here)
