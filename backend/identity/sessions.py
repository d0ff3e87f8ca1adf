"""Signed-in sessions: refresh tokens that rotate, and a family that is revoked when an old one comes back.

A client that lost the response to a refresh may repeat it: the same token with the same device key within ten seconds,
the successor not used yet, gives the same successor. Anything else is theft and ends the session.
"""

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, LargeBinary, String, UniqueConstraint, select, update
from sqlalchemy.orm import Mapped, mapped_column

from backend.accounts import Account
from backend.db import ID_LENGTH, Base, Database, UnitOfWork, belongs_to, rows_changed
from backend.errors import SignInRequiredError
from backend.events import SignedOut
from backend.identity.devices import Device
from backend.identity.proofs import DeviceKey
from backend.ids import new_id
from backend.vault import Vault

LOST_RESPONSE_GRACE = timedelta(seconds=10)
IDLE_LIFETIME = timedelta(days=90)
ABSOLUTE_LIFETIME = timedelta(days=365)


class SignedIn(Base):
    """One sign-in of one device: the family of its refresh tokens."""

    __tablename__ = "signed_in"
    __table_args__ = (UniqueConstraint("community_id", "id"), belongs_to("device_id", "device"))

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("community.id"))
    device_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    started_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class RefreshToken(Base):
    """A refresh token, stored as its digest; used once."""

    __tablename__ = "refresh_token"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    signed_in_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("signed_in.id"), index=True)
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


@dataclass(frozen=True, kw_only=True)
class Session:
    """What a sign-in or refresh gives: whose session, and the refresh token that continues it."""

    account: Account
    device: Device
    session_id: str
    refresh_token: str
    expires_at: datetime


def _digest(vault: Vault, token: str) -> bytes:
    return vault.code_digest(token, purpose="refresh-token")


def _successor(vault: Vault, token: str) -> str:
    # Derived rather than drawn, so that a repeated refresh gets the same successor although only digests are stored.
    return base64.urlsafe_b64encode(vault.code_digest(token, purpose="refresh-successor")).rstrip(b"=").decode()


def _store(uow: UnitOfWork, vault: Vault, token: str, signed_in: SignedIn, now: datetime) -> datetime:
    expires_at = min(now + IDLE_LIFETIME, signed_in.expires_at)
    uow.session.add(
        RefreshToken(digest=_digest(vault, token), signed_in_id=signed_in.id, issued_at=now, expires_at=expires_at)
    )
    uow.session.flush()
    return expires_at


def begin(uow: UnitOfWork, vault: Vault, *, account: Account, device: Device, now: datetime) -> Session:
    """A new session of this device; its earlier ones end."""
    uow.session.execute(
        update(SignedIn).where(SignedIn.device_id == device.id, SignedIn.ended_at.is_(None)).values(ended_at=now)
    )
    signed_in = SignedIn(
        id=new_id(),
        community_id=device.community_id,
        device_id=device.id,
        started_at=now,
        expires_at=now + ABSOLUTE_LIFETIME,
    )
    uow.session.add(signed_in)
    uow.session.flush()
    token = secrets.token_urlsafe(32)
    expires_at = _store(uow, vault, token, signed_in, now)
    return Session(account=account, device=device, session_id=signed_in.id, refresh_token=token, expires_at=expires_at)


def refresh(db: Database, vault: Vault, *, token: str, key: DeviceKey, now: datetime) -> Session:
    """Exchange a refresh token for its successor.

    Raises:
        SignInRequiredError: unknown, expired, another device's key, or used before; in the last case the family is
        revoked.
    """
    with db.unit_of_work() as uow:
        session = _exchange(uow, vault, token=token, key=key, now=now)
    if session is None:
        raise SignInRequiredError("sign in again")
    return session


def _exchange(uow: UnitOfWork, vault: Vault, *, token: str, key: DeviceKey, now: datetime) -> Session | None:
    row = uow.session.execute(
        select(RefreshToken, SignedIn, Device, Account)
        .join(SignedIn, SignedIn.id == RefreshToken.signed_in_id)
        .join(Device, Device.id == SignedIn.device_id)
        .join(Account, Account.id == Device.account_id)
        .where(RefreshToken.digest == _digest(vault, token))
    ).one_or_none()
    if row is None:
        return None
    current, signed_in, device, account = row
    gone = signed_in.ended_at is not None or device.removed_at is not None
    if gone or current.expires_at <= now or device.thumbprint != key.thumbprint:
        return None
    successor = _successor(vault, token)
    first = rows_changed(
        uow.session,
        update(RefreshToken)
        .where(RefreshToken.digest == current.digest, RefreshToken.used_at.is_(None))
        .values(used_at=now)
        .execution_options(synchronize_session=False),
    )
    if first == 1:
        expires_at = _store(uow, vault, successor, signed_in, now)
    else:
        following = uow.session.get(RefreshToken, _digest(vault, successor))
        lost = current.used_at is not None and now - current.used_at <= LOST_RESPONSE_GRACE
        if following is None or following.used_at is not None or not lost:
            signed_in.ended_at = now
            uow.state(_signed_out(signed_in))
            return None
        expires_at = following.expires_at
    device.last_seen_at = now
    return Session(
        account=account, device=device, session_id=signed_in.id, refresh_token=successor, expires_at=expires_at
    )


def end(uow: UnitOfWork, *, community_id: str, session_id: str, now: datetime) -> None:
    """Sign a device out.

    Raises:
        NotFoundError: there is no such session.
    """
    signed_in = uow.get(SignedIn, community_id, session_id)
    if signed_in.ended_at is None:
        signed_in.ended_at = now
        uow.state(_signed_out(signed_in))


def _signed_out(signed_in: SignedIn) -> SignedOut:
    return SignedOut(community_id=signed_in.community_id, device_id=signed_in.device_id, session_id=signed_in.id)
