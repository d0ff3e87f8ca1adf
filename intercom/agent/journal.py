"""The station's journal: what it must still tell the server, and which commands it has begun; survives a power cut.

Every command id is on the disk before its relay moves, so a command delivered twice, or again after a restart, moves
the lock once. Results and events stay until the server acknowledges them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from intercom.station_protocol import EventKind, OpenResult, StationEvent
from intercom.station_reports import DoorEvent, OpenReport
from intercom.station_wire import Json, format_time, new_id, parse_time

MAX_WAITING = 50_000
COMMANDS_KEPT = 5_000

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, urgent INTEGER NOT NULL, event TEXT NOT NULL, body TEXT NOT NULL,
  subject TEXT NOT NULL UNIQUE);
CREATE INDEX IF NOT EXISTS outbox_order ON outbox (urgent DESC, id);
CREATE TABLE IF NOT EXISTS commands (
  id INTEGER PRIMARY KEY AUTOINCREMENT, command_id TEXT NOT NULL UNIQUE, origin TEXT NOT NULL,
  result TEXT, detail TEXT, at TEXT);
"""


class Origin(StrEnum):
    """Who gave a command: the server (its result must be reported) or a page on this machine (it hears it directly)."""

    SERVER = "server"
    LOCAL = "local"


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A message the server has not acknowledged yet."""

    id: int
    event: StationEvent
    body: Json


class Journal:
    """One SQLite file; used from one thread."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        path.chmod(0o600)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def begin(self, command_id: str, *, origin: Origin) -> bool:
        """Whether this command is new; from now on it never is again."""
        with self._transaction() as db:
            begun = db.execute(
                "INSERT OR IGNORE INTO commands (command_id, origin) VALUES (?, ?)", (command_id, origin.value)
            )
            db.execute("DELETE FROM commands WHERE id <= (SELECT max(id) FROM commands) - ?", (COMMANDS_KEPT,))
            return begun.rowcount == 1

    def finish(self, report: OpenReport) -> None:
        """Keep what became of a begun command and, if the server gave it, queue the result in the same transaction."""
        with self._transaction() as db:
            db.execute(
                "UPDATE commands SET result = ?, detail = ?, at = ? WHERE command_id = ?",
                (report.result.value, report.detail, format_time(report.at), report.command_id),
            )
            origin = db.execute("SELECT origin FROM commands WHERE command_id = ?", (report.command_id,)).fetchone()
            if origin is not None and origin[0] == Origin.SERVER:
                self._queue(db, StationEvent.OPEN_RESULT, report.to_wire(), subject=f"open:{report.command_id}")

    def result_of(self, command_id: str) -> OpenReport | None:
        """The result of a finished command; None while it runs or when it is not known."""
        row = self._db.execute(
            "SELECT result, detail, at FROM commands WHERE command_id = ? AND result IS NOT NULL", (command_id,)
        ).fetchone()
        if row is None:
            return None
        return OpenReport(command_id=command_id, result=OpenResult(row[0]), detail=row[1], at=parse_time(row[2]))

    def repeat_result(self, command_id: str) -> bool:
        """Queue the result of a finished command again: the server asks, so it did not keep it."""
        report = self.result_of(command_id)
        if report is None:
            return False
        with self._transaction() as db:
            self._queue(db, StationEvent.OPEN_RESULT, report.to_wire(), subject=f"open:{command_id}")
        return True

    def interrupted(self) -> list[str]:
        """Commands that had begun when the power went; whether their lock moved is not known."""
        return [row[0] for row in self._db.execute("SELECT command_id FROM commands WHERE result IS NULL ORDER BY id")]

    def record_event(self, kind: EventKind, door_id: str, *, at: datetime, detail: str | None = None) -> DoorEvent:
        """Number an event and queue it."""
        with self._transaction() as db:
            seq = int(self._meta(db, "seq") or "0") + 1
            self._set_meta(db, "seq", str(seq))
            event = DoorEvent(event_id=new_id(), seq=seq, kind=kind, door_id=door_id, at=at, detail=detail)
            self._queue(db, StationEvent.EVENT, event.to_wire(), subject=f"event:{event.event_id}")
        return event

    def remembered_contact(self, door_id: str) -> str | None:
        return self._meta(self._db, f"contact:{door_id}")

    def remember_contact(self, door_id: str, contact: str) -> None:
        with self._transaction() as db:
            self._set_meta(db, f"contact:{door_id}", contact)

    def first_waiting(self) -> Waiting | None:
        """The message to send next: results before events, each in its order."""
        row = self._db.execute("SELECT id, event, body FROM outbox ORDER BY urgent DESC, id LIMIT 1").fetchone()
        return None if row is None else Waiting(id=row[0], event=StationEvent(row[1]), body=json.loads(row[2]))

    def waiting_count(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def forget(self, waiting: Waiting) -> None:
        """The server has it (or will never take it)."""
        with self._transaction() as db:
            db.execute("DELETE FROM outbox WHERE id = ?", (waiting.id,))

    def _queue(self, db: sqlite3.Connection, event: StationEvent, body: Json, *, subject: str) -> None:
        urgent = int(event is StationEvent.OPEN_RESULT)
        db.execute(
            "INSERT OR REPLACE INTO outbox (urgent, event, body, subject) VALUES (?, ?, ?, ?)",
            (urgent, event.value, json.dumps(body, ensure_ascii=False), subject),
        )
        # A station cut off for weeks keeps the newest; the gap shows in `seq`.
        db.execute("DELETE FROM outbox WHERE urgent = 0 AND id <= (SELECT max(id) FROM outbox) - ?", (MAX_WAITING,))

    def _meta(self, db: sqlite3.Connection, key: str) -> str | None:
        row: Any = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def _set_meta(self, db: sqlite3.Connection, key: str, value: str) -> None:
        db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))
