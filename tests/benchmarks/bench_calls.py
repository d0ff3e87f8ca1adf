"""P1 and P2: a press until the last of eight phones rings; an answer until the last of the seven others knows.

One round: floor messages on the raw hub, then press, 400 ms, answer, 200 ms, hang up on the service. The answer goes
over the socket and over HTTP in turn. The call is durable before anybody hears of it; on the floor one row is committed
per message.
"""

import asyncio
import time
from typing import Any

from tests.benchmarks.community import ROOM
from tests.benchmarks.figures import Report, Samples
from tests.benchmarks.peers.kamailio_fork import KamailioFork
from tests.benchmarks.rig import Phone, Rig

ANSWER_AFTER_S = 0.4
HANG_UP_AFTER_S = 0.2


class CallBench:
    """The rounds and what they found."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.hub = Samples("raw hub alone: station -> last of 8")
        self.floor = Samples("floor D: raw hub + one durable commit -> last of 8")
        self.ring = Samples("Gatehouse: press -> last of 8 phones rings")
        self.by_socket = Samples("Gatehouse: answer by socket -> last of 7 others")
        self.by_http = Samples("Gatehouse: answer by HTTP -> last of 7 others")
        self.rounds = 0
        self._message: Any = {"state": "ringing"}

    async def floor_round(self) -> None:
        for commit, samples in ((False, self.hub), (True, self.floor)):
            samples.add(*await self._rig.floor.ring(self._message, commit=commit))
            await asyncio.sleep(0.02)

    async def round(self, *, measure: bool = True) -> None:
        """One call from press to hang-up, with exactly one winner."""
        rig = self._rig
        phones = rig.home.phones
        ringing = rig.home.gather(phones, lambda body: body["state"] == "ringing")
        began, ack = await rig.station.press(ROOM)
        call_id = ack["call"]["id"]
        last = await ringing.last()
        if measure:
            self.ring.add(began, last)
        await asyncio.sleep(ANSWER_AFTER_S)
        winner, losers = phones[self.rounds % 8], [p for n, p in enumerate(phones) if n != self.rounds % 8]
        told = rig.home.gather(losers, lambda body: body["id"] == call_id and body["state"] == "answered")
        by_http = self.rounds % 2 == 1
        began = await self._answer(winner, call_id, by_http=by_http)
        last = await told.last()
        if measure:
            (self.by_http if by_http else self.by_socket).add(began, last)
        late, _ = await losers[0].io.ask("call.answer", {"call_id": call_id})
        assert late["problem"]["type"] == "/problems/call-already-answered", f"two winners: {late}"
        await asyncio.sleep(HANG_UP_AFTER_S)
        ended = rig.home.gather(phones, lambda body: body["id"] == call_id and body["state"] == "ended")
        ack, _ = await winner.io.ask("call.hangup", {"call_id": call_id})
        self._message = ack["call"]
        await ended.last()
        self.rounds += 1

    async def _answer(self, winner: Phone, call_id: str, *, by_http: bool) -> float:
        if not by_http:
            began = time.perf_counter()
            ack, _ = await winner.io.ask("call.answer", {"call_id": call_id})
            assert ack["call"]["answered_by"]["device_id"] == winner.signer.device_id, f"did not win: {ack}"
            return began
        path = f"/api/v1/calls/{call_id}/answer"
        headers = winner.signer.headers("POST", path)
        began = time.perf_counter()
        status, body, _ = await winner.http.request("POST", path, headers)
        assert status == 200, f"did not win: {status} {body}"
        return began


async def run(rig: Rig, *, rounds: int, blocks: int, kamailio: bool) -> Report:
    """Alternate floor and service round by round, and Kamailio block by block."""
    bench = CallBench(rig)
    for _ in range(4):
        await bench.round(measure=False)
    fork = None
    report = Report(f"P1, P2: ring and cancel; 8 phones, {rig.crowd_size} others connected")
    if kamailio:
        fork = await rig.off_thread(KamailioFork.start_or_none, rig.folder, (rounds // blocks) * blocks)
        if fork is None:
            report.notes.append("kamailio or sipp is not installed: no comparison with it")
    try:
        for _ in range(blocks):
            for _ in range(rounds // blocks):
                await bench.floor_round()
                await bench.round()
            if fork is not None:
                await rig.off_thread(fork.block, rounds // blocks)
    finally:
        if fork is not None:
            await rig.off_thread(fork.stop)
    report.samples += [bench.hub, bench.floor, bench.ring, bench.by_socket, bench.by_http]
    report.judge("P1 ring", bench.ring, bench.floor, "floor D", must=5, goal=2)
    report.judge("P2 cancel, answer by socket", bench.by_socket, bench.floor, "floor D", must=5, goal=2)
    report.judge("P2 cancel, answer by HTTP", bench.by_http, bench.floor, "floor D", must=5, goal=2)
    if fork is not None:
        found = fork.figures()
        report.samples += [found.ring, found.cancel]
        report.judge("P1 ring", bench.ring, found.ring, "Kamailio", must=None, goal=1)
        report.judge("P2 cancel, answer by socket", bench.by_socket, found.cancel, "Kamailio", must=None, goal=1)
        report.notes.append(
            f"Kamailio: {found.calls} calls, {found.missing_cancels} with a missing CANCEL. It does no authentication, "
            "no database and no push here, and speaks UDP: the work is not equal"
        )
    report.notes.append(f"{bench.rounds} calls: exactly one winner in each, every other phone heard of it")
    return report
