"""Settings: everything comes from GATEHOUSE_* variables; docs/configuration.md lists them all."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

MINIMUM_SECRET_LENGTH = 32
DEMO_SECRET = "gatehouse-demo-secret-not-for-real-homes"
_REFUSED_SECRETS = {DEMO_SECRET, "changeme" * 4, "secret" * 6}


class SettingsError(Exception):
    """The environment does not allow a safe start; the message says what to set."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How this service runs. Times ending in `_s` are seconds."""

    data: Path
    secret: str = field(repr=False)
    database_url: str
    host: str = "127.0.0.1"
    port: int = 8080
    origins: tuple[str, ...] = ()
    demo: bool = False
    async_mode: str = "threading"
    ring_s: int = 45
    talk_s: int = 120
    heartbeat_s: float = 10.0
    open_wait_s: float = 3.0
    open_lifetime_s: float = 5.0
    phone_grace_s: float = 15.0
    access_token_s: int = 600
    stun_urls: tuple[str, ...] = ()
    turn_urls: tuple[str, ...] = ()
    turn_secret: str = field(default="", repr=False)
    turn_lifetime_s: int = 3600
    sms_webhook_url: str = ""
    sms_webhook_secret: str = field(default="", repr=False)
    rate_limits: bool = True
    behind_proxy: bool = False

    @property
    def pictures(self) -> Path:
        """Where pictures are kept: outside everything the web server hands out."""
        return self.data / "pictures"

    @property
    def public_origin(self) -> str:
        """The first address people use; links and QR codes carry it."""
        return self.origins[0]

    def origin_allowed(self, origin: str) -> bool:
        """Whether a page of `origin` may talk to this service."""
        return origin in self.origins


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the environment.

    Raises:
        SettingsError: a value cannot be used, or the secret is missing, short or a known default outside the demo.
    """
    demo = _flag(environ, "GATEHOUSE_DEMO")
    data = Path(environ.get("GATEHOUSE_DATA") or "var/run").resolve()
    secret = _secret(environ, demo=demo)
    port = _number(environ, "GATEHOUSE_PORT", 8080)
    origins = _origins(environ, port=port)
    turn_urls = _list(environ, "GATEHOUSE_TURN_URLS")
    turn_secret = environ.get("GATEHOUSE_TURN_SECRET", "")
    if turn_urls and not turn_secret:
        raise SettingsError("GATEHOUSE_TURN_URLS needs GATEHOUSE_TURN_SECRET (coturn's static-auth-secret)")
    webhook = environ.get("GATEHOUSE_SMS_WEBHOOK_URL", "")
    webhook_secret = environ.get("GATEHOUSE_SMS_WEBHOOK_SECRET", "")
    if webhook and len(webhook_secret) < MINIMUM_SECRET_LENGTH:
        raise SettingsError(
            f"GATEHOUSE_SMS_WEBHOOK_URL needs GATEHOUSE_SMS_WEBHOOK_SECRET of {MINIMUM_SECRET_LENGTH} characters"
        )
    async_mode = environ.get("GATEHOUSE_ASYNC_MODE", "threading")
    if async_mode != "threading":
        raise SettingsError("GATEHOUSE_ASYNC_MODE can only be 'threading' (docs/decisions/ says why)")
    return Settings(
        data=data,
        secret=secret,
        database_url=environ.get("GATEHOUSE_DATABASE_URL") or f"sqlite:///{data / 'gatehouse.db'}",
        host=environ.get("GATEHOUSE_HOST", "127.0.0.1"),
        port=port,
        origins=origins,
        demo=demo,
        async_mode=async_mode,
        ring_s=_number(environ, "GATEHOUSE_RING_S", 45),
        talk_s=_number(environ, "GATEHOUSE_TALK_S", 120),
        heartbeat_s=_decimal(environ, "GATEHOUSE_HEARTBEAT_S", 10.0),
        open_wait_s=_decimal(environ, "GATEHOUSE_OPEN_WAIT_S", 3.0),
        phone_grace_s=_decimal(environ, "GATEHOUSE_PHONE_GRACE_S", 15.0),
        access_token_s=_number(environ, "GATEHOUSE_ACCESS_TOKEN_S", 600),
        stun_urls=_list(environ, "GATEHOUSE_STUN_URLS"),
        turn_urls=turn_urls,
        turn_secret=turn_secret,
        turn_lifetime_s=_number(environ, "GATEHOUSE_TURN_LIFETIME_S", 3600),
        sms_webhook_url=webhook,
        sms_webhook_secret=webhook_secret,
        rate_limits=not _flag(environ, "GATEHOUSE_NO_RATE_LIMITS"),
        behind_proxy=_flag(environ, "GATEHOUSE_BEHIND_PROXY"),
    )


def _secret(environ: Mapping[str, str], *, demo: bool) -> str:
    secret = environ.get("GATEHOUSE_SECRET", "")
    path = environ.get("GATEHOUSE_SECRET_FILE", "")
    if not secret and path:
        try:
            secret = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(f"GATEHOUSE_SECRET_FILE cannot be read: {error.strerror}") from error
    if demo:
        return secret or DEMO_SECRET
    if not secret:
        raise SettingsError("set GATEHOUSE_SECRET or GATEHOUSE_SECRET_FILE ('gatehouse secret' makes one)")
    if len(secret) < MINIMUM_SECRET_LENGTH or len(set(secret)) < 10 or secret in _REFUSED_SECRETS:
        raise SettingsError("GATEHOUSE_SECRET is short, plain or a known default ('gatehouse secret' makes a good one)")
    return secret


def _origins(environ: Mapping[str, str], *, port: int) -> tuple[str, ...]:
    origins = _list(environ, "GATEHOUSE_ORIGINS") or (f"http://localhost:{port}", f"http://127.0.0.1:{port}")
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path:
            raise SettingsError(f"GATEHOUSE_ORIGINS: '{origin}' is not an origin such as https://gate.example.org")
    return origins


def _list(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in environ.get(name, "").split(",") if part.strip())


def _flag(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name, "").lower()
    if value not in {"", "0", "1", "true", "false", "yes", "no"}:
        raise SettingsError(f"{name} must be 1 or 0")
    return value in {"1", "true", "yes"}


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    return int(_decimal(environ, name, default))


def _decimal(environ: Mapping[str, str], name: str, default: float) -> float:
    try:
        value = float(environ.get(name) or default)
    except ValueError as error:
        raise SettingsError(f"{name} must be a number") from error
    if not 0 < value < 1_000_000:
        raise SettingsError(f"{name} must be a positive number")
    return value
