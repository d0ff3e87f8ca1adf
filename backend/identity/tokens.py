"""Access tokens: short, signed by the service, bound to the device's key (RFC 9068 shape, RFC 9449 binding)."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt
from sqlalchemy import bindparam, select

from backend.accounts import Account, Role
from backend.db import Database, table_of
from backend.errors import SignInRequiredError, TokenExpiredError
from backend.identity.devices import Device
from backend.identity.proofs import DeviceKey, ProofChecker
from backend.identity.sessions import SignedIn
from backend.vault import Vault

ISSUER = "gatehouse"
AUDIENCE = "gatehouse-app"
TYPE = "at+jwt"
MAX_TOKEN_LENGTH = 2048
MOST_KNOWN = 20_000


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who is asking, proved by token and key, with the device's standing read from the database just now."""

    account_id: str
    device_id: str
    session_id: str
    community_id: str
    role: Role
    approved: bool
    token_ends_at: datetime


class TokenService:
    """Makes and reads access tokens."""

    def __init__(self, vault: Vault, *, lifetime_s: int) -> None:
        self._private = vault.token_key
        self._public = vault.token_key.public_key()
        self.lifetime_s = lifetime_s
        # A signature that was good stays good; only the end of the token has to be looked at again.
        self._known: dict[str, dict[str, object]] = {}

    def issue(self, *, account: Account, device: Device, session_id: str, now: datetime) -> str:
        """A token for this account on this device."""
        return jwt.encode(
            {
                "iss": ISSUER,
                "aud": AUDIENCE,
                "sub": account.id,
                "iat": now,
                "exp": now + timedelta(seconds=self.lifetime_s),
                "did": device.id,
                "sid": session_id,
                "cid": account.community_id,
                "cnf": {"jkt": device.thumbprint},
            },
            self._private,
            algorithm="EdDSA",
            headers={"typ": TYPE},
        )

    def read(self, token: str) -> dict[str, object]:
        """The claims of a token of ours that is still good.

        Raises:
            TokenExpiredError: it was ours and is over.
            SignInRequiredError: anything else.
        """
        known = self._known.get(token)
        if known is not None:
            if float(str(known["exp"])) <= time.time():
                raise TokenExpiredError("the access token is over; refresh it")
            return known
        if len(token) > MAX_TOKEN_LENGTH:
            raise SignInRequiredError("this is not an access token of this service")
        try:
            if jwt.get_unverified_header(token).get("typ") != TYPE:
                raise SignInRequiredError("this is not an access token of this service")
            claims: dict[str, object] = jwt.decode(
                token,
                self._public,
                algorithms=["EdDSA"],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": ["exp", "iat", "sub", "did", "sid", "cid", "cnf"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise TokenExpiredError("the access token is over; refresh it") from error
        except (jwt.PyJWTError, ValueError) as error:
            raise SignInRequiredError("this is not an access token of this service") from error
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[token] = claims
        return claims


_account, _device, _signed_in = table_of(Account), table_of(Device), table_of(SignedIn)
_STANDING = (
    select(_account.c.role, _device.c.approved_at)
    .join(_device, _device.c.account_id == _account.c.id)
    .join(_signed_in, _signed_in.c.device_id == _device.c.id)
    .where(
        _device.c.id == bindparam("device_id"),
        _device.c.removed_at.is_(None),
        _signed_in.c.id == bindparam("session_id"),
        _signed_in.c.ended_at.is_(None),
        _account.c.id == bindparam("account_id"),
    )
)
"""Asked for every request, so built once."""


class Gatekeeper:
    """Turns a token and a proof into a caller, for HTTP and sockets alike."""

    def __init__(self, db: Database, tokens: TokenService, proofs: ProofChecker) -> None:
        self._db = db
        self._tokens = tokens
        self._proofs = proofs

    def admit(self, token: str | None, proof: str | None, *, method: str, path: str, now: datetime) -> Caller:
        """The caller behind this request.

        Raises:
            SignInRequiredError: no token, or the device or session is gone.
            TokenExpiredError, ProofRefusedError, ProofExpiredError: as named.
        """
        if not token:
            raise SignInRequiredError("sign in first")
        claims = self._tokens.read(token)
        key: DeviceKey = self._proofs.check(proof, method=method, path=path, token=token, now=now)
        binding = claims["cnf"]
        if not isinstance(binding, dict) or binding.get("jkt") != key.thumbprint:
            raise SignInRequiredError("the token belongs to another device")
        with self._db.reading() as session:
            row = session.execute(
                _STANDING, {"device_id": claims["did"], "session_id": claims["sid"], "account_id": claims["sub"]}
            ).one_or_none()
        if row is None:
            raise SignInRequiredError("this device was signed out")
        expiry = claims["exp"]
        if not isinstance(expiry, int | float):
            raise SignInRequiredError("this is not an access token of this service")
        return Caller(
            account_id=str(claims["sub"]),
            device_id=str(claims["did"]),
            session_id=str(claims["sid"]),
            community_id=str(claims["cid"]),
            role=Role(row.role),
            approved=row.approved_at is not None,
            token_ends_at=datetime.fromtimestamp(expiry, tz=now.tzinfo),
        )
