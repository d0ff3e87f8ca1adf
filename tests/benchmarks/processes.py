"""The processes of a run: started by us, on 127.0.0.1, ended by their ids."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parents[2]


class Worker:
    """One process; `lines` of its standard output that are JSON objects are its answers."""

    def __init__(self, command: Sequence[str], log: Path, **environ: str) -> None:
        self._log: TextIO = log.open("w", encoding="utf-8")
        self.log_path = log
        self.process = subprocess.Popen(
            list(command),
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    @classmethod
    def python(cls, module: str, *arguments: str, log: Path, **environ: str) -> "Worker":
        return cls([sys.executable, "-m", module, *arguments], log, **environ)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                self._answers.put(json.loads(line))
            else:
                self._lines.append(line)
        self._answers.put({"exited": True})

    def tell(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def answer(self, timeout: float = 60) -> dict[str, Any]:
        """The next answer; raises when the process ended or said nothing."""
        try:
            found = self._answers.get(timeout=timeout)
        except queue.Empty as error:
            raise RuntimeError(f"no answer within {timeout} s: {self.process.args!r}; {self._tail()}") from error
        if found.get("exited"):
            raise RuntimeError(f"it ended: {self.process.args!r}; {self._tail()}")
        return found

    def said(self, text: str, timeout: float = 60) -> None:
        """Wait for a line with this text."""
        end = time.monotonic() + timeout
        while not any(text in line for line in self._lines):
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"{self.process.args!r} never said '{text}'; {self._tail()}")
            time.sleep(0.05)

    def _tail(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")[-1500:]

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()


@contextlib.contextmanager
def working_folder() -> Iterator[Path]:
    """A folder on a disk, gone afterwards; TMPDIR chooses where."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        yield Path(folder)
