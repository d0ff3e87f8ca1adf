"""Pairing this machine with one station of a server, once (docs/station-protocol.md, 1)."""

from __future__ import annotations

import json
from importlib import metadata

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from intercom.agent.state_folder import Pairing, StateFolder
from intercom.station_hello import sign_pairing
from intercom.station_protocol import PAIRING_PATH
from intercom.station_wire import Fields, WireError


class PairingError(Exception):
    """The server did not pair this machine; the text is for the person who typed the code."""


def software_name() -> str:
    """What the station calls itself in hellos and heartbeats."""
    try:
        return f"gatehouse-station {metadata.version('gatehouse')}"
    except metadata.PackageNotFoundError:
        return "gatehouse-station (source)"


async def pair(folder: StateFolder, *, server: str, code: str) -> Pairing:
    """Make a new key, show it to the server with the code, and keep what the server answers.

    The old key is replaced only when the server has taken the new one.

    Raises:
        PairingError: wrong code, no server, or a server that speaks otherwise.
    """
    server = server.rstrip("/")
    key = Ed25519PrivateKey.generate()
    request = sign_pairing(key, code, software=software_name())
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as session,
            session.post(f"{server}{PAIRING_PATH}", json=request.to_wire()) as response,
        ):
            status, text = response.status, await response.text()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise PairingError(f"{server} cannot be reached: {type(error).__name__} {error}") from error
    try:
        answer = Fields(json.loads(text), "answer")
        if status != 201:
            raise PairingError(f"{server} refused: {answer.body.get('detail') or answer.body.get('title') or status}")
        pairing = Pairing(server=server, station_id=answer.text("station_id"), audience=answer.text("audience"))
    except (WireError, json.JSONDecodeError) as error:
        raise PairingError(f"{server} answered {status}, but not as a Gatehouse server does") from error
    folder.save_key(key)
    folder.save_pairing(pairing)
    return pairing
