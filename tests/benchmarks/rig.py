"""What the call benchmarks stand on: the service and the raw hub as processes, eight phones and a station on each, and
the thousand other phones in processes of their own.
"""

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.app import free_port
from tests.benchmarks.community import SECRET, BigCommunity, Signer, make_community
from tests.benchmarks.light_socket import Http, LightSocket, SocketIo
from tests.benchmarks.processes import Worker

WAIT_S = 15.0


class Gathering:
    """Waits until everybody who is expected has a message, and keeps when each had it."""

    def __init__(self, who: set[str], wanted: Any) -> None:
        self._wanted = wanted
        self._missing = set(who)
        self._moments: list[float] = []
        self._all: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def note(self, who: str, body: Any, at: float) -> None:
        if who in self._missing and self._wanted(body):
            self._missing.discard(who)
            self._moments.append(at)
            if not self._missing and not self._all.done():
                self._all.set_result(max(self._moments))

    async def last(self) -> float:
        """The moment at which the last one had it; raises when somebody never has."""
        try:
            return await asyncio.wait_for(asyncio.shield(self._all), WAIT_S)
        except TimeoutError as error:
            raise RuntimeError(f"{len(self._missing)} never had the message") from error


class Phone:
    """One of the eight phones of the home. As the real page, it says `call.received` as soon as it rings."""

    def __init__(self, signer: Signer, port: int, home: "Home") -> None:
        self.signer = signer
        self.http = Http(port)
        self._home = home
        self.io = SocketIo("/resident", self._heard)

    async def connect(self, port: int) -> None:
        await self.io.connect(port, self.signer.auth())

    def _heard(self, event: str, body: Any, at: float) -> None:
        self._home.heard(self, event, body, at)


class Home:
    """The eight phones, and what is being waited for."""

    def __init__(self, signers: list[Signer], port: int) -> None:
        self.phones = [Phone(signer, port, self) for signer in signers]
        self._gatherings: list[Gathering] = []

    def heard(self, phone: Phone, event: str, body: Any, at: float) -> None:
        if event != "call":
            return
        for gathering in self._gatherings:
            gathering.note(phone.signer.device_id, body, at)
        if body["state"] == "ringing":
            phone.io.emit("call.received", {"call_id": body["id"]})

    def gather(self, phones: list[Phone], wanted: Any) -> Gathering:
        made = Gathering({phone.signer.device_id for phone in phones}, wanted)
        self._gatherings = [*self._gatherings[-3:], made]
        return made


class Station:
    """The station at the light end: presses, hangs up, answers open commands at once."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.seq = 0
        self.io = SocketIo("/station", self._heard)

    def _heard(self, event: str, body: Any, at: float) -> None:
        if event == "open":
            self.opened.append(body["command_id"])
            result = {"command_id": body["command_id"], "result": "opened", "detail": None, "at": body["issued_at"]}
            self.io.emit("open.result", result)

    async def press(self, dial: str) -> tuple[float, dict[str, Any]]:
        """Press; returns when, and the acknowledgement."""
        began = time.perf_counter()
        ack, _ = await self.io.ask("press", {"request_id": secrets.token_hex(8), "dial": dial})
        return began, ack

    def contact(self, kind: str, door_id: str, at: str) -> None:
        self.seq += 1
        body = {"event_id": secrets.token_hex(16), "seq": self.seq, "kind": kind, "door_id": door_id, "at": at}
        self.io.emit("event", {**body, "detail": None})

    async def heartbeats(self) -> None:
        while True:
            await asyncio.sleep(8)
            sent_at = int(time.time() * 1000)
            self.io.emit(
                "heartbeat", {"sent_at_ms": sent_at, "software": "benchmark 1", "config_version": 1, "doors": []}
            )


class HubClient:
    """A client of the raw hub."""

    def __init__(self) -> None:
        self.on_message: Any = lambda body, at: None
        self.socket: LightSocket | None = None
        self._joined = asyncio.Event()

    async def join(self, port: int, room: str) -> "HubClient":
        self.socket = await LightSocket.connect(port, "/", self._heard)
        self.socket.send(json.dumps({"join": room}))
        await asyncio.wait_for(self._joined.wait(), 10)
        return self

    def _heard(self, text: str, at: float) -> None:
        if text == "joined":
            self._joined.set()
        else:
            self.on_message(json.loads(text), at)

    def send(self, to: str, body: Any, *, commit: bool) -> None:
        assert self.socket is not None
        self.socket.send(json.dumps({"to": to, "commit": commit, "body": body}))


class Floor:
    """Eight phones and a station on the raw hub."""

    def __init__(self) -> None:
        self.phones: list[HubClient] = []
        self.station = HubClient()
        self._gathering: Gathering | None = None

    async def join(self, port: int) -> None:
        for number in range(8):
            phone = await HubClient().join(port, "phones")
            phone.on_message = lambda body, at, who=str(number): self._heard(who, body, at)
            self.phones.append(phone)
        await self.station.join(port, "station")

    def _heard(self, who: str, body: Any, at: float) -> None:
        if self._gathering is not None:
            self._gathering.note(who, body, at)

    async def ring(self, body: Any, *, commit: bool) -> tuple[float, float]:
        """One message from the station to all eight: when it was sent and when the last had it."""
        self._gathering = Gathering({str(n) for n in range(8)}, lambda _: True)
        began = time.perf_counter()
        self.station.send("phones", body, commit=commit)
        return began, await self._gathering.last()


@dataclass(kw_only=True)
class Rig:
    """Everything that runs; `crowd` is the other phones of the service, `raw_crowd` the same number on the hub."""

    folder: Path
    port: int
    community: BigCommunity
    service: Worker
    hub: Worker
    hub_port: int
    home: Home
    station: Station
    floor: Floor
    crowd: Worker
    crowd_size: int
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def off_thread(self, call: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, call, *arguments)


def start_service(folder: Path, port: int) -> Worker:
    """`gatehouse serve` on the seeded folder. Rate limits are off: a benchmark presses more than 12 times a minute.

    BENCH_PROFILE=<command> runs it under a profiler of one's own, such as `py-spy record ... --`.
    """
    worker = Worker(
        [*os.environ.get("BENCH_PROFILE", "").split(), sys.executable, "-m", "backend.cli", "serve"],
        folder / "service.log",
        GATEHOUSE_DATA=str(folder),
        GATEHOUSE_PORT=str(port),
        GATEHOUSE_SECRET=SECRET,
        GATEHOUSE_NO_RATE_LIMITS="1",
    )
    worker.said("Gatehouse is ready")
    return worker


def start_crowd(kind: str, port: int, count: int, folder: Path, auths: Path | None = None) -> Worker:
    extra = ["--auths", str(auths)] if auths else []
    return Worker.python(
        "tests.benchmarks.crowd",
        *("--kind", kind, "--port", str(port), "--count", str(count), *extra),
        log=folder / f"crowd-{kind}.log",
    )


@asynccontextmanager
async def rig(folder: Path, *, others: int) -> AsyncIterator[Rig]:
    """Start all of it, and end all of it."""
    port = free_port()
    community = make_community(folder, origin=f"http://127.0.0.1:{port}", others=others)
    workers: list[Worker] = []
    tasks: list[asyncio.Task[None]] = []
    try:
        service = start_service(folder, port)
        workers.append(service)
        hub = Worker.python("tests.benchmarks.raw_hub", "--database", str(folder / "floor.db"), log=folder / "hub.log")
        workers.append(hub)
        hub_port = hub.answer()["port"]
        crowd = start_crowd("gatehouse", port, others, folder, community.auths_file(folder, others))
        workers.append(crowd)
        raw_crowd = start_crowd("raw", hub_port, others, folder)
        workers.append(raw_crowd)
        for worker in (crowd, raw_crowd):
            assert worker.answer(90)["ready"] == others, "not every other phone came in"
        home, station, floor = Home(community.home, port), Station(), Floor()
        for phone in home.phones:
            await phone.connect(port)
        await station.io.connect(port, community.hello())
        tasks.append(asyncio.create_task(station.heartbeats()))
        await floor.join(hub_port)
        yield Rig(
            folder=folder,
            port=port,
            community=community,
            service=service,
            hub=hub,
            hub_port=hub_port,
            home=home,
            station=station,
            floor=floor,
            crowd=crowd,
            crowd_size=others,
        )
    finally:
        for task in tasks:
            task.cancel()
        for worker in reversed(workers):
            worker.stop()
