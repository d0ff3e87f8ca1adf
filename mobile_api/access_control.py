"""Who may call a route: every view declares it, and a view without a declaration does not start."""

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Any, TypeVar

from flask import Response, g, jsonify, make_response, request
from werkzeug.exceptions import UnsupportedMediaType

from backend.accounts import Role
from backend.clock import utc_now
from backend.errors import (
    DevicePendingError,
    MalformedError,
    NotFoundError,
    OriginRefusedError,
    SignInRequiredError,
    ValidationFailedError,
)
from backend.idempotency import Reply
from backend.identity.tokens import Caller
from mobile_api.services import services

View = TypeVar("View", bound=Callable[..., Any])

SECURITY_SCHEMES = {
    "dpop": {
        "type": "http",
        "scheme": "DPoP",
        "description": "An access token bound to the device's key (RFC 9449), and a DPoP header that proves the key.",
    }
}
MAX_KEY_LENGTH = 80
AUDIENCE_ATTRIBUTE = "audience"


class Audience(StrEnum):
    """Who may call."""

    PUBLIC = "public"
    SIGNED_IN = "signed_in"
    RESIDENT = "resident"
    ADMINISTRATOR = "administrator"


def allow(audience: Audience) -> Callable[[View], View]:
    """Declare who may call a view; below the route decorator. `caller()` is theirs inside."""

    def declare(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if audience != Audience.PUBLIC:
                g.caller = _admitted(audience)
            return view(*args, **kwargs)

        setattr(guarded, AUDIENCE_ATTRIBUTE, audience)
        spec = getattr(guarded, "_spec", {})
        if audience != Audience.PUBLIC:
            spec["security"] = [{"dpop": []}]
        guarded._spec = spec  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return declare


def caller() -> Caller:
    """Who is asking, inside a view that is not public."""
    found: Caller = g.caller
    return found


def _admitted(audience: Audience) -> Caller:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "dpop":
        raise SignInRequiredError("sign in first")
    found = services().gatekeeper.admit(
        token.strip(), request.headers.get("DPoP"), method=request.method, path=request.path, now=utc_now()
    )
    if audience == Audience.SIGNED_IN:
        return found
    if audience == Audience.ADMINISTRATOR and found.role != Role.ADMINISTRATOR:
        raise NotFoundError("there is no such page")
    if not found.approved:
        raise DevicePendingError("this device waits for approval")
    return found


def refuse_foreign_origins() -> None:
    """Before every request: a page of another origin may not change anything here."""
    origin = request.headers.get("Origin")
    if origin and request.method not in {"GET", "HEAD", "OPTIONS"} and not services().settings.origin_allowed(origin):
        raise OriginRefusedError("pages of this origin may not talk to this service")


def refuse_unreadable_bodies() -> None:
    """Before every request to the API: its body is one JSON object, or there is none.

    What cannot be read is never taken for a request that says nothing.
    """
    if request.method in {"GET", "HEAD", "OPTIONS"} or not request.path.startswith("/api/") or not request.get_data():
        return
    if not request.is_json:
        raise UnsupportedMediaType("the API speaks JSON: Content-Type application/json")
    try:
        body = request.get_json()
    except RecursionError as error:
        raise MalformedError("the body is nested too deeply") from error
    if not isinstance(body, dict):
        raise ValidationFailedError("the body is one JSON object", errors=[{"field": "", "message": "not an object"}])


def client_address() -> str:
    """The address limits are counted for."""
    return request.remote_addr or "unknown"


def idempotency_key(*, required: bool = False) -> str | None:
    """The request's idempotency key.

    Raises:
        ValidationFailedError: missing where required, or too long.
    """
    key = request.headers.get("Idempotency-Key")
    if (required and not key) or len(key or "") > MAX_KEY_LENGTH:
        raise ValidationFailedError(
            "an Idempotency-Key header of 1 to 80 characters is needed",
            errors=[{"field": "Idempotency-Key", "message": "missing or too long"}],
        )
    return key or None


def idempotent(view: View) -> View:
    """A create that a repeated Idempotency-Key does once and answers the same; stands between `allow` and `output`."""

    @wraps(view)
    def keyed(*args: Any, **kwargs: Any) -> Any:
        key = idempotency_key()
        if key is None:
            return view(*args, **kwargs)
        ledger, device_id = services().ledger, caller().device_id
        digest_of = f"{request.method} {request.path}\n".encode() + request.get_data()
        earlier = ledger.begin(device_id, key, request=digest_of, now=utc_now())
        if earlier is not None:
            return make_response(jsonify(earlier.body), earlier.status)
        try:
            response: Response = make_response(view(*args, **kwargs))
        except BaseException:
            ledger.abandon(device_id, key)
            raise
        ledger.finish(device_id, key, Reply(status=response.status_code, body=response.get_json(silent=True)))
        return response

    keyed.keyed = True  # type: ignore[attr-defined]
    return keyed  # type: ignore[return-value]


def undeclared(views: dict[str, Callable[..., Any]]) -> list[str]:
    """The endpoints that do not say who may call them."""
    return sorted(name for name, view in views.items() if not hasattr(view, AUDIENCE_ATTRIBUTE))
