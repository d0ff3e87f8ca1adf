"""The schema's history leads exactly to the tables of the code, and its guards are there."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, create_engine, inspect, text

import backend.app  # noqa: F401  # every table of the service is known once its composition root is
from backend.db import Base
from backend.migrations import upgrade


@pytest.fixture
def upgraded(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'fresh.db'}"
    upgrade(url)
    engine = create_engine(url)
    yield engine
    engine.dispose()


def test_an_upgraded_database_is_what_the_models_say(upgraded) -> None:
    with upgraded.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_every_check_and_every_composite_reference_of_the_models_is_in_the_schema(upgraded) -> None:
    there = inspect(upgraded)
    for table in Base.metadata.sorted_tables:
        wanted = {tuple(key.column_keys) for key in table.foreign_key_constraints}
        assert {tuple(key["constrained_columns"]) for key in there.get_foreign_keys(table.name)} == wanted, table.name
        checks = {str(c.name) for c in table.constraints if isinstance(c, CheckConstraint)}
        assert {c["name"] for c in there.get_check_constraints(table.name)} == checks, table.name


def test_the_log_is_guarded_against_change_and_deletion(upgraded) -> None:
    with upgraded.connect() as connection:
        guards = connection.execute(text("SELECT tbl_name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
    guarded = {(table, act) for table, sql in guards for act in ("UPDATE", "DELETE") if f"BEFORE {act}" in sql.upper()}
    wanted = {(table, act) for table in ("access_record", "access_payload") for act in ("UPDATE", "DELETE")}
    assert guarded >= wanted


def test_upgrading_again_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'twice.db'}"
    upgrade(url)
    upgrade(url)
