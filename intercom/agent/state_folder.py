"""What a station keeps on its disk besides the journal: its key, its pairing and its last configuration.

The folder is 0700 and the key 0600; files are replaced whole, so a power cut leaves the old or the new one.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from intercom.station_config import StationConfig
from intercom.station_wire import Fields


class NotPairedError(Exception):
    """This state folder belongs to no station yet."""


class FolderInUseError(Exception):
    """Two agents with one folder would fight over the station's line and its lock."""


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """Which station of which server this folder is."""

    server: str
    station_id: str
    audience: str


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file whole, readable by its owner only, and be sure that it is on the disk."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class StateFolder:
    """One station's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)

    def hold(self) -> None:
        """Keep this folder to this process until it ends.

        Raises:
            FolderInUseError: another agent runs with it.
        """
        self._lock = os.open(self.path / "agent.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise FolderInUseError(f"another station agent runs with {self.path}") from error

    def release(self) -> None:
        os.close(self._lock)

    @property
    def journal_path(self) -> Path:
        return self.path / "journal.sqlite"

    def load_key(self) -> Ed25519PrivateKey:
        """Raises NotPairedError when there is none."""
        try:
            key = load_pem_private_key((self.path / "station.key").read_bytes(), password=None)
        except FileNotFoundError as error:
            raise NotPairedError(str(self.path)) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise NotPairedError(f"{self.path / 'station.key'} is not an Ed25519 key")
        return key

    def save_key(self, key: Ed25519PrivateKey) -> None:
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_atomically(self.path / "station.key", pem)

    def load_pairing(self) -> Pairing:
        """Raises NotPairedError when there is none."""
        try:
            f = Fields(json.loads((self.path / "pairing.json").read_text()), "pairing")
        except FileNotFoundError as error:
            raise NotPairedError(str(self.path)) from error
        return Pairing(server=f.text("server"), station_id=f.text("station_id"), audience=f.text("audience"))

    def save_pairing(self, pairing: Pairing) -> None:
        self._save_json("pairing.json", asdict(pairing))

    def load_config(self) -> StationConfig | None:
        """The configuration applied last; None when there is none or it cannot be read any more."""
        try:
            return StationConfig.from_wire(json.loads((self.path / "config.json").read_text()))
        except (FileNotFoundError, ValueError):
            return None

    def save_config(self, config: StationConfig) -> None:
        self._save_json("config.json", config.to_wire())

    def save_control(self, url: str, token: str) -> None:
        """Leave the address and the token of the local control port for `gatehouse station press`."""
        self._save_json("control.json", {"url": url, "token": token})

    def load_control(self) -> tuple[str, str]:
        """Raises NotPairedError when no agent left its address here."""
        try:
            f = Fields(json.loads((self.path / "control.json").read_text()), "control")
        except FileNotFoundError as error:
            raise NotPairedError(f"no station agent runs with {self.path}") from error
        return f.text("url"), f.text("token")

    def forget_control(self) -> None:
        (self.path / "control.json").unlink(missing_ok=True)

    def _save_json(self, name: str, value: Any) -> None:
        write_atomically(self.path / name, json.dumps(value, ensure_ascii=False, indent=1).encode())
