"""Alembic's environment: a composition root, for it must see every table."""

from alembic import context
from sqlalchemy import create_engine, pool

import backend.access
import backend.idempotency
import backend.identity.invitations
import backend.identity.one_time_codes
import backend.identity.sessions
import backend.pictures
import intercom.door_events  # imported for its tables
from backend.db import Base

TABLES = (
    intercom.door_events,
    backend.access,
    backend.idempotency,
    backend.identity.invitations,
    backend.identity.one_time_codes,
    backend.identity.sessions,
    backend.pictures,
)

engine = create_engine(context.config.attributes["database_url"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
