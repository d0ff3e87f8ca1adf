"""What the edges work with, made once by the composition root."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flask import current_app

from backend.access import AccessDesk
from backend.config import Settings
from backend.db import Database
from backend.idempotency import Ledger
from backend.identity.proofs import ProofChecker
from backend.identity.sign_in import SetUp
from backend.identity.tokens import Gatekeeper, TokenService
from backend.pictures import PictureStore
from backend.rate_limits import RateLimits
from backend.vault import Vault
from intercom.calls import CallDesk
from intercom.station_hub import StationHub

if TYPE_CHECKING:
    from mobile_api.resident_namespace import ResidentNamespace


@dataclass(kw_only=True)
class Services:
    """The service's parts. `residents` is set when the sockets are wired."""

    settings: Settings
    db: Database
    vault: Vault
    tokens: TokenService
    proofs: ProofChecker
    gatekeeper: Gatekeeper
    calls: CallDesk
    access: AccessDesk
    hub: StationHub
    pictures: PictureStore
    limits: RateLimits
    ledger: Ledger
    set_up: SetUp
    send_sms: Callable[[str, str], None]
    residents: "ResidentNamespace | None" = field(default=None)


def services() -> Services:
    """The parts of the running service."""
    found: Services = current_app.extensions["gatehouse"]
    return found
