"""`python -m tests.benchmarks`: every promised figure beside its floor or peer, in one run of under twelve minutes.

--quick (or BENCH_QUICK=1)   fewer rounds, about three minutes
--only calls,openings,...    some of: calls, openings, fanout, first_frame
--no-kamailio, --no-node     without that peer
--json FILE                  the figures as data, too
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import time
from pathlib import Path

from tests.benchmarks import bench_calls, bench_fanout, bench_first_frame, bench_openings
from tests.benchmarks.figures import Report
from tests.benchmarks.processes import working_folder
from tests.benchmarks.rig import rig

BENCHES = ("calls", "openings", "fanout", "first_frame")


def _chosen() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--quick", action="store_true", default=os.environ.get("BENCH_QUICK", "") == "1")
    parser.add_argument("--only", default=",".join(BENCHES))
    parser.add_argument("--others", type=int, default=1000, help="other phones connected")
    parser.add_argument("--no-kamailio", action="store_true")
    parser.add_argument("--no-node", action="store_true")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    unknown = set(chosen.only.split(",")) - set(BENCHES)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    return chosen


async def _with_rig(chosen: argparse.Namespace, wanted: set[str], folder: Path) -> list[Report]:
    quick, reports = chosen.quick, []
    async with rig(folder, others=chosen.others) as running:
        if "calls" in wanted:
            rounds, blocks = (24, 2) if quick else (100, 4)
            reports.append(
                await bench_calls.run(running, rounds=rounds, blocks=blocks, kamailio=not chosen.no_kamailio)
            )
            print(reports[-1].text(), flush=True)
        if "openings" in wanted:
            reports.append(await bench_openings.run(running, rounds=25 if quick else 120))
            print(reports[-1].text(), flush=True)
        if "fanout" in wanted:
            reports.append(await bench_fanout.run(running, rounds=10 if quick else 30, node=not chosen.no_node))
            print(reports[-1].text(), flush=True)
    return reports


def _first_frame(folder: Path, *, rounds: int) -> Report:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        return Report("P5: answer -> first frame", notes=["no Chromium here: not measured"])
    return bench_first_frame.run(folder, chromium, rounds=rounds)


def main() -> None:
    chosen = _chosen()
    wanted = set(chosen.only.split(","))
    began = time.monotonic()
    cores, load = os.cpu_count(), os.getloadavg()[0]
    print(f"Python {platform.python_version()}, {platform.machine()}, {cores} cores, load {load:.1f} at the start")
    reports: list[Report] = []
    with working_folder() as folder:
        if wanted - {"first_frame"}:
            reports += asyncio.run(_with_rig(chosen, wanted, folder))
        if "first_frame" in wanted:
            reports.append(_first_frame(folder, rounds=4 if chosen.quick else 12))
            print(reports[-1].text(), flush=True)
    verdicts = [verdict for report in reports for verdict in report.verdicts if verdict.must is not None]
    missed = [verdict for verdict in verdicts if verdict.word == "MUST MISSED"]
    print(f"\n{len(verdicts) - len(missed)} of {len(verdicts)} musts held; {time.monotonic() - began:.0f} s")
    if chosen.json:
        chosen.json.write_text(json.dumps([report.data() for report in reports], indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
