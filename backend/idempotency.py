"""Idempotency keys: a create that is repeated with the same key is done once and answered the same."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import LargeBinary, String, delete, insert, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from backend.db import ID_LENGTH, Base, Database
from backend.errors import ConflictError, IdempotencyMismatchError
from backend.vault import Vault

KEPT = timedelta(days=1)
UNFINISHED = timedelta(seconds=60)


class IdempotentReply(Base):
    """The reply to a keyed create, sealed, for it may hold a code. Without a status the work is under way."""

    __tablename__ = "idempotent_reply"

    device_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    request_digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    status: Mapped[int | None]
    body_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    at: Mapped[datetime]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A status and a JSON body."""

    status: int
    body: Any


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Remembers keyed replies."""

    db: Database
    vault: Vault

    def begin(self, device_id: str, key: str, *, request: bytes, now: datetime) -> Reply | None:
        """The earlier reply, or None when the caller is to do the work and `finish` or `abandon` it.

        Raises:
            IdempotencyMismatchError: the key was used for another request.
            ConflictError: the first request with this key is still under way.
        """
        digest = self.vault.code_digest(request.hex(), purpose="idempotent-request")
        row = {"device_id": device_id, "key": key}
        try:
            with self.db.unit_of_work() as uow:
                uow.session.execute(
                    delete(IdempotentReply).where(
                        (IdempotentReply.at < now - KEPT)
                        | (IdempotentReply.status.is_(None) & (IdempotentReply.at < now - UNFINISHED))
                    )
                )
                uow.session.execute(insert(IdempotentReply).values(**row, request_digest=digest, at=now))
        except IntegrityError:
            return self._earlier(device_id, key, digest)
        return None

    def _earlier(self, device_id: str, key: str, digest: bytes) -> Reply:
        with self.db.reading() as session:
            earlier = session.get(IdempotentReply, (device_id, key))
        if earlier is not None and earlier.request_digest != digest:
            raise IdempotencyMismatchError("this idempotency key was used for another request")
        if earlier is None or earlier.status is None or earlier.body_sealed is None:
            raise ConflictError("the first request with this key is still under way; try again in a moment")
        text = self.vault.open(earlier.body_sealed, field="idempotent_reply.body", row=f"{device_id}/{key}")
        return Reply(status=earlier.status, body=json.loads(text))

    def finish(self, device_id: str, key: str, reply: Reply) -> None:
        """Remember how the work ended."""
        sealed = self.vault.seal(json.dumps(reply.body), field="idempotent_reply.body", row=f"{device_id}/{key}")
        with self.db.unit_of_work() as uow:
            uow.session.execute(
                update(IdempotentReply)
                .where(IdempotentReply.device_id == device_id, IdempotentReply.key == key)
                .values(status=reply.status, body_sealed=sealed)
            )

    def abandon(self, device_id: str, key: str) -> None:
        """The work failed; the key may be used again."""
        with self.db.unit_of_work() as uow:
            uow.session.execute(
                delete(IdempotentReply).where(IdempotentReply.device_id == device_id, IdempotentReply.key == key)
            )
