"""P3: tap on "open" until the station's acknowledgement is back at the phone, beside a message there and back through
the raw hub with two durable commits.

Two stations: a light one that answers at once, and the real agent (`gatehouse station run --relay log`), which writes
its journal to disk before and after it moves the relay. The phone's request is signed before the clock starts; it is
one HTTP request on a new connection, as pages make them.
"""

import asyncio
import secrets
import sys
import time
from typing import Any

from tests.benchmarks.figures import Report, Samples
from tests.benchmarks.processes import Worker
from tests.benchmarks.rig import HubClient, Rig


class RoundTrip:
    """A phone and a station on the raw hub: a message there, one back, each committed before it is passed on."""

    def __init__(self) -> None:
        self._phone, self._station = HubClient(), HubClient()
        self._back: asyncio.Future[float] | None = None

    async def join(self, port: int) -> "RoundTrip":
        await self._phone.join(port, "opener")
        await self._station.join(port, "lock")
        self._station.on_message = lambda body, at: self._station.send("opener", body, commit=True)
        self._phone.on_message = self._came_back
        return self

    def _came_back(self, body: Any, at: float) -> None:
        if self._back is not None and not self._back.done():
            self._back.set_result(at)

    async def there_and_back(self) -> tuple[float, float]:
        self._back = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        self._phone.send("lock", {"open": secrets.token_hex(16), "relay": 1, "hold_s": 5}, commit=True)
        return began, await asyncio.wait_for(self._back, 10)


async def _open(rig: Rig, door_id: str, number: int) -> tuple[float, float]:
    phone = rig.home.phones[number % len(rig.home.phones)]
    path = f"/api/v1/doors/{door_id}/openings"
    headers = {**phone.signer.headers("POST", path), "Idempotency-Key": secrets.token_hex(8)}
    began = time.perf_counter()
    status, body, at = await phone.http.request("POST", path, headers, {})
    assert (status, body["state"]) == (201, "opened"), f"it did not open: {status} {body}"
    return began, at


def start_agent(rig: Rig) -> Worker:
    """Pair and run the real station software."""
    state = str(rig.folder / "agent")
    command = [sys.executable, "-m", "backend.cli", "station"]
    code = rig.community.pairing_code()
    pairing = Worker(
        [*command, "pair", "--server", f"http://127.0.0.1:{rig.port}", "--code", code, "--state", state],
        rig.folder / "pairing.log",
    )
    pairing.said("paired with")
    pairing.stop()
    return Worker([*command, "run", "--state", state, "--relay", "log"], rig.folder / "agent.log")


async def _until_it_opens(rig: Rig, door_id: str) -> None:
    """The agent is ready when the first opening succeeds."""
    end = time.monotonic() + 40
    while True:
        try:
            await _open(rig, door_id, 0)
        except AssertionError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.3)
        else:
            return


async def run(rig: Rig, *, rounds: int) -> Report:
    """Floor, light station and agent in turn."""
    report = Report("P3: open; tap -> the station's acknowledgement is back, decision and result durable")
    floor = Samples("floor: raw hub there and back + two durable commits")
    light = Samples("Gatehouse: tap -> light station -> answer")
    real = Samples("Gatehouse: tap -> real agent (journal, relay) -> answer")
    trip = await RoundTrip().join(rig.hub_port)
    agent = await rig.off_thread(start_agent, rig)
    try:
        await _until_it_opens(rig, rig.community.agent_door_id)
        for number in range(rounds + 3):
            times = [
                (floor, await trip.there_and_back()),
                (light, await _open(rig, rig.community.door_id, number)),
                (real, await _open(rig, rig.community.agent_door_id, number)),
            ]
            if number >= 3:
                for samples, (began, ended) in times:
                    samples.add(began, ended)
            await asyncio.sleep(0.02)
    finally:
        await rig.off_thread(agent.stop)
    report.samples += [floor, light, real]
    report.judge("P3 open, light station", light, floor, "hub + 2 commits", must=5, goal=2)
    report.judge("P3 open, real agent", real, floor, "hub + 2 commits", must=5, goal=2)
    return report
