"""Who lives in a household: tenancies one after another, residents in each (clause 3.1-6(3)c).

A household always has at most one tenancy that counts: its running lease, else the owner's own. Calls and records
belong to a tenancy, so an owner who has let the home is not rung and sees nothing of the tenant's, and a new tenant
inherits nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    String,
    UniqueConstraint,
    and_,
    bindparam,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from backend.accounts import Account
from backend.communities import Household
from backend.db import ID_LENGTH, Base, UnitOfWork, UtcDateTime, belongs_to
from backend.errors import ConflictError, NotFoundError, ValidationFailedError
from backend.events import HouseholdChanged
from backend.ids import new_id

MAX_LEASE = timedelta(days=20 * 366)
"""The longest lease the Civil Code knows (article 705)."""


class TenancyKind(StrEnum):
    """The owner lives here, or somebody rents."""

    OWNER_OCCUPIED = "owner_occupied"
    LEASE = "lease"


class Relation(StrEnum):
    """What a resident is to the household."""

    OWNER = "owner"
    FAMILY = "family"
    TENANT = "tenant"


class Tenancy(Base):
    """A period in which one group of people has the home; a lease always has an end."""

    __tablename__ = "tenancy"
    __table_args__ = (
        UniqueConstraint("community_id", "id"),
        belongs_to("household_id", "household"),
        CheckConstraint("kind <> 'lease' OR ends_at IS NOT NULL", name="lease_has_an_end"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    household_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class Resident(Base):
    """One account in one tenancy; removal keeps the row, because records point to it."""

    __tablename__ = "resident"
    __table_args__ = (
        UniqueConstraint("community_id", "id"),
        UniqueConstraint("tenancy_id", "account_id"),
        belongs_to("household_id", "household"),
        belongs_to("tenancy_id", "tenancy"),
        belongs_to("account_id", "account"),
        CheckConstraint("relation <> 'tenant' OR ends_at IS NOT NULL", name="tenant_has_an_end"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("community.id"))
    household_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    tenancy_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    account_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    relation: Mapped[str] = mapped_column(String(16))
    added_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]


@dataclass(frozen=True, kw_only=True)
class Membership:
    """An account's standing in one household right now."""

    resident_id: str
    household_id: str
    tenancy_id: str
    relation: Relation
    ends_at: datetime | None
    counts: bool
    """Whether this tenancy is the one that has the home now; an absent landlord's does not."""
    changes_at: datetime | None
    """When this answer may become another (an end, or the start of a lease), None for never."""


def _runs(tenancy: type[Tenancy], now: Any) -> list[ColumnElement[bool]]:
    return [tenancy.ended_at.is_(None), tenancy.starts_at <= now, or_(tenancy.ends_at.is_(None), tenancy.ends_at > now)]


def _running_first(tenancy: type[Tenancy]) -> list[ColumnElement[Any]]:
    """A lease before the owner's own tenancy."""
    return [(tenancy.kind == TenancyKind.LEASE).desc(), tenancy.starts_at.desc()]


# Asked on every request and every press: built once, one statement however many homes somebody has.
_NOW = bindparam("now", type_=UtcDateTime())
_CURRENT = (
    select(Tenancy)
    .where(Tenancy.household_id == bindparam("household_id"), *_runs(Tenancy, _NOW))
    .order_by(*_running_first(Tenancy))
    .limit(1)
)


_CURRENT_ID = _CURRENT.with_only_columns(Tenancy.id)


def current_tenancy(session: Session, household_id: str, *, now: datetime) -> Tenancy | None:
    """The tenancy that has the home now: a running lease before the owner's own."""
    return session.scalar(_CURRENT, {"household_id": household_id, "now": now})


def current_tenancy_id(session: Session, household_id: str, *, now: datetime) -> str | None:
    """As `current_tenancy`, for who needs no more than its name."""
    return session.execute(_CURRENT_ID, {"household_id": household_id, "now": now}).scalar()


_Current = aliased(Tenancy)
_Next = aliased(Tenancy)
_Rival = aliased(Tenancy)
_MEMBERSHIPS = (
    select(
        Resident.id.label("resident_id"),
        Resident.household_id,
        Resident.tenancy_id,
        Resident.relation,
        Resident.ends_at.label("resident_ends_at"),
        Tenancy.ends_at.label("tenancy_ends_at"),
        _Current.id.label("current_id"),
        _Current.ends_at.label("current_ends_at"),
        select(func.min(_Next.starts_at))
        .where(_Next.household_id == Resident.household_id, _Next.ended_at.is_(None), _Next.starts_at > _NOW)
        .correlate(Resident)
        .scalar_subquery()
        .label("next_starts_at"),
    )
    .join(Tenancy, and_(Tenancy.id == Resident.tenancy_id, Tenancy.community_id == Resident.community_id))
    .outerjoin(
        _Current,
        _Current.id
        == select(_Rival.id)
        .where(_Rival.household_id == Resident.household_id, *_runs(_Rival, _NOW))
        .order_by(*_running_first(_Rival))
        .limit(1)
        .correlate(Resident)
        .scalar_subquery(),
    )
    .where(
        Resident.account_id == bindparam("account_id"),
        Resident.removed_at.is_(None),
        or_(Resident.ends_at.is_(None), Resident.ends_at > _NOW),
        *_runs(Tenancy, _NOW),
    )
    .order_by(Resident.id)
)


def memberships(session: Session, account_id: str, *, now: datetime) -> list[Membership]:
    """Every household this account stands in now, also where its tenancy does not count."""
    found = []
    for row in session.execute(_MEMBERSHIPS, {"account_id": account_id, "now": now}):
        boundaries = [row.resident_ends_at, row.tenancy_ends_at, row.current_ends_at, row.next_starts_at]
        found.append(
            Membership(
                resident_id=row.resident_id,
                household_id=row.household_id,
                tenancy_id=row.tenancy_id,
                relation=Relation(row.relation),
                ends_at=min((e for e in (row.resident_ends_at, row.tenancy_ends_at) if e), default=None),
                counts=row.current_id == row.tenancy_id,
                changes_at=min((b for b in boundaries if b), default=None),
            )
        )
    return found


_Lease = aliased(Tenancy)
_STANDS_IN = (
    select(Resident.id)
    .join(Tenancy, Tenancy.id == Resident.tenancy_id)
    .where(
        Resident.account_id == bindparam("account_id"),
        Resident.tenancy_id == bindparam("tenancy_id"),
        Resident.removed_at.is_(None),
        or_(Resident.ends_at.is_(None), Resident.ends_at > _NOW),
        *_runs(Tenancy, _NOW),
        ~select(_Lease.id)
        .where(
            _Lease.household_id == Tenancy.household_id,
            _Lease.id != Tenancy.id,
            _Lease.kind == TenancyKind.LEASE,
            _Lease.ended_at.is_(None),
            _Lease.starts_at <= _NOW,
            _Lease.ends_at > _NOW,
        )
        .correlate(Tenancy)
        .exists(),
    )
    .limit(1)
)


def stands_in(session: Session, account_id: str, tenancy_id: str, *, now: datetime) -> bool:
    """Whether this account stands in this tenancy now and the tenancy is the one that has the home: one statement."""
    wanted = {"account_id": account_id, "tenancy_id": tenancy_id, "now": now}
    return session.execute(_STANDS_IN, wanted).first() is not None


def membership_in(session: Session, account_id: str, household_id: str, *, now: datetime) -> Membership:
    """This account's standing in this household.

    Raises:
        NotFoundError: it has none, so the household does not exist for it.
    """
    for membership in memberships(session, account_id, now=now):
        if membership.household_id == household_id:
            return membership
    raise NotFoundError("there is no such household")


def own_tenancy(uow: UnitOfWork, *, community_id: str, household_id: str, now: datetime) -> Tenancy:
    """The owner's tenancy of this household, made when the household has none yet."""
    household = uow.get(Household, community_id, household_id)
    tenancy = uow.session.scalar(
        select(Tenancy).where(
            Tenancy.household_id == household.id,
            Tenancy.kind == TenancyKind.OWNER_OCCUPIED,
            Tenancy.ended_at.is_(None),
        )
    )
    if tenancy is None:
        tenancy = Tenancy(
            id=new_id(),
            community_id=community_id,
            household_id=household.id,
            kind=TenancyKind.OWNER_OCCUPIED,
            starts_at=now,
        )
        uow.session.add(tenancy)
        uow.session.flush()
    return tenancy


def start_lease(
    uow: UnitOfWork, *, community_id: str, household_id: str, starts_at: datetime, ends_at: datetime, now: datetime
) -> Tenancy:
    """A lease of this household.

    Raises:
        NotFoundError: no such household.
        ValidationFailedError: the end is not after the start and after now, or too far away.
        ConflictError: another lease runs in that time.
    """
    household = uow.get(Household, community_id, household_id)
    if ends_at <= max(starts_at, now) or ends_at - starts_at > MAX_LEASE:
        raise ValidationFailedError(
            "a lease ends after it begins, in the future, within twenty years",
            errors=[{"field": "ends_at", "message": "not a possible end"}],
        )
    other = uow.session.scalar(
        select(Tenancy.id).where(
            Tenancy.household_id == household.id,
            Tenancy.kind == TenancyKind.LEASE,
            Tenancy.ended_at.is_(None),
            Tenancy.starts_at < ends_at,
            Tenancy.ends_at > starts_at,
        )
    )
    if other is not None:
        raise ConflictError("the home is let in that time already")
    lease = Tenancy(
        id=new_id(),
        community_id=community_id,
        household_id=household.id,
        kind=TenancyKind.LEASE,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    uow.session.add(lease)
    uow.session.flush()
    uow.state(HouseholdChanged(community_id=community_id, household_id=household.id))
    return lease


def end_lease(uow: UnitOfWork, *, community_id: str, tenancy_id: str, now: datetime) -> Tenancy:
    """End a lease now: its people lose everything at once, the owner has the home again.

    Raises:
        NotFoundError: no such lease, or it is over.
    """
    lease = uow.get(Tenancy, community_id, tenancy_id)
    if lease.kind != TenancyKind.LEASE or lease.ended_at is not None:
        raise NotFoundError("there is no such lease")
    lease.ended_at = now
    uow.state(HouseholdChanged(community_id=community_id, household_id=lease.household_id))
    return lease


def add_resident(
    uow: UnitOfWork, *, tenancy: Tenancy, account_id: str, relation: Relation, ends_at: datetime | None, now: datetime
) -> Resident:
    """Put an account into a tenancy; someone who was removed comes back with the new relation.

    Raises:
        ValidationFailedError: a tenant without an end, or an owner in a lease.
    """
    account = uow.get(Account, tenancy.community_id, account_id)
    if relation == Relation.TENANT and ends_at is None:
        raise ValidationFailedError(
            "a tenant is registered with the end of the lease",
            errors=[{"field": "ends_at", "message": "required for a tenant"}],
        )
    if (relation == Relation.OWNER) and tenancy.kind == TenancyKind.LEASE:
        raise ValidationFailedError(
            "an owner is not part of a lease", errors=[{"field": "relation", "message": "owner in a lease"}]
        )
    resident = uow.session.scalar(
        select(Resident).where(Resident.tenancy_id == tenancy.id, Resident.account_id == account.id)
    )
    if resident is None:
        resident = Resident(
            id=new_id(),
            community_id=tenancy.community_id,
            household_id=tenancy.household_id,
            tenancy_id=tenancy.id,
            account_id=account.id,
            relation=relation,
            added_at=now,
        )
        uow.session.add(resident)
    resident.relation, resident.ends_at, resident.removed_at = relation, ends_at, None
    uow.session.flush()
    uow.state(HouseholdChanged(community_id=tenancy.community_id, household_id=tenancy.household_id))
    return resident


def remove_resident(uow: UnitOfWork, *, community_id: str, resident_id: str, now: datetime) -> None:
    """Take a resident out of the household at once.

    Raises:
        NotFoundError: no such resident.
    """
    resident = uow.get(Resident, community_id, resident_id)
    uow.session.execute(
        update(Resident).where(Resident.id == resident.id, Resident.removed_at.is_(None)).values(removed_at=now)
    )
    uow.state(HouseholdChanged(community_id=community_id, household_id=resident.household_id))


def people_of(session: Session, tenancy_ids: Iterable[str], *, now: datetime) -> list[Resident]:
    """Everyone who stands in these tenancies now."""
    return list(
        session.scalars(
            select(Resident)
            .join(Tenancy, Tenancy.id == Resident.tenancy_id)
            .where(
                Resident.tenancy_id.in_(list(tenancy_ids)),
                Resident.removed_at.is_(None),
                or_(Resident.ends_at.is_(None), Resident.ends_at > now),
                *_runs(Tenancy, now),
            )
            .order_by(Resident.id)
        )
    )
