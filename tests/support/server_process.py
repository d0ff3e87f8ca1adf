"""The service as a process of its own, which a failpoint kills with SIGKILL as a power cut would."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests

from backend.app import free_port
from backend.db import Database
from backend.vault import Vault
from tests.support.service import SECRET, SeededTemplate, Service, Sms

ROOT = Path(__file__).parents[2]


class ServiceProcess(Service):
    """`gatehouse serve` on a copy of the seeded database; its tables are read here beside it."""

    def __init__(self, folder: Path, template: SeededTemplate, **environment: str) -> None:
        folder.mkdir(parents=True)
        shutil.copy(template.path, folder / "gatehouse.db")
        self.folder = folder
        self.seeded = template.seeded
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.sms = Sms()
        self._closing: list[Any] = []
        self._database = Database(f"sqlite:///{folder / 'gatehouse.db'}")
        self._vault = Vault(SECRET)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GATEHOUSE_")},
            "GATEHOUSE_SECRET": SECRET,
            "GATEHOUSE_DATA": str(folder),
            "GATEHOUSE_PORT": str(self.port),
            "GATEHOUSE_ORIGINS": self.origin,
            "GATEHOUSE_NO_RATE_LIMITS": "1",
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def db(self) -> Database:
        return self._database

    @property
    def vault(self) -> Vault:
        return self._vault

    def run(self, failpoint: str | None = None) -> None:
        """Start it, armed with a failpoint or not, and wait until it answers."""
        environment = {**self._environment, **({"GATEHOUSE_FAILPOINT": failpoint} if failpoint else {})}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "backend.cli", "serve"], env=environment, cwd=ROOT, stdout=log, stderr=log
            )
        end = time.monotonic() + 60
        while True:
            assert self.process.poll() is None, f"the service ended: {self.log()}"
            assert time.monotonic() < end, f"the service does not answer: {self.log()}"
            try:
                if requests.get(f"{self.origin}/healthz", timeout=5).ok:
                    return
            except requests.ConnectionError:
                time.sleep(0.05)

    def log(self) -> str:
        return (self.folder / "server.log").read_text()[-3000:]

    def wait_killed(self) -> None:
        """Wait until its failpoint has killed it."""
        assert self.process is not None
        code = self.process.wait(30)
        assert code == -signal.SIGKILL, f"ended with {code}: {self.log()}"

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        self._database.close()

    def gatehouse(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the command line on this service's data."""
        return subprocess.run(
            [sys.executable, "-m", "backend.cli", *arguments],
            env=self._environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
