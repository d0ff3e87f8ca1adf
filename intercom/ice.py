"""ICE servers: STUN and TURN addresses, with coturn's credentials that are limited in time (use-auth-secret)."""

import base64
import hashlib
import hmac
from datetime import datetime
from typing import Any

from backend.config import Settings


def ice_servers(settings: Settings, *, holder: str, now: datetime) -> tuple[dict[str, Any], ...]:
    """Servers for one holder (a device or a station), good for `turn_lifetime_s`; carries no personal data."""
    servers: list[dict[str, Any]] = []
    if settings.stun_urls:
        servers.append({"urls": list(settings.stun_urls)})
    if settings.turn_urls:
        username = f"{int(now.timestamp()) + settings.turn_lifetime_s}:{holder}"
        digest = hmac.new(settings.turn_secret.encode(), username.encode(), hashlib.sha1).digest()
        servers.append(
            {
                "urls": list(settings.turn_urls),
                "username": username,
                "credential": base64.b64encode(digest).decode(),
            }
        )
    return tuple(servers)
