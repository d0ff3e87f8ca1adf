"""Kamailio's parallel fork beside our rings: a caller, eight callees, one answers after 400 ms; sipp plays them all.

The moments come out of sipp's short-message traces. Everything is on 127.0.0.1, bounded, and ended by process id.
"""

import shutil
import socket
import subprocess
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.figures import Samples

HERE = Path(__file__).parent / "kamailio"
CALLEES = 8
CALLS_PER_S = 2
ROOM = "1201"
_MODULE_FOLDERS = ("/usr/lib/*/kamailio/modules", "/usr/lib/kamailio/modules", "/usr/lib64/kamailio/modules")


@dataclass(frozen=True)
class ForkFigures:
    """INVITE -> last 180 at the caller; 200 sent by the one who answers -> last CANCEL at the others."""

    ring: Samples
    cancel: Samples
    calls: int
    missing_cancels: int


class KamailioFork:
    """A running proxy with eight registered callees; `block` makes calls and can be repeated."""

    def __init__(self, folder: Path, kamailio: str, sipp: str, modules: Path, calls_in_all: int) -> None:
        self._folder = folder / "kamailio"
        self._folder.mkdir()
        self._sipp = sipp
        self._running: list[subprocess.Popen[bytes]] = []
        self._blocks = 0
        self._port, *self._callee_ports = _free_udp_ports(CALLEES + 1)
        config = self._folder / "kamailio.cfg"
        text = (HERE / "kamailio.cfg").read_text(encoding="utf-8")
        config.write_text(text.replace("MODULES", str(modules)).replace("PORT", str(self._port)), encoding="utf-8")
        pid_file = str(self._folder / "kamailio.pid")
        self._start(
            [kamailio, "-f", str(config), "-DD", "-E", "-m", "64", "-M", "8", "-Y", str(self._folder), "-P", pid_file],
            "kamailio.log",
        )
        self._register()
        for number, port in enumerate(self._callee_ports):
            scenario = "winner.xml" if number == 0 else "loser.xml"
            self._start(
                self._sipp_command(scenario, port, calls_in_all, self._folder / f"callee{number}.csv"),
                f"callee{number}.log",
            )
        time.sleep(1)

    @classmethod
    def start_or_none(cls, folder: Path, calls_in_all: int) -> "KamailioFork | None":
        """None when this machine lacks kamailio or sipp."""
        kamailio = shutil.which("kamailio") or shutil.which("/usr/sbin/kamailio")
        sipp = shutil.which("sipp")
        modules = next((p for pattern in _MODULE_FOLDERS for p in Path("/").glob(pattern.lstrip("/"))), None)
        if kamailio is None or sipp is None or modules is None:
            return None
        return cls(folder, kamailio, sipp, modules, calls_in_all)

    def _start(self, command: list[str], log: str) -> subprocess.Popen[bytes]:
        with (self._folder / log).open("wb") as output:
            process = subprocess.Popen(
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        self._running.append(process)
        return process

    def _sipp_command(self, scenario: str, port: int, calls: int, trace: Path) -> list[str]:
        return [
            *(self._sipp, "-sf", str(HERE / scenario), "-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", str(port)),
            *("-m", str(calls), "-nostdin", "-trace_shortmsg", "-shortmessage_file", str(trace)),
            *("-cid_str", "%u-%p@%s"),
        ]

    def _register(self) -> None:
        """Register the eight callees as contacts of one room; asks until the proxy is up."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.bind(("127.0.0.1", 0))
            line.settimeout(0.5)
            own = f"127.0.0.1:{line.getsockname()[1]}"
            end = time.monotonic() + 15
            for port in self._callee_ports:
                while not self._registered(line, own, port):
                    if time.monotonic() > end:
                        raise RuntimeError("kamailio did not take the registrations")

    def _registered(self, line: socket.socket, own: str, port: int) -> bool:
        message = "\r\n".join(
            (
                f"REGISTER sip:127.0.0.1:{self._port} SIP/2.0",
                f"Via: SIP/2.0/UDP {own};branch=z9hG4bK{uuid.uuid4().hex}",
                "Max-Forwards: 8",
                f"From: <sip:{ROOM}@127.0.0.1>;tag={uuid.uuid4().hex[:8]}",
                f"To: <sip:{ROOM}@127.0.0.1>",
                f"Call-ID: {uuid.uuid4().hex}",
                "CSeq: 1 REGISTER",
                f"Contact: <sip:{ROOM}@127.0.0.1:{port}>;q=1.0",
                "Expires: 3600",
                "Content-Length: 0",
                "\r\n",
            )
        )
        try:
            line.sendto(message.encode(), ("127.0.0.1", self._port))
            return line.recv(4096).startswith(b"SIP/2.0 200")
        except (TimeoutError, ConnectionError):
            time.sleep(0.1)
            return False

    def block(self, calls: int) -> None:
        """So many calls, one after another at two a second (each takes 600 ms)."""
        (port,) = _free_udp_ports(1)
        trace = self._folder / f"caller{self._blocks}.csv"
        self._blocks += 1
        command = self._sipp_command("visitor.xml", port, calls, trace)
        command += ["-s", ROOM, "-r", str(CALLS_PER_S), f"127.0.0.1:{self._port}"]
        process = self._start(command, f"caller{self._blocks}.log")
        process.wait(calls / CALLS_PER_S + 40)
        if process.returncode != 0:
            raise RuntimeError(f"sipp ended with {process.returncode}; see its log")

    def figures(self) -> ForkFigures:
        """What the traces say."""
        ring = Samples("Kamailio: INVITE -> last of 8 '180 Ringing' at the caller")
        cancel = Samples("Kamailio: 200 sent -> last of 7 CANCELs at the others")
        invited: dict[str, float] = {}
        rang: dict[str, list[float]] = defaultdict(list)
        for number in range(self._blocks):
            for at, way, call, line in _trace(self._folder / f"caller{number}.csv"):
                if way == "S" and line.startswith("INVITE "):
                    invited.setdefault(call, at)
                elif way == "R" and " 180 " in line:
                    rang[call].append(at)
        answered: dict[str, float] = {}
        cancelled: dict[str, dict[int, float]] = defaultdict(dict)
        for number in range(CALLEES):
            for at, way, call, line in _trace(self._folder / f"callee{number}.csv"):
                if way == "S" and " 200 " in line and number == 0:
                    answered.setdefault(call, at)
                elif way == "R" and line.startswith("CANCEL "):
                    cancelled[call].setdefault(number, at)
        for call, at in invited.items():
            if len(rang[call]) >= CALLEES:
                ring.add(at, max(rang[call]))
        for call, at in answered.items():
            if len(cancelled[call]) == CALLEES - 1:
                cancel.add(at, max(cancelled[call].values()))
        missing = sum(1 for call in answered if len(cancelled[call]) != CALLEES - 1)
        return ForkFigures(ring=ring, cancel=cancel, calls=len(invited), missing_cancels=missing)

    def stop(self) -> None:
        for process in reversed(self._running):
            if process.poll() is None:
                process.terminate()
        for process in self._running:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _trace(path: Path) -> Iterator[tuple[float, str, str, str]]:
    """(moment, S or R, Call-ID, first line) of each message in one of sipp's short-message files."""
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        columns = line.split("\t")
        if len(columns) >= 7:
            yield float(columns[2]), columns[3], columns[4], columns[6]


def _free_udp_ports(count: int) -> list[int]:
    held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for line in held:
        line.bind(("127.0.0.1", 0))
    ports = [int(line.getsockname()[1]) for line in held]
    for line in held:
        line.close()
    return ports
