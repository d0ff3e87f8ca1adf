"""R1 at size: two to eight phones answer at once, with jitter and dropped acknowledgements; one winner, every time."""

import os
import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.history import Outcome
from tests.support.racing import Race
from tests.support.server_process import ServiceProcess
from tests.support.service import SeededTemplate

ROUNDS = 10_000
SEED = int(os.environ.get("GATEHOUSE_RACE_SEED", "20261122"))
REFRESH_EVERY = 1000
"""Access tokens last ten minutes; pages renew theirs long before."""


@pytest.mark.timeout(1700)
def test_ten_thousand_races_have_one_winner_each(tmp_path: Path, seeded_template: SeededTemplate) -> None:
    rng = random.Random(SEED)
    service = ServiceProcess(tmp_path / "service", seeded_template)
    service.run()
    names = [f"住户{number}" for number in range(8)]
    household = service.community().family_household_id
    # One page stays open so that somebody is connected; the others answer as phones that were woken do.
    phones = [service.new_phone(household, name, connect=number == 0) for number, name in enumerate(names)]
    station = service.station()
    race = Race(list(zip(phones, names, strict=True)))
    outcomes: Counter[Outcome] = Counter()
    for number in range(ROUNDS):
        if number and number % REFRESH_EVERY == 0:
            for phone in phones:
                phone.refresh()
            phones[0].leave()
            phones[0].connect()
        call_id = station.press()["call"]["id"]
        attempts = race.run(call_id, rng=rng, jitter_s=0.003, drop_share=0.1, fewest=2)
        outcomes.update(attempt.outcome for attempt in attempts)
        winners = {attempt.phone for attempt in attempts if attempt.outcome == Outcome.WON}
        assert len(winners) == 1, f"round {number} (seed {SEED}): {attempts}"
        ended = station.ask("hangup", {"call_id": call_id, "reason": "visitor"})["call"]
        assert {leg["state"] for leg in ended["legs"]} <= {"completed_elsewhere", "ended"}, "nobody is left ringing"
        station.inbox.clear()
        phones[0].inbox.clear()
    assert race.history.violations() == []
    race.close()
    with closing(sqlite3.connect(service.folder / "gatehouse.db")) as connection:
        (answered,) = connection.execute("SELECT count(*) FROM call WHERE answered_leg_id IS NOT NULL").fetchone()
        (ringing,) = connection.execute("SELECT count(*) FROM call WHERE state <> 'ended'").fetchone()
    assert (answered, ringing) == (ROUNDS, 0)
    service.close()
    print(f"{ROUNDS} races (seed {SEED}): {dict(outcomes)}")
