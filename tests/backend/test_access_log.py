"""The log as a chain (R086): any edit, loss, reordering or addition is found, and the first bad row is named."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Table, create_engine, delete, insert, select, text, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from backend import access_log
from backend.access_log import AccessPayload, AccessRecord, ChainHead, Entry, RecordKind, Verification
from backend.communities import CommunityKind
from backend.db import Database
from backend.vault import Vault
from tests.support.service import SECRET, SeededTemplate

ROWS = 12
OTHERS = 3
NOON = datetime(2026, 11, 22, 12, 0, 0, 123_000, tzinfo=UTC)
VAULT = Vault(SECRET)
RECORD: Table = AccessRecord.__table__  # type: ignore[assignment]
PAYLOAD: Table = AccessPayload.__table__  # type: ignore[assignment]
HEAD: Table = ChainHead.__table__  # type: ignore[assignment]
LOG = (RECORD, PAYLOAD, HEAD)


def _entry(number: int) -> Entry:
    """Rows of different shapes, so that columns are filled in some and empty in others."""
    correlation = f"{number // 2:032x}"
    if number % 3 == 0:
        return Entry(kind=RecordKind.EXIT_BUTTON, correlation_id=correlation, door_id="d" * 32, detail="按钮 · button")
    kind = RecordKind.RESULT if number % 2 else RecordKind.DECISION
    return Entry(kind=kind, correlation_id=correlation, method="app", result="opened", door_id="d" * 32)


@pytest.fixture
def database(tmp_path: Path, seeded_template: SeededTemplate) -> Path:
    """A database with twelve rows in one community and three in another, written as the service writes them."""
    path = tmp_path / "gatehouse.db"
    shutil.copy(seeded_template.path, path)
    db = Database(f"sqlite:///{path}")
    for kind, count in ((CommunityKind.CLOSED, ROWS), (CommunityKind.OPEN, OTHERS)):
        for number in range(count):
            with db.unit_of_work() as uow:
                access_log.append(
                    uow,
                    VAULT,
                    _entry(number),
                    community_id=seeded_template.seeded[kind].community_id,
                    now=NOON + timedelta(seconds=number),
                )
    db.close()
    return path


@pytest.fixture
def engine(database: Path) -> Iterator[Engine]:
    """The same database in the hands of somebody who can write the file: without checks and triggers."""
    made = create_engine(f"sqlite:///{database}")
    with made.begin() as connection:
        names = connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all()
        for name in names:
            connection.execute(text(f"DROP TRIGGER {name}"))
    yield made
    made.dispose()


@pytest.fixture
def community(seeded_template: SeededTemplate) -> str:
    return seeded_template.seeded[CommunityKind.CLOSED].community_id


Tamper = Callable[[Connection], object]


def _after(engine: Engine, tamper: Tamper, community: str) -> Verification:
    """What the check finds after this change, which is taken back."""
    with engine.connect() as connection, connection.begin() as transaction:
        tamper(connection)
        with Session(connection) as session:
            found = access_log.verify(session, VAULT, community)
        transaction.rollback()
    return found


def _record(connection: Connection, community: str, seq: int) -> dict[str, Any]:
    row = connection.execute(select(RECORD).where(RECORD.c.community_id == community, RECORD.c.seq == seq)).one()
    return dict(row._mapping)


def _key(table: Table) -> Any:
    return table.c["id" if table is RECORD else "record_id"]


def _changed(value: Any) -> Any:
    match value:
        case bytes():
            return bytes([value[0] ^ 1]) + value[1:]
        case int():
            return value + 100
        case datetime():
            return value + timedelta(milliseconds=1)
        case None:
            return "x"
        case _:
            return f"{value}x"


def test_a_chain_that_nobody_touched_is_whole(database: Path, seeded_template: SeededTemplate) -> None:
    db = Database(f"sqlite:///{database}")
    with db.reading() as session:
        counts = {
            kind: access_log.verify(session, VAULT, seeded.community_id)
            for kind, seeded in seeded_template.seeded.items()
        }
    db.close()
    assert all(found.whole for found in counts.values())
    assert [found.rows for found in counts.values()] == [ROWS, OTHERS, 0]


def test_sql_cannot_change_or_remove_a_row_or_move_the_head_back(database: Path) -> None:
    db = Database(f"sqlite:///{database}")
    statements = [
        update(RECORD).values(digest=b"x" * 32),
        update(PAYLOAD).values(detail=None),
        *(update(table).values(community_id="x") for table in (RECORD, PAYLOAD)),
        *(delete(table) for table in LOG),
        update(HEAD).values(seq=HEAD.c.seq - 1),
        update(HEAD).values(seq=HEAD.c.seq + 2),
        update(HEAD).values(signature=b"x" * 64),
    ]
    refusal = r"refuses (UPDATE|DELETE)|moves one row forward"
    for statement in statements:
        with pytest.raises(DatabaseError, match=refusal), db.engine.begin() as connection:
            connection.execute(statement)
    db.close()


@pytest.mark.parametrize("table", [RECORD, PAYLOAD], ids=lambda table: table.name)
def test_a_change_of_any_column_of_any_row_names_that_row(engine: Engine, community: str, table: Table) -> None:
    for seq in range(1, ROWS + 1):
        for column in table.c:

            def tamper(connection: Connection, seq: int = seq, column: Any = column) -> None:
                mine = _key(table) == _record(connection, community, seq)["id"]
                value = connection.scalar(select(column).where(mine))
                changed = connection.execute(update(table).where(mine).values({column.name: _changed(value)}))
                assert changed.rowcount == 1

            found = _after(engine, tamper, community)
            assert found.bad_seq == seq, f"row {seq}, {table.name}.{column.name}: {found}"
            assert found.rows == seq - 1


def test_a_changed_identifier_is_found_also_when_both_tables_agree(engine: Engine, community: str) -> None:
    def tamper(connection: Connection) -> None:
        own = _record(connection, community, 5)["id"]
        connection.execute(update(RECORD).where(RECORD.c.id == own).values(id="0" * 32))
        connection.execute(update(PAYLOAD).where(PAYLOAD.c.record_id == own).values(record_id="0" * 32))

    assert _after(engine, tamper, community).bad_seq == 5


def test_a_time_that_moved_by_a_microsecond_is_found(engine: Engine, community: str) -> None:
    def tamper(connection: Connection) -> None:
        row = _record(connection, community, 5)
        at = row["at"] + timedelta(microseconds=1)
        connection.execute(update(RECORD).where(RECORD.c.id == row["id"]).values(at=at))

    assert _after(engine, tamper, community).bad_seq == 5


def test_a_removed_row_is_named_wherever_it_stood(engine: Engine, community: str) -> None:
    for seq in range(1, ROWS + 1):
        for tables in ((RECORD, PAYLOAD), (PAYLOAD,)):

            def tamper(connection: Connection, seq: int = seq, tables: Any = tables) -> None:
                own = _record(connection, community, seq)["id"]
                for table in tables:
                    connection.execute(delete(table).where(_key(table) == own))

            assert _after(engine, tamper, community).bad_seq == seq


def test_rows_cut_off_at_the_end_are_missed(engine: Engine, community: str) -> None:
    for left in range(ROWS):

        def tamper(connection: Connection, left: int = left) -> None:
            connection.execute(delete(RECORD).where(RECORD.c.community_id == community, RECORD.c.seq > left))

        assert _after(engine, tamper, community).bad_seq == left + 1


def test_swapped_rows_are_named_by_the_first(engine: Engine, community: str) -> None:
    for seq in range(1, ROWS):

        def tamper(connection: Connection, seq: int = seq) -> None:
            for before, after in ((seq, -1), (seq + 1, seq), (-1, seq + 1)):
                connection.execute(
                    update(RECORD).where(RECORD.c.community_id == community, RECORD.c.seq == before).values(seq=after)
                )

        assert _after(engine, tamper, community).bad_seq == seq


def test_a_payload_moved_to_another_row_is_found(engine: Engine, community: str) -> None:
    def tamper(connection: Connection) -> None:
        first, second = (_record(connection, community, seq)["id"] for seq in (4, 8))
        for before, after in ((first, "-"), (second, first), ("-", second)):
            connection.execute(update(PAYLOAD).where(PAYLOAD.c.record_id == before).values(record_id=after))

    assert _after(engine, tamper, community).bad_seq == 4


def _forge(connection: Connection, community: str, *, from_seq: int, **changes: Any) -> tuple[int, bytes]:
    """Rewrite a row and every link behind it as the service would, all but the signature, which needs the key."""
    count = connection.scalar(select(HEAD.c.seq).where(HEAD.c.community_id == community)) or 0
    previous = _record(connection, community, from_seq)["previous"]
    for seq in range(from_seq, count + 1):
        row = _record(connection, community, seq)
        mine = PAYLOAD.c.record_id == row["id"]
        if seq == from_seq:
            connection.execute(update(PAYLOAD).where(mine).values(changes))
        payload = connection.execute(select(PAYLOAD).where(mine)).one()._mapping
        values = {name: str(payload[name]) for name in access_log._FIELDS if payload[name] is not None}
        row["payload_digest"] = access_log._payload_digest(payload["salt"], values)
        row["previous"] = previous
        linked = {name: row[name] for name in ("record_id", "at", "payload_digest", "seq") if name in row}
        row["digest"] = previous = access_log._link(previous, community_id=community, record_id=row["id"], **linked)
        connection.execute(update(RECORD).where(RECORD.c.id == row["id"]).values(row))
    return count, previous


def test_a_chain_made_anew_without_the_key_is_found_by_its_head(engine: Engine, community: str) -> None:
    def tamper(connection: Connection) -> None:
        seq, digest = _forge(connection, community, from_seq=3, result="refused")
        stranger = Vault("another secret: 0123456789 abcdefghijkl").chain_key(community)
        signature = stranger.sign(access_log._head_text(community, seq, digest))
        head = update(HEAD).where(HEAD.c.community_id == community)
        connection.execute(head.values(digest=digest, signature=signature))

    found = _after(engine, tamper, community)
    assert found.problem == "the head's signature is wrong"
    assert found.bad_seq == ROWS


def test_the_forger_of_the_test_above_makes_links_that_hold(engine: Engine, community: str) -> None:
    """With the real key its chain would be whole: so it is the signature that finds it, not a clumsy forgery."""

    def tamper(connection: Connection) -> None:
        seq, digest = _forge(connection, community, from_seq=3, result="refused")
        signature = VAULT.chain_key(community).sign(access_log._head_text(community, seq, digest))
        head = update(HEAD).where(HEAD.c.community_id == community)
        connection.execute(head.values(digest=digest, signature=signature))

    assert _after(engine, tamper, community) == Verification(rows=ROWS)


def test_a_row_added_behind_the_head_is_named(engine: Engine, community: str) -> None:
    def tamper(connection: Connection) -> None:
        row = _record(connection, community, ROWS)
        payload = dict(connection.execute(select(PAYLOAD).where(PAYLOAD.c.record_id == row["id"])).one()._mapping)
        added = {**row, "id": "f" * 32, "seq": ROWS + 1, "previous": row["digest"]}
        added["digest"] = access_log._link(
            row["digest"],
            community_id=community,
            record_id=added["id"],
            seq=ROWS + 1,
            at=row["at"],
            payload_digest=row["payload_digest"],
        )
        connection.execute(insert(RECORD).values(added))
        connection.execute(insert(PAYLOAD).values({**payload, "record_id": added["id"]}))

    found = _after(engine, tamper, community)
    assert (found.bad_seq, found.problem) == (ROWS + 1, "rows were added behind the signed head")


@pytest.mark.parametrize("column", ["seq", "digest", "signature"])
def test_a_changed_head_is_found(engine: Engine, community: str, column: str) -> None:
    def tamper(connection: Connection) -> None:
        mine = HEAD.c.community_id == community
        value = connection.scalar(select(HEAD.c[column]).where(mine))
        connection.execute(update(HEAD).where(mine).values({column: _changed(value)}))

    assert not _after(engine, tamper, community).whole


def test_a_lost_head_and_the_head_of_another_community_are_found(
    engine: Engine, community: str, seeded_template: SeededTemplate
) -> None:
    other = seeded_template.seeded[CommunityKind.OPEN].community_id

    def lose(connection: Connection) -> None:
        connection.execute(delete(HEAD).where(HEAD.c.community_id == community))

    def exchange(connection: Connection) -> None:
        lose(connection)
        connection.execute(update(HEAD).where(HEAD.c.community_id == other).values(community_id=community))

    assert not _after(engine, lose, community).whole
    assert not _after(engine, exchange, community).whole


def test_the_check_of_one_community_does_not_fail_for_anothers_damage(
    engine: Engine, community: str, seeded_template: SeededTemplate
) -> None:
    other = seeded_template.seeded[CommunityKind.OPEN].community_id

    def tamper(connection: Connection) -> None:
        connection.execute(delete(RECORD).where(RECORD.c.community_id == community))

    assert _after(engine, tamper, other) == Verification(rows=OTHERS)


def _verify_by_command(database: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GATEHOUSE_")},
        "GATEHOUSE_SECRET": SECRET,
        "GATEHOUSE_DATABASE_URL": f"sqlite:///{database}",
    }
    command = [str(Path(sys.executable).with_name("gatehouse")), "log", "verify"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_says_whole_or_names_the_row_and_fails(engine: Engine, database: Path, community: str) -> None:
    good = _verify_by_command(database)
    assert (good.returncode, good.stdout.count("whole")) == (0, 3), good.stderr
    assert f"幸福里小区: {ROWS} rows, whole" in good.stdout

    with engine.begin() as connection:
        own = _record(connection, community, 7)["id"]
        connection.execute(update(PAYLOAD).where(PAYLOAD.c.record_id == own).values(account_id="somebody else"))
    bad = _verify_by_command(database)
    assert bad.returncode == 1
    assert "幸福里小区: 6 rows, BROKEN at row 7: the row's payload was changed" in bad.stdout
    assert bad.stdout.count("whole") == 2
