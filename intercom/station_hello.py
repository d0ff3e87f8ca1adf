"""Pairing and hello of a door station: Ed25519 signatures over fixed texts (docs/station-protocol.md, 1 and 2).

Pure: keys, times and nonces are passed in, refusals are `HelloError`s whose `slug` goes on the wire.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import threading
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from intercom.station_wire import Fields, Json, WireError

PROTOCOL_VERSION = 1
HELLO_TOLERANCE_S = 60
PAIRING_CODE = re.compile(r"[0-9]{8}")


class HelloError(Exception):
    """A hello or a pairing request is refused; `slug` is the problem type.

    Slugs: `hello-malformed`, `hello-expired`, `hello-replayed`, `station-unknown`, `pairing-malformed`.
    """

    def __init__(self, slug: str, detail: str) -> None:
        super().__init__(detail)
        self.slug = slug
        self.detail = detail


def base64url(data: bytes) -> str:
    """Base64url without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64url(text: str, *, length: int) -> bytes:
    """The exact bytes of a base64url text without padding; raises ValueError for another length or alphabet."""
    if re.fullmatch(r"[A-Za-z0-9_-]*", text) is None:
        raise ValueError("not base64url without padding")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if len(data) != length or base64url(data) != text:
        raise ValueError(f"not exactly {length} bytes")
    return data


def public_key_text(key: Ed25519PrivateKey) -> str:
    """The public half as it goes on the wire."""
    return base64url(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def _verifies(public_key: str, signature: bytes, text: str) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(from_base64url(public_key, length=32)).verify(signature, text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class PairingRequest:
    """A station's wish to be paired, signed with the key it will say hello with."""

    code: str
    public_key: str
    software: str
    proof: str

    @classmethod
    def from_wire(cls, body: object) -> PairingRequest:
        """Raises WireError for what is malformed; the proof is checked by `verify_pairing`."""
        f = Fields(body, "pairing")
        code, key, proof = f.text("code", limit=8), f.text("public_key", limit=43), f.text("proof", limit=86)
        if PAIRING_CODE.fullmatch(code) is None:
            raise WireError("pairing.code", "must be 8 digits")
        for name, value, length in (("public_key", key, 32), ("proof", proof, 64)):
            try:
                from_base64url(value, length=length)
            except ValueError as error:
                raise WireError(f"pairing.{name}", f"must be {length} bytes as base64url without padding") from error
        return cls(code=code, public_key=key, software=f.text("software", limit=100), proof=proof)

    def to_wire(self) -> Json:
        return {"code": self.code, "public_key": self.public_key, "software": self.software, "proof": self.proof}


def _pairing_text(code: str, public_key: str) -> str:
    return f"gatehouse-station-pair-v1\n{code}\n{public_key}"


def sign_pairing(key: Ed25519PrivateKey, code: str, *, software: str) -> PairingRequest:
    """A pairing request for this code, with proof of the key."""
    public = public_key_text(key)
    proof = base64url(key.sign(_pairing_text(code, public).encode()))
    return PairingRequest(code=code, public_key=public, software=software, proof=proof)


def verify_pairing(request: PairingRequest) -> bool:
    """Whether the sender holds the private half of the public key it sends."""
    signature = from_base64url(request.proof, length=64)
    return _verifies(request.public_key, signature, _pairing_text(request.code, request.public_key))


@dataclass(frozen=True, kw_only=True)
class Hello:
    """The claims of one hello, well formed but not yet believed."""

    protocol: int
    station_id: str
    audience: str
    issued_at_ms: int
    nonce: str
    software: str
    signature: str

    @classmethod
    def from_wire(cls, body: object) -> Hello:
        """Raises HelloError `hello-malformed`."""
        try:
            f = Fields(body, "hello")
            hello = cls(
                protocol=f.integer("protocol"),
                station_id=f.text("station_id", limit=64),
                audience=f.text("audience"),
                issued_at_ms=f.integer("issued_at_ms"),
                nonce=f.text("nonce", limit=22),
                software=f.text("software", limit=100),
                signature=f.text("signature", limit=86),
            )
            from_base64url(hello.nonce, length=16)
            from_base64url(hello.signature, length=64)
        except ValueError as error:
            raise HelloError("hello-malformed", str(error)) from error
        if hello.protocol != PROTOCOL_VERSION:
            raise HelloError("hello-malformed", f"this server speaks protocol {PROTOCOL_VERSION}")
        return hello

    def to_wire(self) -> Json:
        return dict(self.__dict__)


def _hello_text(station_id: str, audience: str, issued_at_ms: int, nonce: str) -> str:
    return f"gatehouse-station-hello-v1\n{station_id}\n{audience}\n{issued_at_ms}\n{nonce}"


def sign_hello(
    key: Ed25519PrivateKey,
    station_id: str,
    *,
    audience: str,
    issued_at_ms: int,
    software: str,
    nonce: str | None = None,
) -> Json:
    """A hello as it goes on the wire; each call makes its own nonce."""
    nonce = nonce or base64url(secrets.token_bytes(16))
    signature = base64url(key.sign(_hello_text(station_id, audience, issued_at_ms, nonce).encode()))
    return Hello(
        protocol=PROTOCOL_VERSION,
        station_id=station_id,
        audience=audience,
        issued_at_ms=issued_at_ms,
        nonce=nonce,
        software=software,
        signature=signature,
    ).to_wire()


def verify_hello(hello: Hello, public_key: str, *, audience: str, now_ms: int) -> None:
    """Believe a hello of the station whose key this is; the caller then burns the nonce (`ReplayGuard`).

    The signature is checked before the time, so that only the station itself learns the server's clock from
    `hello-expired`.

    Raises:
        HelloError: `station-unknown` for a foreign key or audience, `hello-expired` for a time more than 60 s away.
    """
    text = _hello_text(hello.station_id, hello.audience, hello.issued_at_ms, hello.nonce)
    signature = from_base64url(hello.signature, length=64)
    if hello.audience != audience or not _verifies(public_key, signature, text):
        raise HelloError("station-unknown", "no station with this key is paired here")
    if abs(now_ms - hello.issued_at_ms) > HELLO_TOLERANCE_S * 1000:
        raise HelloError("hello-expired", "the hello is too old or from the future")


class ReplayGuard:
    """Remembers the nonces of believed hellos while they could be good again; in memory, safe to use from threads.

    After a restart of the server a hello of the last minute would pass once more; a server that minds keeps the nonces
    in its database instead.
    """

    def __init__(self) -> None:
        self._spent: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def spend(self, hello: Hello, *, now_ms: int) -> None:
        """Raises HelloError `hello-replayed` the second time."""
        horizon = now_ms - 2 * HELLO_TOLERANCE_S * 1000
        with self._lock:
            if len(self._spent) > 256:
                self._spent = {key: at for key, at in self._spent.items() if at >= horizon}
            key = (hello.station_id, hello.nonce)
            if self._spent.get(key, -1) >= horizon:
                raise HelloError("hello-replayed", "this hello was used before")
            self._spent[key] = now_ms


def problem_body(slug: str, title: str, *, status: int, detail: str, **members: Any) -> Json:
    """A problem document (RFC 9457) as it stands in acknowledgements and signals."""
    return {"type": f"/problems/{slug}", "title": title, "status": status, "detail": detail, **members}
