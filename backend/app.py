"""The composition root: makes the service out of its parts and connects facts to listeners."""

import socket
from dataclasses import dataclass
from typing import Any

from apiflask import APIFlask
from flask_socketio import SocketIO
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from backend import events
from backend.access import AccessDesk
from backend.clock import utc_now
from backend.config import Settings
from backend.db import Database
from backend.idempotency import Ledger
from backend.identity.proofs import ProofChecker
from backend.identity.sign_in import SetUp
from backend.identity.tokens import Gatekeeper, TokenService
from backend.pictures import PictureStore
from backend.rate_limits import RateLimits
from backend.socket_transport import send_at_once
from backend.vault import Vault
from intercom.call_statements import CLAIM_FIRST_ANSWER
from intercom.calls import CallDesk
from intercom.station_hub import StationHub
from intercom.station_namespace import StationNamespace, StationServices
from intercom.station_protocol import MAX_MESSAGE_BYTES
from mobile_api import (
    access_control,
    calls,
    demo,
    doors,
    me,
    openapi,
    pages,
    problems,
    sign_in,
    staff_people,
    staff_places,
    staff_stations,
    station_pairing,
)
from mobile_api.resident_namespace import ResidentNamespace
from mobile_api.services import Services
from mobile_api.tending import Tender
from notifications.sms import BackgroundSender, Sender, log_sender, webhook_sender

MAX_REQUEST_BYTES = 128 * 1024


@dataclass(frozen=True, kw_only=True)
class Gatehouse:
    """The made service: a WSGI application with sockets, its parts, and its housekeeper (not started)."""

    app: APIFlask
    socketio: SocketIO
    services: Services
    tender: Tender
    residents: ResidentNamespace
    stations: StationNamespace

    def server(self, host: str, port: int) -> BaseWSGIServer:
        """A threaded server bound to this address; port 0 takes a free one."""
        return make_server(host, port, self.app, threaded=True, request_handler=RequestHandler)

    def close(self) -> None:
        """Stop housekeeping and let go of the database."""
        self.tender.stop()
        self.services.db.close()


class RequestHandler(WSGIRequestHandler):
    """HTTP/1.1 without Nagle: two quick messages to one phone must not wait 40 ms. Werkzeug closes after each reply."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 90

    def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
        """A websocket that ended was no request: close its connection, or its thread waits for another for 90 s."""
        self.close_connection = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: addresses and paths are personal data, and nobody reads them."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Only errors are worth a line."""
        if type == "error" and "timed out" not in message:
            super().log(type, message, *args)


def _sms(settings: Settings) -> Sender:
    if settings.sms_webhook_url:
        return webhook_sender(settings.sms_webhook_url, settings.sms_webhook_secret)
    return log_sender


def create_app(settings: Settings, *, sms: Sender | None = None, claim: Any = CLAIM_FIRST_ANSWER) -> Gatehouse:
    """Make the service. Its database must have the newest schema (`gatehouse db upgrade`).

    `sms` replaces the sender of text messages; `claim` the statement that settles a call's first answer, so that a
    test can show what a naive one does.
    """
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    db, vault = Database(settings.database_url), Vault(settings.secret)
    app = APIFlask(
        "gatehouse",
        title="Gatehouse",
        version="1",
        spec_path="/api/openapi.json",
        docs_path=None,
        static_folder=None,  # type: ignore[arg-type]
    )
    app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    socketio = SocketIO(
        app,
        async_mode=settings.async_mode,
        cors_allowed_origins=list(settings.origins),
        transports=["websocket"],
        async_handlers=False,
        manage_session=False,
        max_http_buffer_size=MAX_MESSAGE_BYTES,
        ping_interval=10,
        ping_timeout=10,
        cookie=None,
    )
    services = _services(settings, db, vault, sms=sms, claim=claim)
    residents = ResidentNamespace(services)
    services.residents = residents
    stations = StationNamespace(
        StationServices(
            db=db,
            vault=vault,
            settings=settings,
            hub=services.hub,
            calls=services.calls,
            access=services.access,
            pictures=services.pictures,
            limits=services.limits,
            signal_phone=residents.signal_device,
        )
    )
    send_at_once(socketio.server.eio)
    for namespace in (residents, stations):
        socketio.server.register_namespace(namespace)
    _connect(db, residents, stations)
    _add_routes(app, services)
    if settings.behind_proxy:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    services.access.recover(now=utc_now())
    return Gatehouse(
        app=app,
        socketio=socketio,
        services=services,
        tender=Tender(services, residents, stations),
        residents=residents,
        stations=stations,
    )


def _services(settings: Settings, db: Database, vault: Vault, *, sms: Sender | None, claim: Any) -> Services:
    hub = StationHub(heartbeat_s=settings.heartbeat_s, open_wait_s=settings.open_wait_s)
    tokens = TokenService(vault, lifetime_s=settings.access_token_s)
    proofs = ProofChecker(settings.origin_allowed)

    def present(device_ids: Any) -> set[str]:
        return services.residents.connected(device_ids) if services.residents else set()

    desk = CallDesk(db=db, vault=vault, presence=present, claim=claim)
    services = Services(
        settings=settings,
        db=db,
        vault=vault,
        tokens=tokens,
        proofs=proofs,
        gatekeeper=Gatekeeper(db, tokens, proofs),
        calls=desk,
        access=AccessDesk(db=db, vault=vault, controller=hub, calls=desk, lifetime_s=settings.open_lifetime_s),
        hub=hub,
        pictures=PictureStore(settings.pictures, vault),
        limits=RateLimits(enabled=settings.rate_limits),
        ledger=Ledger(db=db, vault=vault),
        set_up=SetUp(),
        send_sms=BackgroundSender(sms or _sms(settings)),
    )
    return services


def _connect(db: Database, residents: ResidentNamespace, stations: StationNamespace) -> None:
    """Facts and who hears them live; the phones first, for they are to ring and to stop."""
    db.listen(events.CallChanged, residents.announce_call)
    db.listen(events.CallChanged, stations.announce_call)
    db.listen(events.OpeningChanged, residents.announce_opening)
    db.listen(events.DoorContactChanged, residents.announce_door)
    db.listen(events.DeviceAsked, residents.announce_devices)
    db.listen(events.DeviceApproved, residents.announce_devices)
    db.listen(events.DeviceRemoved, residents.drop_removed)
    db.listen(events.SignedOut, residents.drop_removed)
    db.listen(events.HouseholdChanged, residents.drop_household)
    db.listen(events.StationPaired, stations.drop_station)
    db.listen(events.StationConfigured, stations.announce_config)


def _add_routes(app: APIFlask, services: Services) -> None:
    app.extensions["gatehouse"] = services
    problems.init_problems(app)
    openapi.init_openapi(app)
    app.before_request(access_control.refuse_foreign_origins)
    app.before_request(access_control.refuse_unreadable_bodies)
    for module in (
        sign_in,
        me,
        doors,
        calls,
        staff_places,
        staff_people,
        staff_stations,
        station_pairing,
        pages,
    ):
        app.register_blueprint(module.blueprint)
    app.register_blueprint(demo.blueprint)
    app.after_request(pages.add_safety_headers)
    setattr(app.view_functions["openapi.spec"], access_control.AUDIENCE_ATTRIBUTE, access_control.Audience.PUBLIC)
    missing = access_control.undeclared(app.view_functions)
    if missing:
        raise RuntimeError(f"these views do not say who may call them: {', '.join(missing)}")


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
