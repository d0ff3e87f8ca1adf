"""First answer wins (R1): eight phones answer at once over the real API; the naive statement is caught by the same check."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Update, update

from intercom.call_state import CallState
from intercom.call_records import Call, CallLeg
from tests.support.history import Outcome
from tests.support.racing import Race
from tests.support.service import Service
from tests.support.stations import TestStation

ROUNDS = 100
PHONES = 8
ROUNDS_WITH_EVERY_SOCKET = 40


def claim_without_the_state(call_id: str, *, leg_id: str, talk_s: int, now: datetime) -> Update:
    """The service's own statement minus its state clause."""
    return (
        update(Call)
        .where(Call.id == call_id, Call.expires_at > now)
        .values(
            state=CallState.ANSWERED,
            version=Call.version + 1,
            answered_leg_id=leg_id,
            answered_at=now,
            talk_until=now + timedelta(seconds=talk_s),
        )
        .execution_options(synchronize_session=False)
    )


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
def test_a_thousand_times_eight_phones_answer_at_once_and_exactly_one_wins(service: Service) -> None:
    with racing_family(service) as (race, station):
        for number in range(ROUNDS):
            call_id = station.press()["call"]["id"]
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
    service = start_service(claim=claim_without_the_state)
    with racing_family(service) as (race, station):
        for _ in range(3):
            call_id = station.press()["call"]["id"]
            race.run(call_id)
            end(station, call_id)
        violations = race.history.violations()
    assert len(violations) == 3, "the check must see what the naive statement does"
    assert all("phones won" in violation for violation in violations)
