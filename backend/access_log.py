"""The access log: append-only, one hash chain for each community, its head signed (clause 8(10)a: true and
unchangeable).

The chain covers only a digest of each payload (salted), so that retention can later remove payloads and leave the
chain whole.
UPDATE and DELETE are refused by database triggers; whoever gets round those is found by `verify`.
"""

import hashlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from sqlalchemy import ForeignKey, LargeBinary, String, UniqueConstraint, bindparam, insert, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.db import ID_LENGTH, Base, UnitOfWork, table_of
from backend.events import AccessRecorded
from backend.ids import new_id
from backend.vault import Vault

GENESIS = b"\x00" * 32
_BATCH = 1000


class RecordKind(StrEnum):
    """What a row says."""

    DECISION = "decision"
    RESULT = "result"
    DOOR_OPENED = "door_opened"
    DOOR_CLOSED = "door_closed"
    EXIT_BUTTON = "exit_button"


class AccessRecord(Base):
    """One link of the chain."""

    __tablename__ = "access_record"
    __table_args__ = (UniqueConstraint("community_id", "seq"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("community.id"))
    seq: Mapped[int]
    at: Mapped[datetime]
    payload_digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    previous: Mapped[bytes] = mapped_column(LargeBinary(32))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))


class AccessPayload(Base):
    """What the link is about: identifiers only; names are looked up when somebody who may see them reads the record."""

    __tablename__ = "access_payload"

    record_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("access_record.id"), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary(16))
    kind: Mapped[str] = mapped_column(String(24))
    correlation_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    method: Mapped[str | None] = mapped_column(String(16))
    result: Mapped[str | None] = mapped_column(String(24))
    reason: Mapped[str | None] = mapped_column(String(40))
    door_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    station_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    call_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    household_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    tenancy_id: Mapped[str | None] = mapped_column(String(ID_LENGTH), index=True)
    account_id: Mapped[str | None] = mapped_column(String(ID_LENGTH), index=True)
    device_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    station_at: Mapped[str | None] = mapped_column(String(32))
    picture_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    detail: Mapped[str | None] = mapped_column(String(200))


class ChainHead(Base):
    """The last link of a community's chain, signed with the community's key."""

    __tablename__ = "chain_head"

    community_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("community.id"), primary_key=True)
    seq: Mapped[int]
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    signature: Mapped[bytes] = mapped_column(LargeBinary(64))


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is to be recorded. `station_at` is the station's own clock, as it said it."""

    kind: RecordKind
    correlation_id: str
    method: str | None = None
    result: str | None = None
    reason: str | None = None
    door_id: str | None = None
    station_id: str | None = None
    call_id: str | None = None
    household_id: str | None = None
    tenancy_id: str | None = None
    account_id: str | None = None
    device_id: str | None = None
    station_at: str | None = None
    picture_id: str | None = None
    detail: str | None = None


_FIELDS = tuple(field.name for field in fields(Entry))


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What `verify` found; `bad_seq` is the first row that is not what was written."""

    rows: int
    bad_seq: int | None = None
    problem: str | None = None

    @property
    def whole(self) -> bool:
        """Whether the chain is as it was written."""
        return self.problem is None


def _payload_digest(salt: bytes, values: dict[str, str]) -> bytes:
    text = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(salt + text.encode()).digest()


def _link(
    previous: bytes, *, community_id: str, record_id: str, seq: int, at: datetime, payload_digest: bytes
) -> bytes:
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")  # all that is stored
    head = f"gatehouse-log-v1\n{community_id}\n{record_id}\n{seq}\n{moment}\n".encode()
    return hashlib.sha256(head + previous + payload_digest).digest()


def _head_text(community_id: str, seq: int, digest: bytes) -> bytes:
    return f"gatehouse-log-head-v1\n{community_id}\n{seq}\n".encode() + digest


_record, _payload, _head = table_of(AccessRecord), table_of(AccessPayload), table_of(ChainHead)
_HEAD = select(_head.c.seq, _head.c.digest).where(_head.c.community_id == bindparam("of")).with_for_update()
_RECORD, _PAYLOAD, _FIRST_HEAD = insert(_record), insert(_payload), insert(_head)
_NEXT_HEAD = (
    update(_head)
    .where(_head.c.community_id == bindparam("of"))
    .values({name: bindparam(name) for name in ("seq", "digest", "signature")})
)


def append(uow: UnitOfWork, vault: Vault, entry: Entry, *, community_id: str, now: datetime) -> str:
    """Append one record and move the signed head; returns the record's id.

    The head's row is locked here and nowhere else, so this comes last in a transaction (one lock order, no deadlock).
    """
    head = uow.session.execute(_HEAD, {"of": community_id}).one_or_none()
    previous_seq, previous = (head.seq, head.digest) if head else (0, GENESIS)
    seq, record_id, salt = previous_seq + 1, new_id(), secrets.token_bytes(16)
    values = {name: str(value) for name in _FIELDS if (value := getattr(entry, name)) is not None}
    payload_digest = _payload_digest(salt, values)
    digest = _link(
        previous, community_id=community_id, record_id=record_id, seq=seq, at=now, payload_digest=payload_digest
    )
    signature = vault.chain_key(community_id).sign(_head_text(community_id, seq, digest))
    uow.session.execute(
        _RECORD,
        {
            "id": record_id,
            "community_id": community_id,
            "seq": seq,
            "at": now,
            "payload_digest": payload_digest,
            "previous": previous,
            "digest": digest,
        },
    )
    uow.session.execute(
        _PAYLOAD,
        {
            **dict.fromkeys(_FIELDS),
            **values,
            "record_id": record_id,
            "community_id": community_id,
            "salt": salt,
        },
    )
    moved = {"seq": seq, "digest": digest, "signature": signature}
    if head is None:
        uow.session.execute(_FIRST_HEAD, {"community_id": community_id, **moved})
    else:
        uow.session.execute(_NEXT_HEAD, {"of": community_id, **moved})
    uow.state(
        AccessRecorded(
            community_id=community_id,
            seq=seq,
            record_kind=entry.kind,
            correlation_id=entry.correlation_id,
            door_id=entry.door_id,
        )
    )
    return record_id


def verify(session: Session, vault: Vault, community_id: str) -> Verification:
    """Walk the whole chain of a community and name the first row that is not what was written."""
    previous, seq = GENESIS, 0
    for record, payload in _rows(session, community_id):
        seq += 1
        if record.seq != seq:
            return Verification(rows=seq - 1, bad_seq=seq, problem="a row is missing or out of order")
        if record.previous != previous:
            return Verification(rows=seq - 1, bad_seq=seq, problem="the row does not follow the one before it")
        if payload is None:
            return Verification(rows=seq - 1, bad_seq=seq, problem="the row's payload is missing")
        values = {name: str(value) for name in _FIELDS if (value := getattr(payload, name)) is not None}
        if payload.community_id != community_id or _payload_digest(payload.salt, values) != record.payload_digest:
            return Verification(rows=seq - 1, bad_seq=seq, problem="the row's payload was changed")
        digest = _link(
            previous,
            community_id=community_id,
            record_id=record.id,
            seq=seq,
            at=record.at,
            payload_digest=record.payload_digest,
        )
        if digest != record.digest:
            return Verification(rows=seq - 1, bad_seq=seq, problem="the row was changed")
        previous = digest
    return _verify_head(session, vault, community_id, seq=seq, digest=previous)


def _verify_head(session: Session, vault: Vault, community_id: str, *, seq: int, digest: bytes) -> Verification:
    head = session.get(ChainHead, community_id)
    if head is None:
        if seq == 0:
            return Verification(rows=0)
        return Verification(rows=seq, bad_seq=seq, problem="the head of the chain is missing")
    if head.seq > seq:
        return Verification(rows=seq, bad_seq=seq + 1, problem="rows at the end are missing")
    if head.seq < seq:
        return Verification(rows=seq, bad_seq=head.seq + 1, problem="rows were added behind the signed head")
    if head.digest != digest:
        return Verification(rows=seq, bad_seq=seq, problem="the head is not the last row's")
    try:
        vault.chain_key(community_id).public_key().verify(head.signature, _head_text(community_id, seq, digest))
    except InvalidSignature:
        return Verification(rows=seq, bad_seq=seq, problem="the head's signature is wrong")
    return Verification(rows=seq)


def _rows(session: Session, community_id: str) -> Iterator[tuple[AccessRecord, AccessPayload | None]]:
    last = -(2**60)
    while True:
        batch = session.execute(
            select(AccessRecord, AccessPayload)
            .outerjoin(AccessPayload, AccessPayload.record_id == AccessRecord.id)
            .where(AccessRecord.community_id == community_id, AccessRecord.seq > last)
            .order_by(AccessRecord.seq)
            .limit(_BATCH)
        ).all()
        for record, payload in batch:
            last = record.seq
            yield record, payload
        session.expunge_all()
        if len(batch) < _BATCH:
            return
