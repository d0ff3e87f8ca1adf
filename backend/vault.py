"""Keys and sealed columns: every key is derived from the service's secret and never stored.

A sealed value is AES-256-GCM bound to its field and row, so that a ciphertext moved elsewhere does not open; a blind
index (HMAC) finds equal values without opening any. A writer of the database alone can therefore neither read names nor
re-sign the log.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_ID = 1
"""First byte of every sealed value; a rotated secret gets the next number."""


class SealBrokenError(Exception):
    """A sealed value was changed, moved, or sealed under another secret."""


@dataclass(frozen=True)
class Vault:
    """The holder of the service's secret (at least 32 characters)."""

    secret: str = field(repr=False)

    def key(self, purpose: str) -> bytes:
        """32 bytes for one purpose; different purposes give unrelated keys (HKDF-SHA256, RFC 5869)."""
        return HKDF(SHA256(), 32, salt=b"gatehouse-v1", info=purpose.encode()).derive(self.secret.encode())

    @cached_property
    def _cipher(self) -> AESGCM:
        return AESGCM(self.key("seal"))

    @cached_property
    def _index_key(self) -> bytes:
        return self.key("blind-index")

    @cached_property
    def _code_key(self) -> bytes:
        return self.key("codes")

    @cached_property
    def token_key(self) -> Ed25519PrivateKey:
        """The key that signs access tokens."""
        return Ed25519PrivateKey.from_private_bytes(self.key("access-token"))

    def chain_key(self, community_id: str) -> Ed25519PrivateKey:
        """The key that signs the head of one community's access log."""
        known = self._chain_keys.get(community_id)
        if known is None:
            known = Ed25519PrivateKey.from_private_bytes(self.key(f"chain/{community_id}"))
            self._chain_keys[community_id] = known
        return known

    @cached_property
    def _chain_keys(self) -> dict[str, Ed25519PrivateKey]:
        return {}

    def seal(self, text: str, *, field: str, row: str) -> bytes:
        """Seal `text` for one field of one row."""
        nonce = secrets.token_bytes(12)
        return bytes([KEY_ID]) + nonce + self._cipher.encrypt(nonce, text.encode(), f"{field}/{row}".encode())

    def open(self, sealed: bytes, *, field: str, row: str) -> str:
        """The text sealed for this field and row.

        Raises:
            SealBrokenError: the value was changed or belongs to another field, row or secret.
        """
        try:
            return self._cipher.decrypt(sealed[1:13], sealed[13:], f"{field}/{row}".encode()).decode()
        except InvalidTag as error:
            raise SealBrokenError(f"{field} of row {row} does not open") from error

    def blind_index(self, text: str, *, field: str) -> bytes:
        """Equal texts of one field give equal 32 bytes; nothing else can be learned without the secret."""
        return hmac.digest(self._index_key, f"{field}/{text}".encode(), "sha256")

    def code_digest(self, code: str, *, purpose: str) -> bytes:
        """What is stored in place of a one-time code or token."""
        return hmac.digest(self._code_key, f"{purpose}/{code}".encode(), "sha256")
