"""Accounts: a person of one community, with sealed name and phone number, and the roles that person has."""

from datetime import datetime
from enum import StrEnum

import phonenumbers
from sqlalchemy import ForeignKey, LargeBinary, String, UniqueConstraint, bindparam, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.db import ID_LENGTH, Base, UnitOfWork
from backend.errors import ConflictError, ValidationFailedError
from backend.ids import new_id
from backend.vault import Vault

PRIVACY_VERSION = "2026-11"
DEFAULT_REGION = "CN"


class Role(StrEnum):
    """What an account may do in its community."""

    RESIDENT = "resident"
    ADMINISTRATOR = "administrator"


class Account(Base):
    """One person; name and phone are sealed, `phone_index` finds equal numbers without opening any."""

    __tablename__ = "account"
    __table_args__ = (UniqueConstraint("community_id", "id"), UniqueConstraint("community_id", "phone_index"))

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    community_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("community.id"))
    role: Mapped[str] = mapped_column(String(16))
    name_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    phone_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    phone_index: Mapped[bytes | None] = mapped_column(LargeBinary, index=True)
    password_hash: Mapped[str | None] = mapped_column(String(200))
    language: Mapped[str] = mapped_column(String(5), default="zh")
    privacy_version: Mapped[str | None] = mapped_column(String(16))
    privacy_accepted_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


def normal_phone(text: str) -> str:
    """A phone number in E.164; numbers without a country are Chinese.

    Raises:
        ValidationFailedError: not a possible phone number.
    """
    try:
        number = phonenumbers.parse(text, DEFAULT_REGION)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise ValidationFailedError(
            "this is not a phone number", errors=[{"field": "phone", "message": "not a phone number"}]
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def create_account(
    uow: UnitOfWork,
    vault: Vault,
    *,
    community_id: str,
    role: Role,
    name: str,
    phone: str | None,
    now: datetime,
    password_hash: str | None = None,
) -> Account:
    """A new account.

    Raises:
        ConflictError: the phone number belongs to another account of this community.
        ValidationFailedError: not a phone number.
    """
    account = Account(
        id=new_id(),
        community_id=community_id,
        role=role,
        created_at=now,
        password_hash=password_hash,
        name_sealed=b"",
        language="zh",
    )
    account.name_sealed = vault.seal(name, field="account.name", row=account.id)
    if phone:
        set_phone(uow.session, vault, account, phone)
    uow.session.add(account)
    uow.session.flush()
    return account


def set_phone(session: Session, vault: Vault, account: Account, phone: str) -> None:
    """Give an account a phone number.

    Raises:
        ConflictError: the number belongs to another account of this community.
        ValidationFailedError: not a phone number.
    """
    number = normal_phone(phone)
    index = vault.blind_index(number, field="account.phone")
    with session.no_autoflush:
        holder = session.scalar(
            select(Account.id).where(Account.community_id == account.community_id, Account.phone_index == index)
        )
    if holder not in (None, account.id):
        raise ConflictError("this phone number belongs to another account")
    account.phone_sealed = vault.seal(number, field="account.phone", row=account.id)
    account.phone_index = index


def name_of(vault: Vault, account: Account) -> str:
    """The account's name in clear."""
    return vault.open(account.name_sealed, field="account.name", row=account.id)


_NAME = select(Account.name_sealed).where(Account.id == bindparam("account_id"))


def name_by_id(session: Session, vault: Vault, account_id: str) -> str:
    """The name in clear of the account with this id, which exists."""
    sealed = session.execute(_NAME, {"account_id": account_id}).scalar_one()
    return vault.open(sealed, field="account.name", row=account_id)


def accounts_with_phone(session: Session, vault: Vault, phone: str) -> list[Account]:
    """Accounts of this number, at most one in each community, oldest first."""
    index = vault.blind_index(normal_phone(phone), field="account.phone")
    return list(session.scalars(select(Account).where(Account.phone_index == index).order_by(Account.id)))
