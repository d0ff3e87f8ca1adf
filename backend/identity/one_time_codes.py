"""Six-digit codes by text message: five minutes, five tries, one use, the same answer for known and unknown numbers."""

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import LargeBinary, String, update
from sqlalchemy.orm import Mapped, mapped_column

from backend.accounts import accounts_with_phone, normal_phone
from backend.db import ID_LENGTH, Base, Database, rows_changed
from backend.errors import SignInFailedError
from backend.ids import new_digits, new_id
from backend.vault import Vault

LIFETIME = timedelta(minutes=5)
MAX_TRIES = 5


class OneTimeCode(Base):
    """A code that was asked for; without an account when the number is unknown, so that nothing tells the two apart."""

    __tablename__ = "one_time_code"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    account_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    expires_at: Mapped[datetime]
    tries: Mapped[int] = mapped_column(default=0)
    used_at: Mapped[datetime | None]


def request_code(db: Database, vault: Vault, send: Callable[[str, str], None], *, phone: str, now: datetime) -> str:
    """Send a code to this number if it belongs to an account; returns the request's id in either case.

    Raises:
        ValidationFailedError: not a phone number.
    """
    number = normal_phone(phone)
    request_id, code = new_id(), new_digits(6)
    with db.unit_of_work() as uow:
        accounts = accounts_with_phone(uow.session, vault, number)
        uow.session.add(
            OneTimeCode(
                id=request_id,
                account_id=accounts[0].id if accounts else None,
                digest=vault.code_digest(f"{request_id}/{code}", purpose="one-time-code"),
                expires_at=now + LIFETIME,
            )
        )
    if accounts:
        send(number, f"【门房】验证码 {code}，5 分钟内有效。Gatehouse sign-in code: {code}.")
    return request_id


def redeem_code(db: Database, vault: Vault, *, request_id: str, code: str, now: datetime) -> str:
    """The id of the account this code was sent to.

    Raises:
        SignInFailedError: unknown, wrong, used or expired code, or too many tries; never says which.
    """
    with db.unit_of_work() as uow:
        counted = rows_changed(
            uow.session,
            update(OneTimeCode)
            .where(
                OneTimeCode.id == request_id,
                OneTimeCode.used_at.is_(None),
                OneTimeCode.tries < MAX_TRIES,
                OneTimeCode.expires_at > now,
            )
            .values(tries=OneTimeCode.tries + 1),
        )
        account_id: str | None = None
        if counted == 1:
            row = uow.session.get_one(OneTimeCode, request_id)
            digest = vault.code_digest(f"{request_id}/{code}", purpose="one-time-code")
            if hmac.compare_digest(digest, row.digest) and row.account_id is not None:
                row.used_at = now
                account_id = row.account_id
    if account_id is None:
        raise SignInFailedError("the code is wrong or over; ask for a new one")
    return account_id
