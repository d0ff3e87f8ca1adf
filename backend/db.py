"""The database: typed base, aware times, one transaction per operation, facts stated with the change."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import (
    JSON,
    CursorResult,
    DateTime,
    Delete,
    Engine,
    ForeignKeyConstraint,
    MetaData,
    String,
    Table,
    TypeDecorator,
    Update,
    create_engine,
    event,
    insert,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from backend.clock import utc_now
from backend.errors import NotFoundError
from backend.events import Event
from backend.failpoints import failpoint
from backend.ids import new_id

logger = logging.getLogger(__name__)

ID_LENGTH = 32

T = TypeVar("T", bound="Base")


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in, aware UTC out; a naive time is a bug and is refused."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """PostgreSQL keeps the zone, SQLite a bare UTC text."""
        return dialect.type_descriptor(DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive time")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Every table; constraint names are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON, str: String}


def belongs_to(column: str, table: str) -> ForeignKeyConstraint:
    """A reference inside one community: no row can point at another community's."""
    return ForeignKeyConstraint(["community_id", column], [f"{table}.community_id", f"{table}.id"])


class Fact(Base):
    """A stated event, stored in the transaction that made it true; durable deliveries read from here."""

    __tablename__ = "fact"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    kind: Mapped[str] = mapped_column(String(64))
    body: Mapped[dict[str, Any]]
    stated_at: Mapped[datetime]


def table_of(model: type[Base]) -> Table:
    """The model's table, for statements of hot paths: built once and run without the mapper they cost a quarter."""
    found = model.__table__
    assert isinstance(found, Table), "every model has one table"
    return found


_STATE = insert(table_of(Fact))

Listener = Callable[[Any], None]


class UnitOfWork:
    """One write transaction: `session` for rows, `state` for facts."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.events: list[Event] = []

    def state(self, fact: Event) -> None:
        """Save a fact with the change; listeners hear it after the commit, never before."""
        self.events.append(fact)
        self.session.execute(
            _STATE,
            {
                "id": new_id(),
                "community_id": fact.community_id,
                "kind": fact.kind,
                "body": fact.body(),
                "stated_at": utc_now(),
            },
        )

    def get(self, model: type[T], community_id: str, row_id: str) -> T:
        """The row of this community with this id.

        Raises:
            NotFoundError: there is none, or it belongs to another community.
        """
        return scoped_get(self.session, model, community_id, row_id)


def scoped_get(session: Session, model: type[T], community_id: str, row_id: str) -> T:
    """The row with this id, only if it belongs to this community.

    Raises:
        NotFoundError: there is none, or it belongs to another community.
    """
    row = session.get(model, row_id)
    if row is None or getattr(row, "community_id", None) != community_id:
        raise NotFoundError(f"there is no such {model.__tablename__.replace('_', ' ')}")
    return row


def rows_changed(session: Session, statement: Update | Delete, parameters: dict[str, Any] | None = None) -> int:
    """Execute a conditional change and say how many rows it changed: that settles races, no earlier read does."""
    result = session.execute(statement, parameters)
    assert isinstance(result, CursorResult), "a change has a row count"
    return result.rowcount


class Database:
    """An engine and its two ways in: `unit_of_work` writes, `reading` reads.

    SQLite is used in WAL mode with synchronous=FULL and one writer at a time: BEGIN IMMEDIATE under a process-wide
    lock, because deferred transactions that read and then write fail with 'database is locked' under load.
    """

    def __init__(self, url: str) -> None:
        self.engine: Engine = create_engine(
            url, pool_size=20, max_overflow=60, **({} if url.startswith("sqlite") else {"pool_pre_ping": True})
        )
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._writing = threading.Lock() if self.is_sqlite else contextlib.nullcontext()
        self._listeners: list[tuple[type[Event], Listener]] = []
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        self._writer = self.engine.execution_options(gatehouse_write=True)

    def listen(self, kind: type[Event], listener: Listener) -> None:
        """Call `listener` with every committed fact of `kind`; only the composition root uses this."""
        self._listeners.append((kind, listener))

    @contextlib.contextmanager
    def unit_of_work(self) -> Iterator[UnitOfWork]:
        """One transaction, rolled back when the block raises. No network, push or sleep inside."""
        with self._writing, Session(self._writer, expire_on_commit=False, autoflush=True) as session:
            uow = UnitOfWork(session)
            with session.begin():
                yield uow
        self._tell(uow.events)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """A read-only session on a consistent snapshot."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    def _tell(self, events: list[Event]) -> None:
        for fact in events:
            failpoint(f"server.announce.{fact.kind}")
            for kind, listener in self._listeners:
                if isinstance(fact, kind):
                    try:
                        listener(fact)
                    except Exception:
                        # Live listeners are best effort: one that fails must not undo a committed change or silence
                        # the rest.
                        logger.exception("a live listener failed on %s", fact.kind)

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    write = connection.get_execution_options().get("gatehouse_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
