"""Ways in: by invitation, by a code to the phone, by password, and the one-time set-up of an empty service."""

import functools
import hmac
import threading
from datetime import datetime

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select

from backend.accounts import Account, Role, accounts_with_phone, create_account
from backend.communities import Community, CommunityKind, create_community
from backend.db import Database
from backend.errors import ConflictError, SignInFailedError, ValidationFailedError
from backend.identity import devices, invitations, one_time_codes, sessions
from backend.identity.proofs import DeviceKey
from backend.ids import new_digits
from backend.vault import Vault

MINIMUM_PASSWORD_LENGTH = 10
_hasher = PasswordHasher()
_HASHING = threading.BoundedSemaphore(2)
"""Argon2 takes 64 MiB and a core each; more at once than cores would only starve rings."""


@functools.cache
def _nobody() -> str:
    """The hash of a password nobody has: unknown numbers cost the same work as known ones."""
    return _hasher.hash("nobody has this password")


def by_invitation(
    db: Database, vault: Vault, *, code: str, name: str, key: DeviceKey, device_name: str, now: datetime
) -> sessions.Session:
    """Come in with an invitation; the device is approved, for someone of the home or the property vouched for it.

    Raises:
        SignInFailedError: the invitation cannot be used.
    """
    with db.unit_of_work() as uow:
        account = invitations.redeem(uow, vault, code=code, name=name, now=now)
        device = devices.enrol(uow, account=account, key=key, name=device_name, approved=True, now=now)
        return sessions.begin(uow, vault, account=account, device=device, now=now)


def by_phone(
    db: Database, vault: Vault, *, request_id: str, code: str, key: DeviceKey, device_name: str, now: datetime
) -> sessions.Session:
    """Come in with a code sent to the account's phone; a new device waits for approval.

    Raises:
        SignInFailedError: the code cannot be used.
    """
    account_id = one_time_codes.redeem_code(db, vault, request_id=request_id, code=code, now=now)
    with db.unit_of_work() as uow:
        account = uow.session.get_one(Account, account_id)
        device = devices.enrol(uow, account=account, key=key, name=device_name, approved=False, now=now)
        return sessions.begin(uow, vault, account=account, device=device, now=now)


def by_password(
    db: Database, vault: Vault, *, phone: str, password: str, key: DeviceKey, device_name: str, now: datetime
) -> sessions.Session:
    """An administrator comes in; the device is approved by the password.

    Raises:
        SignInFailedError: unknown number or wrong password, after the same work in both cases.
    """
    with db.reading() as session:
        accounts = [a for a in accounts_with_phone(session, vault, phone) if a.password_hash]
    account = accounts[0] if accounts else None
    right = _password_matches((account.password_hash if account else None) or _nobody(), password)
    if account is None or not right:
        raise SignInFailedError("the number or the password is wrong")
    with db.unit_of_work() as uow:
        account = uow.session.get_one(Account, account.id)
        device = devices.enrol(uow, account=account, key=key, name=device_name, approved=True, now=now)
        return sessions.begin(uow, vault, account=account, device=device, now=now)


def hash_password(password: str) -> str:
    """The stored form of a password (argon2id).

    Raises:
        ValidationFailedError: shorter than ten characters.
    """
    if len(password) < MINIMUM_PASSWORD_LENGTH:
        raise ValidationFailedError(
            f"a password has {MINIMUM_PASSWORD_LENGTH} characters or more",
            errors=[{"field": "password", "message": "too short"}],
        )
    with _HASHING:
        return _hasher.hash(password)


def _password_matches(stored: str, password: str) -> bool:
    with _HASHING:
        try:
            return _hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


class SetUp:
    """The one-time code that opens the set-up page of an empty service; kept in memory, shown in the terminal."""

    MAX_TRIES = 5

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tries = 0
        self.code = new_digits(8)

    def required(self, db: Database) -> bool:
        """Whether the service has no community yet."""
        with db.reading() as session:
            return session.scalar(select(Community.id).limit(1)) is None

    def check(self, code: str) -> None:
        """Accept the code shown in the terminal.

        Raises:
            SignInFailedError: wrong; after five wrong tries the service must be restarted for a new code.
        """
        with self._lock:
            if self._tries >= self.MAX_TRIES or not hmac.compare_digest(code.encode(), self.code.encode()):
                self._tries += 1
                raise SignInFailedError("the set-up code is wrong; after five wrong tries restart the service")

    def complete(
        self,
        db: Database,
        vault: Vault,
        *,
        code: str,
        community_name: str,
        community_kind: CommunityKind,
        address_code: str | None,
        timezone: str,
        name: str,
        phone: str,
        password: str,
        key: DeviceKey,
        device_name: str,
        now: datetime,
    ) -> sessions.Session:
        """Make the community and its first administrator, signed in on this device.

        Raises:
            SignInFailedError: wrong code.
            ConflictError: the service was set up already.
        """
        if not self.required(db):
            raise ConflictError("this service is set up already")
        self.check(code)
        password_hash = hash_password(password)
        with db.unit_of_work() as uow:
            if uow.session.scalar(select(Community.id).limit(1)) is not None:
                raise ConflictError("this service is set up already")
            community = create_community(
                uow, name=community_name, kind=community_kind, now=now, address_code=address_code, timezone=timezone
            )
            account = create_account(
                uow,
                vault,
                community_id=community.id,
                role=Role.ADMINISTRATOR,
                name=name,
                phone=phone,
                now=now,
                password_hash=password_hash,
            )
            device = devices.enrol(uow, account=account, key=key, name=device_name, approved=True, now=now)
            return sessions.begin(uow, vault, account=account, device=device, now=now)
