"""First answer wins (R1): eight phones answer at once over the real API; the same check catches a naive statement."""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import bindparam, update

from backend.db import UtcDateTime, table_of
from intercom.call_records import Call, CallLeg
from intercom.call_state import CallState
from intercom.call_statements import CLAIM_FIRST_ANSWER
from tests.support.history import Outcome
from tests.support.racing import Race
from tests.support.service import Service
from tests.support.stations import TestStation

ROUNDS = 1000
PHONES = 8
ROUNDS_WITH_EVERY_SOCKET = 40


_call = table_of(Call)
_now = bindparam("now", type_=UtcDateTime())
CLAIM_WITHOUT_THE_STATE = (
    update(_call)
    .where(_call.c.id == bindparam("of_call"), _call.c.expires_at > _now)
    .values(
        state=CallState.ANSWERED,
        version=_call.c.version + 1,
        answered_leg_id=bindparam("winner"),
        answered_at=_now,
        talk_until=bindparam("talk_ends", type_=UtcDateTime()),
    )
)
"""The service's own statement minus its state clause."""


def test_the_naive_statement_differs_from_the_real_one_in_its_state_clause_only() -> None:
    real, naive = str(CLAIM_FIRST_ANSWER), str(CLAIM_WITHOUT_THE_STATE)
    without = re.sub(r" AND call\.state IN \(\S+\)", "", real)
    assert without != real
    assert without == naive


@contextlib.contextmanager
def racing_family(service: Service) -> Iterator[tuple[Race, TestStation]]:
    household = service.community().family_household_id
    phones = [(service.new_phone(household, f"住户{number}"), f"住户{number}") for number in range(PHONES)]
    station = service.station()
    race = Race(phones)
    yield race, station
    race.close()


def end(station: TestStation, call_id: str) -> None:
    ended = station.ask("hangup", {"call_id": call_id, "reason": "visitor"})
    assert ended["call"]["state"] == "ended"


def legs_of(service: Service, call_ids: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    with service.db.reading() as session:
        for leg in session.query(CallLeg).where(CallLeg.call_id.in_(call_ids)):
            found.setdefault(leg.call_id, []).append(leg.state)
    return found


@pytest.mark.timeout(400)
def test_a_thousand_times_eight_phones_answer_at_once_and_exactly_one_wins(
    start_service: Callable[..., Service],
) -> None:
    # Seven pages are closed half-way; a talk must not end because its phone stays away.
    service = start_service(phone_grace_s=3600)
    with racing_family(service) as (race, station):
        for number in range(ROUNDS):
            placed = station.press()["call"]
            assert placed["state"] == "ringing", placed
            call_id = placed["id"]
            attempts = race.run(call_id)
            assert sorted(a.outcome for a in attempts) == [Outcome.LOST] * (PHONES - 1) + [Outcome.WON]
            winner = next(a for a in attempts if a.outcome == Outcome.WON)
            assert {a.winner for a in attempts} == {winner.phone}, "everybody is told the one who won"
            settled = legs_of(service, [call_id])[call_id]
            assert sorted(settled) == ["answered"] + ["completed_elsewhere"] * (PHONES - 1)
            if number < ROUNDS_WITH_EVERY_SOCKET:
                for racer in race.racers:
                    told = racer.phone.inbox.wait("call", answered(call_id), timeout=2)
                    assert told["answered_by"]["name"] == winner.phone
                    racer.phone.inbox.clear()
            elif number == ROUNDS_WITH_EVERY_SOCKET:
                for racer in race.racers[1:]:
                    racer.phone.close()
            end(station, call_id)
            station.inbox.clear()
            race.racers[0].phone.inbox.clear()
        assert race.history.violations() == []
        assert len(race.history.attempts) == ROUNDS * PHONES


def answered(call_id: str) -> Callable[[Any], bool]:
    return lambda call: call["id"] == call_id and call["state"] == "answered"


def test_the_same_statement_without_its_state_clause_is_caught(start_service: Callable[..., Service]) -> None:
    service = start_service(phone_grace_s=3600, claim=CLAIM_WITHOUT_THE_STATE)
    with racing_family(service) as (race, station):
        for _ in range(3):
            call_id = station.press()["call"]["id"]
            race.run(call_id)
            end(station, call_id)
        violations = race.history.violations()
    assert len(violations) == 3, "the check must see what the naive statement does"
    assert all("phones won" in violation for violation in violations)
