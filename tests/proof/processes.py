"""The service as a process of its own, which a failpoint or the test kills as a power cut would (SIGKILL)."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import requests

from backend import access_log
from backend.access_log import AccessPayload, RecordKind
from backend.db import Database
from backend.vault import Vault
from tests.support.service import SECRET

ROOT = Path(__file__).parents[2]
KILLS = 40 if os.environ.get("FULL") == "1" else 10
"""Kills at each failpoint."""


class ServerProcess:
    """`gatehouse serve` on a folder; started again and again on the same data and port."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.origin = f"http://127.0.0.1:{port}"
        self.url = f"sqlite:///{folder / 'gatehouse.db'}"
        self._process: subprocess.Popen[bytes] | None = None
        self.kills = 0

    def start(self, failpoint: str | None = None) -> "ServerProcess":
        environment = {
            **os.environ,
            "GATEHOUSE_DATA": str(self.folder),
            "GATEHOUSE_PORT": str(self.port),
            "GATEHOUSE_SECRET": SECRET,
            "GATEHOUSE_HEARTBEAT_S": "1",
            "GATEHOUSE_OPEN_WAIT_S": "1",
        }
        environment.pop("GATEHOUSE_FAILPOINT", None)
        if failpoint:
            environment["GATEHOUSE_FAILPOINT"] = failpoint
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "backend.cli", "serve"], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if requests.get(f"{self.origin}/healthz", timeout=5).status_code == 200:
                    return self
            except requests.ConnectionError:
                assert self._process.poll() is None, self.log()
                time.sleep(0.02)
        raise AssertionError(f"the service did not start: {self.log()}")

    def wait_killed(self) -> None:
        """Wait until the failpoint has killed it."""
        assert self._process is not None
        code = self._process.wait(30)
        assert code == -signal.SIGKILL, f"ended with {code}: {self.log()}"
        self.kills += 1

    def kill(self) -> None:
        """Pull the plug."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)

    def log(self) -> str:
        return (self.folder / "server.log").read_text()[-3000:]

    def set_ring_s(self, seconds: int) -> None:
        """Short rings, so that a test can wait for their end."""
        with closing(sqlite3.connect(self.folder / "gatehouse.db")) as connection:
            connection.execute("UPDATE station SET ring_s = ?", (seconds,))
            connection.commit()


def check_log(url: str, community_id: str) -> tuple[int, set[str]]:
    """The chain verifies; returns its length and the correlation ids of granted decisions."""
    db, vault = Database(url), Vault(SECRET)
    with db.reading() as session:
        found = access_log.verify(session, vault, community_id)
        granted = {
            payload.correlation_id
            for payload in session.query(AccessPayload).where(
                AccessPayload.kind == RecordKind.DECISION, AccessPayload.result == "granted"
            )
        }
    db.close()
    assert found.whole, found
    return found.rows, granted
