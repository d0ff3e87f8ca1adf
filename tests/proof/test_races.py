"""R1: one winner in each of 10,000 races of two to eight phones with jitter and dropped acknowledgements."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROUNDS = int(os.environ.get("RACE_ROUNDS") or (50_000 if os.environ.get("FULL") == "1" else 10_000))
WORKERS = 2
"""Each worker is a service, its database and its phones in one process, so that two use two cores."""
LIMIT_S = 6 * 3600 if os.environ.get("FULL") == "1" else 25 * 60


@pytest.mark.timeout(LIMIT_S + 60)
def test_ten_thousand_races_have_exactly_one_winner_each(tmp_path: Path) -> None:
    seed = int(os.environ.get("RACE_SEED") or time.time_ns() % 2**32)
    workers = []
    for number in range(WORKERS):
        folder = tmp_path / f"worker-{number}"
        folder.mkdir()
        command = [sys.executable, "-m", "tests.proof.race_rounds", "--rounds", str(ROUNDS // WORKERS)]
        command += ["--seed", str(seed + number), "--folder", str(folder)]
        workers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]))
    try:
        replies = [worker.communicate(timeout=LIMIT_S)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    found = [json.loads(reply.splitlines()[-1]) for reply in replies]
    print(f"\nraces (seed {seed}): {found}")
    assert [one["violations"] for one in found] == [[]] * WORKERS
    assert [worker.returncode for worker in workers] == [0] * WORKERS
    assert sum(one["rounds"] for one in found) == ROUNDS // WORKERS * WORKERS
    assert sum(one["dropped"] for one in found) > 0, "acknowledgements were dropped"
