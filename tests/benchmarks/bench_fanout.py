"""P7: one event to a thousand phones until the last one has it, beside Node's socket.io 4; and a ring meanwhile.

The event is the door's contact, as the station reports it: here it is recorded in the chained log and committed before
anybody hears of it, which Node's bare fan-out does not do.
"""

import asyncio
import shutil
import subprocess
import time
from pathlib import Path

from backend.clock import iso, utc_now
from tests.benchmarks.community import ROOM
from tests.benchmarks.figures import Report, Samples
from tests.benchmarks.light_socket import SocketIo
from tests.benchmarks.processes import Worker
from tests.benchmarks.rig import Rig, start_crowd

PEER = Path(__file__).parent / "peers" / "socketio"
INSTALL_S = 120


def node_peer(folder: Path) -> Worker | None:
    """A socket.io 4 server in a process of its own; None when Node.js or its package cannot be had."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    home = folder / "socketio"
    shutil.copytree(PEER, home)
    try:
        subprocess.run(
            [npm, "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=home,
            check=True,
            timeout=INSTALL_S,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return Worker([node, str(home / "fanout.mjs")], folder / "socketio.log")


class Contacts:
    """The door opens and closes; each report goes to every phone of the community."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._open = False

    def report(self) -> str:
        """Send one; returns the text by which its message is known."""
        self._open = not self._open
        kind = "door_opened" if self._open else "door_closed"
        self._rig.station.contact(kind, self._rig.community.door_id, iso(utc_now()))
        return self.text

    @property
    def text(self) -> str:
        return '"contact":"open"' if self._open else '"contact":"closed"'

    @property
    def next_text(self) -> str:
        return '"contact":"closed"' if self._open else '"contact":"open"'


async def _watched(rig: Rig, crowd: Worker, text: str) -> None:
    crowd.tell({"watch": text})
    await rig.off_thread(crowd.answer)


async def _ring(rig: Rig) -> tuple[float, float]:
    ringing = rig.home.gather(rig.home.phones, lambda body: body["state"] == "ringing")
    began, ack = await rig.station.press(ROOM)
    last = await ringing.last()
    ended = rig.home.gather(rig.home.phones, lambda body: body["state"] == "ended")
    await asyncio.sleep(0.15)
    await rig.station.io.ask("hangup", {"call_id": ack["call"]["id"], "reason": "visitor"})
    await ended.last()
    return began, last


async def run(rig: Rig, *, rounds: int, node: bool) -> Report:
    """Ours and Node's in turn."""
    count = rig.crowd_size
    report = Report(f"P7: one event to {count} phones until the last one has it")
    ours = Samples(f"Gatehouse: station's report -> last of {count} phones, recorded first")
    theirs = Samples(f"Node socket.io 4: emit -> last of {count}")
    alone, meanwhile = Samples("ring alone -> last of 8"), Samples("ring pressed right behind the event -> last of 8")
    peer = await rig.off_thread(node_peer, rig.folder) if node else None
    peer_crowd, trigger = None, None
    if peer is None:
        report.notes.append("socket.io could not be installed (or was not wanted): no comparison with Node")
    contacts = Contacts(rig)
    try:
        if peer is not None:
            peer_port = (await rig.off_thread(peer.answer))["port"]
            peer_crowd = start_crowd("socketio", peer_port, count, rig.folder)
            assert (await rig.off_thread(peer_crowd.answer, 90))["ready"] == count
            trigger = await SocketIo("/", lambda *_: None).connect(peer_port, None)
        for number in range(rounds + 2):
            keep = number >= 2
            await _watched(rig, rig.crowd, contacts.next_text)
            began = time.perf_counter()
            contacts.report()
            done = await rig.off_thread(rig.crowd.answer)
            if keep:
                ours.add(began, done["last"])
            if peer_crowd is not None and trigger is not None:
                marker = f"round {number} of the fan-out"
                await _watched(rig, peer_crowd, marker)
                began = time.perf_counter()
                trigger.emit("notice", {"door_id": rig.community.door_id, "contact": "open", "note": marker})
                done = await rig.off_thread(peer_crowd.answer)
                if keep:
                    theirs.add(began, done["last"])
        for _ in range(max(6, rounds // 2)):
            alone.add(*await _ring(rig))
            await _watched(rig, rig.crowd, contacts.next_text)
            contacts.report()
            meanwhile.add(*await _ring(rig))
            await rig.off_thread(rig.crowd.answer)
    finally:
        for worker in (peer_crowd, peer):
            if worker is not None:
                await rig.off_thread(worker.stop)
    report.samples += [ours, theirs, alone, meanwhile]
    report.judge("P7 event to all", ours, theirs, "Node socket.io", must=10, goal=1.5)
    report.judge("P7 ring behind the event", meanwhile, alone, "a ring alone", must=None, goal=None)
    return report
