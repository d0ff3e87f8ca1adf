"""A create that is repeated with its key is done once and answered the same."""

import shutil
import sqlite3
from datetime import timedelta

import pytest

from backend.clock import utc_now
from backend.db import Database
from backend.errors import ConflictError, IdempotencyMismatchError
from backend.idempotency import KEPT, UNFINISHED, Ledger, Reply
from backend.vault import Vault
from tests.support.service import SECRET, SeededTemplate

NOW = utc_now()
REPLY = Reply(status=201, body={"code": "12345678", "name": "妈妈"})


@pytest.fixture
def ledger(tmp_path, seeded_template: SeededTemplate):
    shutil.copy(seeded_template.path, tmp_path / "gatehouse.db")
    db = Database(f"sqlite:///{tmp_path / 'gatehouse.db'}")
    yield Ledger(db=db, vault=Vault(SECRET))
    db.close()


def test_the_first_does_the_work_and_the_repeated_gets_its_answer(ledger: Ledger) -> None:
    assert ledger.begin("d", "k", request=b"r", now=NOW) is None
    ledger.finish("d", "k", REPLY)
    assert ledger.begin("d", "k", request=b"r", now=NOW) == REPLY
    assert ledger.begin("d", "other", request=b"r", now=NOW) is None
    assert ledger.begin("other", "k", request=b"r", now=NOW) is None


def test_while_the_first_is_under_way_the_repeated_is_told_to_wait(ledger: Ledger) -> None:
    ledger.begin("d", "k", request=b"r", now=NOW)
    with pytest.raises(ConflictError):
        ledger.begin("d", "k", request=b"r", now=NOW)
    assert ledger.begin("d", "k", request=b"r", now=NOW + UNFINISHED + timedelta(seconds=1)) is None


def test_a_key_used_for_another_request_is_refused(ledger: Ledger) -> None:
    ledger.begin("d", "k", request=b"r", now=NOW)
    with pytest.raises(IdempotencyMismatchError):
        ledger.begin("d", "k", request=b"another", now=NOW)
    ledger.finish("d", "k", REPLY)
    with pytest.raises(IdempotencyMismatchError):
        ledger.begin("d", "k", request=b"another", now=NOW)


def test_work_that_failed_may_be_tried_again(ledger: Ledger) -> None:
    ledger.begin("d", "k", request=b"r", now=NOW)
    ledger.abandon("d", "k")
    assert ledger.begin("d", "k", request=b"r", now=NOW) is None


def test_answers_are_forgotten_after_a_day(ledger: Ledger) -> None:
    ledger.begin("d", "k", request=b"r", now=NOW)
    ledger.finish("d", "k", REPLY)
    assert ledger.begin("d", "k", request=b"r", now=NOW + KEPT + timedelta(seconds=1)) is None


def test_answers_are_sealed_where_they_are_stored(ledger: Ledger, tmp_path) -> None:
    ledger.begin("d", "k", request=b"secret request", now=NOW)
    ledger.finish("d", "k", REPLY)
    connection = sqlite3.connect(tmp_path / "gatehouse.db")
    stored = str(connection.execute("SELECT * FROM idempotent_reply").fetchall())
    connection.close()
    for word in ("12345678", "妈妈", "secret request"):
        assert word not in stored
