"""Proof of a device's key: DPoP (RFC 9449) with ES256, which every phone's secure hardware and browser has."""

import base64
import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import jwt

from backend.clock import iso
from backend.errors import ProofExpiredError, ProofRefusedError

PROOF_WINDOW_S = 60
MAX_PROOF_LENGTH = 2048


@dataclass(frozen=True, kw_only=True)
class DeviceKey:
    """A device's public key as it was proved."""

    jwk: dict[str, Any]
    thumbprint: str


class ReplayGuard:
    """Remembers what was used for as long as it could be used again; one use is one use."""

    def __init__(self, lifetime_s: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._lifetime_s = lifetime_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._seen: dict[bytes, float] = {}
        self._swept = monotonic()

    def first_use(self, value: str) -> bool:
        """True exactly once for each value within the lifetime."""
        digest = hashlib.sha256(value.encode()).digest()
        moment = self._monotonic()
        with self._lock:
            if moment - self._swept > self._lifetime_s:
                self._seen = {key: end for key, end in self._seen.items() if end > moment}
                self._swept = moment
            if self._seen.get(digest, 0.0) > moment:
                return False
            self._seen[digest] = moment + self._lifetime_s
            return True


def thumbprint_of(jwk: dict[str, Any]) -> str:
    """The RFC 7638 thumbprint of a P-256 key."""
    canonical = f'{{"crv":"{jwk["crv"]}","kty":"{jwk["kty"]}","x":"{jwk["x"]}","y":"{jwk["y"]}"}}'
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()


def token_hash(token: str) -> str:
    """The `ath` claim for an access token."""
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()


class ProofChecker:
    """Checks DPoP proofs against this service's origins; remembers every proof until it would be too old anyway."""

    def __init__(self, origin_allowed: Callable[[str], bool]) -> None:
        self._origin_allowed = origin_allowed
        self._replays = ReplayGuard(2 * PROOF_WINDOW_S + 10)

    def check(self, proof: str | None, *, method: str, path: str, token: str | None, now: datetime) -> DeviceKey:
        """The key that made this proof for this very request.

        Raises:
            ProofRefusedError: missing, malformed, for another request or token, or used before.
            ProofExpiredError: made more than 60 s from the server's clock; carries `server_time`.
        """
        if not proof or len(proof) > MAX_PROOF_LENGTH:
            raise ProofRefusedError("a DPoP proof is required")
        key, claims = _verified(proof)
        if claims.get("htm") != method or not self._same_place(claims.get("htu"), path):
            raise ProofRefusedError("the proof was made for another request")
        if token is not None and claims.get("ath") != token_hash(token):
            raise ProofRefusedError("the proof was made for another token")
        made_at = claims.get("iat")
        # The bounds also refuse what JSON lets through and arithmetic does not: NaN, infinity, a number of 400 digits.
        if not isinstance(made_at, int | float) or isinstance(made_at, bool) or not 0 < made_at < 2**53:
            raise ProofRefusedError("the proof has no time")
        if abs(now.timestamp() - made_at) > PROOF_WINDOW_S:
            raise ProofExpiredError("the proof's time is too far from the server's", server_time=iso(now))
        identifier = claims.get("jti")
        if not isinstance(identifier, str) or not 8 <= len(identifier) <= 128:
            raise ProofRefusedError("the proof has no usable identifier")
        if not self._replays.first_use(f"{key.thumbprint}/{identifier}"):
            raise ProofRefusedError("the proof was used before")
        return key

    def _same_place(self, address: object, path: str) -> bool:
        if not isinstance(address, str):
            return False
        try:
            parts = urlsplit(address)
        except ValueError:
            return False
        return parts.path == path and self._origin_allowed(f"{parts.scheme}://{parts.netloc}")


def _verified(proof: str) -> tuple[DeviceKey, dict[str, Any]]:
    try:
        header = jwt.get_unverified_header(proof)
        jwk = header.get("jwk")
        if header.get("typ") != "dpop+jwt" or header.get("alg") != "ES256" or not isinstance(jwk, dict) or "d" in jwk:
            raise ProofRefusedError("not a DPoP proof with ES256 and a public key")
        if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256":
            raise ProofRefusedError("the key is not on P-256")
        public = {name: str(jwk.get(name, "")) for name in ("kty", "crv", "x", "y")}
        claims = jwt.decode(
            proof,
            jwt.PyJWK.from_dict({**public, "alg": "ES256"}).key,
            algorithms=["ES256"],
            options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False},
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise ProofRefusedError("the proof does not verify") from error
    return DeviceKey(jwk=public, thumbprint=thumbprint_of(public)), claims
