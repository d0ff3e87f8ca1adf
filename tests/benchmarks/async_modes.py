"""`python -m tests.benchmarks.async_modes`: how a bare socket server rings and fans out in each mode it could run in.

Not part of `make bench`: it makes a virtual environment of its own in a temporary folder for the packages that the
service does not use (gevent, gunicorn, uvicorn). The servers do nothing but pass messages on - no authentication, no
database - so that the modes are compared and not the service. docs/decisions/0002-async-mode.md has the result.
"""

import argparse
import asyncio
import shutil
import subprocess
import sys
import time
from pathlib import Path

from backend.app import free_port
from tests.benchmarks.figures import Samples
from tests.benchmarks.light_socket import SocketIo
from tests.benchmarks.processes import ROOT, Worker, working_folder
from tests.benchmarks.rig import Gathering, start_crowd

MODES = ("threading", "threading-direct", "gthread", "gevent", "asgi")
PACKAGES = ("flask-socketio", "simple-websocket", "gevent", "gunicorn", "packaging", "uvicorn", "websockets")
PHONES = 8


def environment(folder: Path) -> Path:
    """A Python with the packages; the service's own environment stays as it is."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    home = folder / "venv"
    if uv is None:
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, timeout=120)
        command = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    else:
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(home)], check=True, timeout=120)
        command = [uv, "pip", "install", "--quiet", "--python", str(home / "bin" / "python")]
    subprocess.run([*command, *PACKAGES], check=True, timeout=300)
    return home / "bin" / "python"


def resident_kb(pid: int) -> int:
    """The memory of a process, in kB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def threads(pid: int) -> int:
    """The number of threads of a process."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


class Mode:
    """One mode's figures over all passes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ring = Samples(f"{name}: ring to {PHONES}")
        self.fan = Samples(f"{name}: to all")
        self.kb_each: float = 0
        self.threads = 0

    async def measure(self, python: Path, folder: Path, *, others: int, rounds: int) -> None:
        """One pass: start the server, connect everybody, ring and fan out."""
        port, loop = free_port(), asyncio.get_running_loop()
        server = Worker(
            [str(python), str(Path(__file__).with_name("modes_server.py")), self.name, str(port), str(ROOT)],
            folder / f"{self.name}.log",
        )
        crowd = None
        try:
            await _until_open(port)
            empty = resident_kb(server.process.pid)
            crowd = start_crowd("socketio", port, others, folder)
            await loop.run_in_executor(None, crowd.answer, 120)
            self.kb_each = (resident_kb(server.process.pid) - empty) / others
            self.threads = threads(server.process.pid)
            await self._rounds(port, crowd, rounds)
        finally:
            for worker in (crowd, server):
                if worker is not None:
                    await loop.run_in_executor(None, worker.stop)

    async def _rounds(self, port: int, crowd: Worker, rounds: int) -> None:
        loop = asyncio.get_running_loop()
        gathering: list[Gathering] = []
        phones = []
        for number in range(PHONES):

            def heard(event: str, body: object, at: float, who: str = str(number)) -> None:
                if gathering:
                    gathering[-1].note(who, body, at)

            phone = await SocketIo("/", heard).connect(port, None)
            await phone.ask("join", {"room": "home"})
            phones.append(phone)
        station = await SocketIo("/", lambda *_: None).connect(port, None)
        for number in range(rounds + 5):
            gathering.append(Gathering({str(n) for n in range(PHONES)}, lambda _: True))
            began = time.perf_counter()
            station.emit("ring", {"call": number, "text": "x" * 700})
            ended = await gathering[-1].last()
            if number >= 5:
                self.ring.add(began, ended)
            await asyncio.sleep(0.05)
        gathering.clear()
        for number in range(max(5, rounds // 5)):
            marker = f"notice {number} to everybody"
            crowd.tell({"watch": marker})
            await loop.run_in_executor(None, crowd.answer)
            began = time.perf_counter()
            station.emit("notice", {"text": marker})
            self.fan.add(began, (await loop.run_in_executor(None, crowd.answer))["last"])
        for socket in (*phones, station):
            socket.close()

    def line(self) -> str:
        return (
            f"| {self.name} | {self.ring.median:.2f} | {self.ring.p90:.2f} | {self.fan.median:.0f} "
            f"| {self.fan.p90:.0f} | {self.kb_each:.0f} | {self.threads} |"
        )


async def _until_open(port: int) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return


async def compare(python: Path, folder: Path, *, others: int, rounds: int, passes: int) -> None:
    """All modes in turn, more than once, so that a noisy minute does not meet one of them alone."""
    modes = [Mode(name) for name in MODES]
    for _ in range(passes):
        for mode in modes:
            await mode.measure(python, folder, others=others, rounds=rounds)
    print("| mode | ring p50 ms | ring p90 ms | to all p50 ms | to all p90 ms | kB a connection | threads |")
    print("|---|---|---|---|---|---|---|")
    for mode in modes:
        print(mode.line())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.async_modes")
    parser.add_argument("--others", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--passes", type=int, default=2)
    chosen = parser.parse_args()
    with working_folder() as folder:
        python = environment(folder)
        asyncio.run(compare(python, folder, others=chosen.others, rounds=chosen.rounds, passes=chosen.passes))


if __name__ == "__main__":
    main()
