"""Devices: a phone or browser with a key of its own; only approved ones ring and open doors."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.accounts import Account
from backend.db import ID_LENGTH, Base, UnitOfWork, belongs_to, rows_changed
from backend.errors import ConflictError, NotFoundError
from backend.events import DeviceApproved, DeviceAsked, DeviceRemoved
from backend.households import memberships, people_of
from backend.identity.proofs import DeviceKey
from backend.ids import new_id

MAX_DEVICES_OF_ACCOUNT = 20


class Device(Base):
    """A device of one account; `thumbprint` (RFC 7638) binds its tokens to its key."""

    __tablename__ = "device"
    __table_args__ = (UniqueConstraint("community_id", "id"), belongs_to("account_id", "account"))

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("community.id"))
    account_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    name: Mapped[str] = mapped_column(String(60))
    public_key: Mapped[dict[str, Any]]
    thumbprint: Mapped[str] = mapped_column(String(43), index=True)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    approved_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]

    @property
    def state(self) -> str:
        """`approved`, or `pending` until someone of the home or the property approves."""
        return "pending" if self.approved_at is None else "approved"


@dataclass(frozen=True, kw_only=True)
class DeviceView:
    """A device and whose it is."""

    device: Device
    account: Account


def enrol(uow: UnitOfWork, *, account: Account, key: DeviceKey, name: str, approved: bool, now: datetime) -> Device:
    """The account's device with this key, made when it is new; an approval given once stays.

    Raises:
        ConflictError: the account has too many devices.
    """
    device = uow.session.scalar(
        select(Device).where(
            Device.account_id == account.id, Device.thumbprint == key.thumbprint, Device.removed_at.is_(None)
        )
    )
    if device is None:
        count = len(of_accounts(uow.session, [account.id]))
        if count >= MAX_DEVICES_OF_ACCOUNT:
            raise ConflictError(f"an account has at most {MAX_DEVICES_OF_ACCOUNT} devices; remove one first")
        device = Device(
            id=new_id(),
            community_id=account.community_id,
            account_id=account.id,
            name=name,
            public_key=key.jwk,
            thumbprint=key.thumbprint,
            created_at=now,
            last_seen_at=now,
            approved_at=None,
        )
        uow.session.add(device)
        if not approved:
            uow.state(DeviceAsked(community_id=device.community_id, device_id=device.id, account_id=account.id))
    if approved and device.approved_at is None:
        device.approved_at = now
        uow.state(DeviceApproved(community_id=device.community_id, device_id=device.id, account_id=account.id))
    device.last_seen_at = now
    uow.session.flush()
    return device


def of_accounts(session: Session, account_ids: list[str]) -> list[Device]:
    """The devices these accounts have now."""
    return list(
        session.scalars(
            select(Device).where(Device.account_id.in_(account_ids), Device.removed_at.is_(None)).order_by(Device.id)
        )
    )


def visible_to(session: Session, account_id: str, *, now: datetime) -> list[DeviceView]:
    """The account's own devices, and those of its home that wait for approval."""
    tenancies = [m.tenancy_id for m in memberships(session, account_id, now=now) if m.counts]
    housemates = {resident.account_id for resident in people_of(session, tenancies, now=now)}
    rows = session.execute(
        select(Device, Account)
        .join(Account, Account.id == Device.account_id)
        .where(
            Device.removed_at.is_(None),
            or_(
                Device.account_id == account_id,
                Device.account_id.in_(housemates) & Device.approved_at.is_(None),
            ),
        )
        .order_by(Device.id)
    )
    return [DeviceView(device=device, account=account) for device, account in rows]


def waiting(session: Session, community_id: str) -> list[DeviceView]:
    """Every device of the community that waits for approval."""
    rows = session.execute(
        select(Device, Account)
        .join(Account, Account.id == Device.account_id)
        .where(Device.community_id == community_id, Device.removed_at.is_(None), Device.approved_at.is_(None))
        .order_by(Device.id)
    )
    return [DeviceView(device=device, account=account) for device, account in rows]


def approve(uow: UnitOfWork, *, community_id: str, device_id: str, by_account: str | None, now: datetime) -> None:
    """Let a waiting device ring and open doors; `by_account` None is the property.

    Raises:
        NotFoundError: no such device waits, or it is not one of the approver's home.
    """
    device = uow.get(Device, community_id, device_id)
    if by_account is not None:
        seen = {view.device.id for view in visible_to(uow.session, by_account, now=now)}
        if device.id not in seen:
            raise NotFoundError("there is no such device")
    changed = rows_changed(
        uow.session,
        update(Device)
        .where(Device.id == device.id, Device.removed_at.is_(None), Device.approved_at.is_(None))
        .values(approved_at=now),
    )
    if changed == 0 and device.removed_at is not None:
        raise NotFoundError("there is no such device")
    uow.state(DeviceApproved(community_id=community_id, device_id=device.id, account_id=device.account_id))


def remove(uow: UnitOfWork, *, community_id: str, device_id: str, by_account: str | None, now: datetime) -> None:
    """Take everything from a device at once; `by_account` None is the property.

    Residents remove their own devices and refuse waiting ones of their home.

    Raises:
        NotFoundError: no such device, or not the caller's to remove.
    """
    device = uow.get(Device, community_id, device_id)
    if by_account is not None and device.id not in {v.device.id for v in visible_to(uow.session, by_account, now=now)}:
        raise NotFoundError("there is no such device")
    if device.removed_at is not None:
        raise NotFoundError("there is no such device")
    device.removed_at = now
    uow.state(DeviceRemoved(community_id=community_id, device_id=device.id, account_id=device.account_id))
