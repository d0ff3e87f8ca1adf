"""One worker of the race: rounds of two to eight phones with jitter and dropped acknowledgements; prints its counts.

python -m tests.proof.race_rounds --rounds 5000 --seed 1 --folder /some/empty/folder
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path

from intercom.call_records import CallLeg
from tests.support.history import History, Outcome
from tests.support.racing import Race
from tests.support.service import SeededTemplate, Service

PHONES, FEWEST = 8, 2
JITTER_S = 0.004
DROP_SHARE = 0.15
TOLD_WITHIN_S = 2.0


def play(rounds: int, *, seed: int, folder: Path) -> dict[str, float | int | list[str]]:
    rng = random.Random(seed)
    service = Service(folder / "service", SeededTemplate(folder), phone_grace_s=100_000, access_token_s=100_000)
    household = service.community().family_household_id
    race = Race([(service.new_phone(household, f"p{n}", connect=n < 2), f"p{n}") for n in range(PHONES)])
    listeners = [racer.phone for racer in race.racers[:2]]
    station = service.station()
    counts: Counter[str] = Counter()
    violations: list[str] = []
    slowest_s, began = 0.0, time.perf_counter()
    for _ in range(rounds):
        call_id = station.press()["call"]["id"]
        attempts = race.run(call_id, rng=rng, jitter_s=JITTER_S, drop_share=DROP_SHARE, fewest=FEWEST)
        answered = time.perf_counter()
        for phone in listeners:
            phone.told(call_id, "answered", timeout=TOLD_WITHIN_S)
        with service.db.reading() as session:
            legs = Counter(leg.state for leg in session.query(CallLeg).where(CallLeg.call_id == call_id))
        if legs["answered"] != 1 or legs["ringing"]:
            violations.append(f"call {call_id}: legs {dict(legs)}")
        slowest_s = max(slowest_s, time.perf_counter() - answered)
        counts["rounds"] += 1
        counts["attempts"] += len(attempts)
        counts.update(str(attempt.outcome) for attempt in attempts)
        violations += race.history.violations()
        race.history = History()
        station.hang_up(call_id)
        for thing in (*listeners, station):
            thing.inbox.clear()
    race.close()
    service.close()
    return {
        **counts,
        "dropped": counts[Outcome.UNKNOWN],
        "seconds": round(time.perf_counter() - began, 1),
        "slowest_to_tell_s": round(slowest_s, 3),
        "violations": violations,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    asked = parser.parse_args()
    found = play(asked.rounds, seed=asked.seed, folder=asked.folder)
    print(json.dumps(found))
    return 1 if found["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
