"""The checker of races must itself find what it is for."""

import pytest

from tests.support.history import Attempt, History, Outcome

WON, LOST, OVER, UNKNOWN = Outcome.WON, Outcome.LOST, Outcome.OVER, Outcome.UNKNOWN


def history(*attempts: tuple[str, float, float, Outcome, str | None]) -> History:
    made = History()
    for phone, began, ended, outcome, winner in attempts:
        made.add(Attempt(call_id="c", phone=phone, began=began, ended=ended, outcome=outcome, winner=winner))
    return made


GOOD = [
    [("a", 0, 1, WON, "a")],
    [("a", 0, 1, WON, "a"), ("b", 0, 1, LOST, "a"), ("c", 0.5, 2, LOST, "a")],
    [("a", 0, 5, WON, "a"), ("b", 1, 2, LOST, "a")],
    [("a", 0, 1, UNKNOWN, None), ("b", 0, 1, LOST, "a"), ("a", 2, 3, WON, "a")],
    [("a", 0, 1, UNKNOWN, None), ("b", 0, 1, WON, "b"), ("a", 2, 3, LOST, "b")],
    [("a", 0, 1, UNKNOWN, None), ("b", 0, 1, LOST, "a")],
    [("a", 0, 1, WON, "a"), ("a", 2, 3, WON, "a")],
]
BAD = [
    ([("a", 0, 1, WON, "a"), ("b", 0, 1, WON, "b")], "2 phones won"),
    ([("a", 0, 1, WON, "a"), ("b", 5, 6, WON, "b")], "2 phones won"),
    ([("a", 0, 1, WON, "a"), ("b", 0, 1, LOST, "c")], "c won, who did not"),
    ([("a", 0, 1, WON, "a"), ("b", 0, 1, LOST, "a"), ("c", 0, 1, LOST, "b")], "different winners"),
    ([("a", 0, 1, LOST, "b"), ("b", 0, 1, LOST, "a")], "nobody won"),
    ([("a", 0, 1, OVER, None)], "nobody had ended"),
    ([("a", 0, 1, WON, "a"), ("a", 2, 3, LOST, "a")], "won and was told that it lost"),
    ([("b", 0, 1, LOST, "a"), ("a", 2, 3, WON, "a")], "before the winner had begun"),
]


@pytest.mark.parametrize("attempts", GOOD)
def test_what_one_winner_explains_is_no_violation(attempts: list) -> None:
    assert history(*attempts).violations() == []


@pytest.mark.parametrize(("attempts", "said"), BAD)
def test_what_one_winner_cannot_explain_is_a_violation(attempts: list, said: str) -> None:
    found = history(*attempts).violations()
    assert any(said in violation for violation in found), found


def test_calls_are_judged_apart() -> None:
    made = history(("a", 0, 1, WON, "a"))
    made.add(Attempt(call_id="d", phone="b", began=0, ended=1, outcome=WON, winner="b"))
    assert made.violations() == []
