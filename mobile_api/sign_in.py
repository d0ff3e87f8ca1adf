"""HTTP: ways in, refresh and sign-out."""

import re
from typing import Any

from apiflask import APIBlueprint
from flask import Response, jsonify, make_response, request

from backend import __version__
from backend.accounts import PRIVACY_VERSION, normal_phone
from backend.clock import utc_now
from backend.communities import Community, CommunityKind
from backend.errors import ServiceError, SignInRequiredError, ValidationFailedError
from backend.identity import one_time_codes, sessions, sign_in
from backend.identity.proofs import DeviceKey
from mobile_api.access_control import Audience, allow, caller, client_address
from mobile_api.rendering import session_out
from mobile_api.schemas import (
    CodeRequestIn,
    CodeRequestOut,
    InvitationSignInIn,
    PasswordSignInIn,
    PhoneSignInIn,
    ServiceOut,
    SessionOut,
    SetUpIn,
)
from mobile_api.services import services

blueprint = APIBlueprint("sign_in", __name__, url_prefix="/api/v1", tag="Sign-in")

CLIENT_HEADER = "X-Client"
COOKIE_PATH = "/api/v1/session"
FAILURES = "20/10 minute"
FAILURES_OF_ALL = "300/10 minute"


def _client() -> str:
    client = request.headers.get(CLIENT_HEADER, "main")
    if not re.fullmatch(r"[a-z0-9-]{1,40}", client):
        raise ValidationFailedError(
            "X-Client is 1 to 40 small letters, digits and hyphens",
            errors=[{"field": CLIENT_HEADER, "message": "not usable"}],
        )
    return client


def _proved_key() -> DeviceKey:
    return services().proofs.check(
        request.headers.get("DPoP"), method=request.method, path=request.path, token=None, now=utc_now()
    )


def _answer(session: sessions.Session, status: int = 200) -> Response:
    do, now = services(), utc_now()
    body = session_out(do, session, privacy_version=PRIVACY_VERSION, now=now)
    response = make_response(jsonify(body.model_dump(mode="json")), status)
    response.set_cookie(
        f"gh-{_client()}",
        session.refresh_token,
        expires=session.expires_at,
        path=COOKIE_PATH,
        httponly=True,
        samesite="Strict",
        secure=do.settings.public_origin.startswith("https://"),
    )
    response.headers["Cache-Control"] = "no-store"
    return response


class _Guess:
    """Counts failed guesses of one address, and of everybody together, so that codes cannot be tried out."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._limits = services().limits
        self._limits.check(FAILURES, what, client_address())
        self._limits.check(FAILURES_OF_ALL, what)

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ServiceError) and error.status == 401:
            self._limits.hit(FAILURES, self._what, client_address())
            self._limits.hit(FAILURES_OF_ALL, self._what)


@blueprint.get("/service")
@allow(Audience.PUBLIC)
@blueprint.output(ServiceOut)
def read_service() -> ServiceOut:
    """What this service is and whether it waits to be set up."""
    do = services()
    with do.db.reading() as session:
        community = session.query(Community).order_by(Community.id).first()
    return ServiceOut(
        version=__version__,
        setup_required=community is None,
        demo=do.settings.demo,
        community_name=community.name if community else None,
        privacy_version=PRIVACY_VERSION,
    )


@blueprint.post("/setup")
@allow(Audience.PUBLIC)
@blueprint.input(SetUpIn)
@blueprint.output(SessionOut, status_code=201)
def set_up(json_data: SetUpIn) -> Any:
    """Make the community and its first administrator with the one-time code from the terminal."""
    do, key = services(), _proved_key()
    with _Guess("setup"):
        session = do.set_up.complete(
            do.db,
            do.vault,
            code=json_data.code,
            community_name=json_data.community.name,
            community_kind=CommunityKind(json_data.community.kind),
            address_code=json_data.community.address_code,
            timezone=json_data.community.timezone,
            name=json_data.administrator.name,
            phone=json_data.administrator.phone,
            password=json_data.administrator.password,
            key=key,
            device_name=json_data.device.name,
            now=utc_now(),
        )
    return _answer(session, 201)


@blueprint.post("/sign-in/codes")
@allow(Audience.PUBLIC)
@blueprint.input(CodeRequestIn)
@blueprint.output(CodeRequestOut, status_code=202)
def request_code(json_data: CodeRequestIn) -> CodeRequestOut:
    """Ask for a code by text message; the answer is the same for known and unknown numbers."""
    do = services()
    do.limits.hit("10/hour", "sms-address", client_address())
    do.limits.hit("1000/hour", "sms-all")

    number = normal_phone(json_data.phone)
    index = do.vault.blind_index(number, field="account.phone").hex()
    do.limits.hit("1/30 second", "sms-number", index)
    do.limits.hit("5/hour", "sms-number", index)
    request_id = one_time_codes.request_code(do.db, do.vault, do.send_sms, phone=number, now=utc_now())
    return CodeRequestOut(request_id=request_id, expires_in_s=int(one_time_codes.LIFETIME.total_seconds()))


@blueprint.post("/sign-in/phone")
@allow(Audience.PUBLIC)
@blueprint.input(PhoneSignInIn)
@blueprint.output(SessionOut)
def sign_in_by_phone(json_data: PhoneSignInIn) -> Any:
    """Come in with a code; a device that is new waits for approval by the home or the property."""
    do, key = services(), _proved_key()
    with _Guess("phone"):
        session = sign_in.by_phone(
            do.db,
            do.vault,
            request_id=json_data.request_id,
            code=json_data.code,
            key=key,
            device_name=json_data.device.name,
            now=utc_now(),
        )
    return _answer(session)


@blueprint.post("/sign-in/invitation")
@allow(Audience.PUBLIC)
@blueprint.input(InvitationSignInIn)
@blueprint.output(SessionOut)
def sign_in_by_invitation(json_data: InvitationSignInIn) -> Any:
    """Come in with an invitation; the device is approved."""
    do, key = services(), _proved_key()
    with _Guess("invitation"):
        session = sign_in.by_invitation(
            do.db,
            do.vault,
            code=json_data.code,
            name=json_data.name,
            key=key,
            device_name=json_data.device.name,
            now=utc_now(),
        )
    return _answer(session)


@blueprint.post("/sign-in/password")
@allow(Audience.PUBLIC)
@blueprint.input(PasswordSignInIn)
@blueprint.output(SessionOut)
def sign_in_by_password(json_data: PasswordSignInIn) -> Any:
    """An administrator comes in."""
    do, key = services(), _proved_key()
    with _Guess("password"):
        session = sign_in.by_password(
            do.db,
            do.vault,
            phone=json_data.phone,
            password=json_data.password,
            key=key,
            device_name=json_data.device.name,
            now=utc_now(),
        )
    return _answer(session)


@blueprint.post("/session/refresh")
@allow(Audience.PUBLIC)
@blueprint.output(SessionOut)
def refresh() -> Any:
    """A fresh access token for the refresh token in this client's cookie, which is replaced."""
    do, key = services(), _proved_key()
    token = request.cookies.get(f"gh-{_client()}")
    if not token:
        raise SignInRequiredError("sign in first")
    return _answer(sessions.refresh(do.db, do.vault, token=token, key=key, now=utc_now()))


@blueprint.delete("/session")
@allow(Audience.SIGNED_IN)
@blueprint.output({}, status_code=204)
def sign_out() -> Any:
    """Sign this device out; its sockets close."""
    do, who = services(), caller()
    with do.db.unit_of_work() as uow:
        sessions.end(uow, community_id=who.community_id, session_id=who.session_id, now=utc_now())
    response = make_response("", 204)
    response.delete_cookie(f"gh-{_client()}", path=COOKIE_PATH)
    return response
