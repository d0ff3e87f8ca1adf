"""Invitations: an 8-digit code, as text or QR, that lets one person's device into one household once."""

from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, LargeBinary, String, UniqueConstraint, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.accounts import Account, Role, create_account
from backend.db import ID_LENGTH, Base, UnitOfWork, belongs_to, rows_changed
from backend.errors import ForbiddenError, NotFoundError, SignInFailedError, ValidationFailedError
from backend.households import (
    Membership,
    Relation,
    Tenancy,
    TenancyKind,
    add_resident,
    memberships,
)
from backend.ids import new_digits, new_id
from backend.vault import Vault

LIFETIME = timedelta(hours=72)


class Invitation(Base):
    """An invitation; `account_id` names a registered person, None invites somebody new."""

    __tablename__ = "invitation"
    __table_args__ = (
        UniqueConstraint("community_id", "id"),
        belongs_to("household_id", "household"),
        belongs_to("tenancy_id", "tenancy"),
        belongs_to("account_id", "account"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("community.id"))
    household_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    tenancy_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    account_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    relation: Mapped[str] = mapped_column(String(16))
    resident_ends_at: Mapped[datetime | None]
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    made_by: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


def invite(
    uow: UnitOfWork,
    vault: Vault,
    *,
    tenancy: Tenancy,
    relation: Relation,
    ends_at: datetime | None,
    account_id: str | None,
    made_by: str | None,
    now: datetime,
) -> tuple[Invitation, str]:
    """A new invitation and its code, which is shown once and stored only as a digest.

    Raises:
        ValidationFailedError: a tenant without an end.
    """
    if relation == Relation.TENANT and ends_at is None:
        raise ValidationFailedError(
            "a tenant is invited with the end of the lease",
            errors=[{"field": "ends_at", "message": "required for a tenant"}],
        )
    code = new_digits(8)
    invitation = Invitation(
        id=new_id(),
        community_id=tenancy.community_id,
        household_id=tenancy.household_id,
        tenancy_id=tenancy.id,
        account_id=account_id,
        relation=relation,
        resident_ends_at=ends_at,
        digest=vault.code_digest(code, purpose="invitation"),
        made_by=made_by,
        made_at=now,
        expires_at=min(now + LIFETIME, ends_at) if ends_at else now + LIFETIME,
    )
    uow.session.add(invitation)
    uow.session.flush()
    return invitation, code


def invite_as_resident(
    uow: UnitOfWork,
    vault: Vault,
    *,
    account_id: str,
    membership: Membership,
    relation: Relation,
    ends_at: datetime | None,
    now: datetime,
) -> tuple[Invitation, str]:
    """An invitation from someone of the home; nobody gives more, or for longer, than they have.

    Raises:
        ForbiddenError: the home is let (the tenant invites), or the relation is not the caller's to give.
    """
    if not membership.counts:
        raise ForbiddenError("the home is let; its tenant invites")
    tenancy = uow.session.get_one(Tenancy, membership.tenancy_id)
    if relation == Relation.OWNER or (relation == Relation.TENANT and tenancy.kind != TenancyKind.LEASE):
        raise ForbiddenError("family can be invited here; tenants come in by a lease")
    limits = [moment for moment in (ends_at, membership.ends_at) if moment is not None]
    return invite(
        uow,
        vault,
        tenancy=tenancy,
        relation=relation,
        ends_at=min(limits) if limits else None,
        account_id=None,
        made_by=account_id,
        now=now,
    )


def redeem(uow: UnitOfWork, vault: Vault, *, code: str, name: str, now: datetime) -> Account:
    """The account this invitation lets in; a new one is made for somebody new.

    Raises:
        SignInFailedError: unknown, used or expired code, or its tenancy is over.
    """
    refused = SignInFailedError("the invitation is unknown, used or over; ask for a new one")
    invitation = uow.session.scalar(
        select(Invitation).where(Invitation.digest == vault.code_digest(code, purpose="invitation"))
    )
    if invitation is None:
        raise refused
    won = rows_changed(
        uow.session,
        update(Invitation)
        .where(Invitation.id == invitation.id, Invitation.used_at.is_(None), Invitation.expires_at > now)
        .values(used_at=now),
    )
    tenancy = uow.session.get_one(Tenancy, invitation.tenancy_id)
    over = tenancy.ended_at is not None or (tenancy.ends_at is not None and tenancy.ends_at <= now)
    if won == 0 or over:
        raise refused
    if invitation.account_id is not None:
        account = uow.session.get_one(Account, invitation.account_id)
        standing = {m.tenancy_id for m in memberships(uow.session, account.id, now=now)}
        if tenancy.id not in standing:
            raise refused
        return account
    account = create_account(
        uow, vault, community_id=invitation.community_id, role=Role.RESIDENT, name=name, phone=None, now=now
    )
    add_resident(
        uow,
        tenancy=tenancy,
        account_id=account.id,
        relation=Relation(invitation.relation),
        ends_at=invitation.resident_ends_at,
        now=now,
    )
    return account


def withdraw(uow: UnitOfWork, *, community_id: str, invitation_id: str, made_by: str, now: datetime) -> None:
    """Take back an invitation of one's own that nobody used.

    Raises:
        NotFoundError: there is none.
    """
    invitation = uow.get(Invitation, community_id, invitation_id)
    if invitation.made_by != made_by or invitation.used_at is not None:
        raise NotFoundError("there is no such invitation")
    invitation.expires_at = now


def open_invitations(session: Session, *, made_by: str, now: datetime) -> list[Invitation]:
    """The caller's invitations that can still be used."""
    return list(
        session.scalars(
            select(Invitation)
            .where(Invitation.made_by == made_by, Invitation.used_at.is_(None), Invitation.expires_at > now)
            .order_by(Invitation.id.desc())
        )
    )
