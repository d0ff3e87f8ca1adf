"""The station software and coturn as processes of their own, started for one test and ended by it."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backend.app import free_port
from intercom.agent.state_folder import StateFolder

ROOT = Path(__file__).parents[2]
STATION = "import sys; from intercom.agent.cli import main; sys.exit(main(sys.argv[1:]))"
TURN_REALM = "gatehouse.test"


def until(look: Callable[[], Any], what: Callable[[], str], *, timeout_s: float = 40) -> Any:
    """Ask again and again until it is so."""
    end = time.monotonic() + timeout_s
    while True:
        if found := look():
            return found
        assert time.monotonic() < end, what()
        time.sleep(0.05)


@contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


class Station:
    """`gatehouse station run`, or its relay alone, with a state folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder.with_suffix(".log")

    def pair(self, origin: str, code: str) -> None:
        command = [
            sys.executable,
            "-c",
            STATION,
            "pair",
            "--server",
            origin,
            "--code",
            code,
            "--state",
            str(self.folder),
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    @contextmanager
    def running(self, command: str, *arguments: str) -> Iterator["Station"]:
        full = [sys.executable, "-c", STATION, command, "--state", str(self.folder), "--relay", "log", *arguments]
        with running(full, self.log) as process:

            def answers() -> bool:
                assert process.poll() is None, self.log.read_text()[-3000:]
                return (self.folder / "control.json").exists()

            until(answers, lambda: f"no control port: {self.log.read_text()[-3000:]}")
            yield self

    def ask(self, path: str, body: Any = None) -> Any:
        url, token = StateFolder(self.folder).load_control()
        request = urllib.request.Request(
            url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.loads(reply.read())

    def connected(self) -> None:
        until(
            lambda: (state := self.ask("/state"))["connected"] and state["config_version"] is not None,
            lambda: f"not welcomed: {self.log.read_text()[-3000:]}",
        )

    def pulses(self) -> list[dict[str, Any]]:
        path = self.folder / "relay.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@contextmanager
def coturn(folder: Path, *, secret: str) -> Iterator[int]:
    """A real coturn on the loopback address with credentials limited in time; its port."""
    folder.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), folder / "turnserver.log"
    options = [
        "-n", "--listening-ip=127.0.0.1", f"--listening-port={port}", "--relay-ip=127.0.0.1", "--allow-loopback-peers",
        "--use-auth-secret", f"--static-auth-secret={secret}", f"--realm={TURN_REALM}",
        "--no-cli", "--no-tls", "--no-dtls",
        "--no-rfc5780", "--log-file=stdout", "--simple-log", "--verbose", f"--pidfile={folder / 'pid'}",
        f"--userdb={folder / 'users'}", "--min-port=49160", "--max-port=49460",
    ]  # fmt: skip
    found = shutil.which("turnserver")
    assert found is not None, "coturn is not installed (scripts/system_packages.sh)"
    with running([found, *options], log) as process:

        def listens() -> bool:
            assert process.poll() is None, log.read_text()[-3000:]
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        until(listens, lambda: log.read_text()[-3000:])
        yield port
