"""Phones that answer one call at the same moment: one thread each, requests signed and connections open beforehand."""

import contextlib
import http.client
import json
import random
import threading
import time
from collections.abc import Sequence
from queue import SimpleQueue
from urllib.parse import urlsplit

from tests.support.history import Attempt, History, Outcome
from tests.support.phones import Phone


class Racer:
    """One phone and its thread."""

    def __init__(self, phone: Phone, name: str) -> None:
        self.phone, self.name = phone, name
        self.jobs: SimpleQueue[tuple[str, threading.Barrier, History, float, bool] | None] = SimpleQueue()
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=f"racer {name}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while (job := self.jobs.get()) is not None:
            call_id, barrier, history, jitter_s, drop = job
            try:
                self._answer(call_id, barrier, history, jitter_s, drop)
            except BaseException as error:  # noqa: BLE001 - whatever stops a phone is told by the race, not lost
                self.failure = error
                barrier.abort()

    def _answer(self, call_id: str, barrier: threading.Barrier, history: History, jitter_s: float, drop: bool) -> None:
        ready = self._prepared(call_id)
        barrier.wait(30)
        if jitter_s:
            threading.Event().wait(jitter_s)
        if drop:
            # The request leaves, the acknowledgement never arrives: the phone cannot know, and asks again.
            began = time.perf_counter()
            self._send(*ready)
            ready[0].close()
            history.add(self._attempt(call_id, began, Outcome.UNKNOWN))
            ready = self._prepared(call_id)
        began = time.perf_counter()
        self._send(*ready)
        reply = ready[0].getresponse()
        body = json.loads(reply.read())
        history.add(self._attempt(call_id, began, *_outcome(reply.status, body, self.phone.device_id)))
        ready[0].close()
        barrier.wait(30)

    def _prepared(self, call_id: str) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
        path = f"/api/v1/calls/{call_id}/answer"
        connection = http.client.HTTPConnection(urlsplit(self.phone.origin).netloc, timeout=30)
        connection.connect()
        return connection, path, self.phone.headers("POST", path)

    def _send(self, connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> None:
        connection.request("POST", path, headers=headers)

    def _attempt(self, call_id: str, began: float, outcome: Outcome, winner: str | None = None) -> Attempt:
        return Attempt(
            call_id=call_id,
            phone=self.name,
            began=began,
            ended=time.perf_counter(),
            outcome=outcome,
            winner=winner,
        )


def _outcome(status: int, body: dict, device_id: str) -> tuple[Outcome, str | None]:
    if status == 200:
        by = body["call"]["answered_by"]
        # An answer that is granted must also say that this phone has the talk; a naive claim overwrites the winner.
        assert by is not None, body
        return Outcome.WON, by["name"]
    if status == 409:
        assert body["type"] == "/problems/call-already-answered", body
        return Outcome.LOST, body["answered_by"]["name"]
    assert status == 410, (status, body)
    return Outcome.OVER, None


class Race:
    """Phones of different people of one home, who all answer each call."""

    def __init__(self, phones: Sequence[tuple[Phone, str]]) -> None:
        self.racers = [Racer(phone, name) for phone, name in phones]
        self.history = History()

    def run(
        self,
        call_id: str,
        *,
        rng: random.Random | None = None,
        jitter_s: float = 0.0,
        drop_share: float = 0.0,
        fewest: int | None = None,
    ) -> list[Attempt]:
        """All (or, with `fewest`, a random number of them) answer at once; returns what they saw."""
        count = len(self.racers)
        racers = self.racers
        if rng is not None and fewest is not None:
            racers = rng.sample(self.racers, rng.randint(fewest, count))
        barrier = threading.Barrier(len(racers) + 1)
        for racer in racers:
            drop = rng is not None and rng.random() < drop_share
            pause = rng.random() * jitter_s if rng is not None else 0.0
            racer.jobs.put((call_id, barrier, self.history, pause, drop))
        try:
            barrier.wait(60)
            barrier.wait(60)
        except threading.BrokenBarrierError:
            self.raise_failures()
            raise
        return self.history.of(call_id)

    def raise_failures(self) -> None:
        for racer in self.racers:
            if racer.failure is not None:
                raise AssertionError(f"{racer.name} failed") from racer.failure

    def close(self) -> None:
        for racer in self.racers:
            racer.jobs.put(None)
        for racer in self.racers:
            with contextlib.suppress(RuntimeError):
                racer.thread.join(10)
