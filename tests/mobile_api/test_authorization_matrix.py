"""Every route and every socket event, asked by every role: the answer is what matrix.py says by hand."""

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
import socketio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from socketio.exceptions import ConnectionError as RefusedError

from backend.clock import iso, utc_now
from backend.ids import new_id
from intercom.station_hello import sign_hello, sign_pairing
from intercom.station_namespace import StationNamespace
from mobile_api.pages import FOLDER
from mobile_api.resident_namespace import ResidentNamespace
from tests.conftest import SeededTemplate
from tests.mobile_api.matrix import HTTP_ROWS, ROLES, SOCKET_ROWS
from tests.mobile_api.world import World, number
from tests.support.phones import Phone
from tests.support.service import Service
from tests.support.stations import JPEG, TestStation

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, seeded_template: SeededTemplate) -> Iterator[World]:
    # Nobody is missed for being silent: most phones and stations are away while others are asked.
    service = Service(tmp_path_factory.mktemp("matrix"), seeded_template, heartbeat_s=3600, phone_grace_s=3600)
    made = World(service)
    made.sign_everybody_in()
    yield made
    service.close()


@dataclass
class Ask:
    """One request; `fresh_key` proves another device's key, as a sign-in on another phone does."""

    path: str
    body: Any = None
    key: bool = False
    fresh_key: bool = False
    caller: Phone | None = None
    after: Callable[[], object] = field(default=lambda: None)


Maker = Callable[[World, str], Ask]


def fixed(path: str, body: Any = None, **more: Any) -> Maker:
    return lambda world, role: Ask(path, body, **more)


def of_home(path: str, thing: Callable[[World, str], str], body: Any = None, **more: Any) -> Maker:
    """A request whose path holds one thing, made anew for each question."""
    return lambda world, role: Ask(path.format(thing(world, role)), body, **more)


def ring(world: World, role: str) -> str:
    home = world.home_of(role)
    phone = world.caller(role)
    mine = phone.device_id if role == "resident" else world.device(home.housemate_id, approved=True)
    return world.call(home, legs_of=(mine,))


def sign_in(path: str, **body: Any) -> Maker:
    return fixed(f"/api/v1/sign-in/{path}", {**body, "device": {"name": "matrix"}}, fresh_key=True)


def with_invitation(world: World, role: str) -> Ask:
    code = world.service.new_person_code(world.neighbours_household)
    body = {"code": code, "name": "新人", "device": {"name": "matrix"}}
    return Ask("/api/v1/sign-in/invitation", body, fresh_key=True)


def pair(world: World, role: str) -> Ask:
    code = world.service.pairing_code(world.station())
    wish = sign_pairing(Ed25519PrivateKey.generate(), code, software="matrix 1").to_wire()
    return Ask("/api/v1/stations/pair", wish)


def sign_out(world: World, role: str) -> Ask:
    anonymous = role in {"anonymous", "station", "station_2"}
    return Ask("/api/v1/session", caller=world.caller(role) if anonymous else world.another(role))


def new_lease(world: World, role: str) -> Ask:
    household = world.mums_second if role == "resident" else world.home_of(role).household_id
    world.end_leases(world.mums_second)
    return Ask("/api/v1/leases", {"household_id": household, "ends_at": "2031-01-01T00:00:00+08:00"})


def new_invitation(world: World, role: str) -> Ask:
    return Ask("/api/v1/invitations", {"household_id": world.home_of(role).household_id, "relation": "family"})


def open_from_call(world: World, role: str) -> Ask:
    return Ask(f"/api/v1/doors/{world.home_of(role).door_id}/openings", {"call_id": ring(world, role)}, key=True)


def an_asset(world: World, role: str) -> Ask:
    return Ask(f"/assets/{min(path.name for path in (FOLDER / 'assets').iterdir())}")


def forged_link(world: World, role: str) -> Ask:
    return Ask(re.sub(r"signature=.*", "signature=" + "0" * 64, world.picture_link))


SETUP = {
    "code": "00000000",
    "administrator": {"name": "a", "phone": "13800005555", "password": "a long password"},
    "community": {"name": "c", "kind": "open"},
    "device": {"name": "d"},
}
UNIT_DOOR = {"name": "后门", "kind": "unit"}

ASKS: dict[str, Maker] = {
    **{
        f"GET {path}": fixed(path)
        for path in (
            "/",
            "/station",
            "/setup",
            "/offline",
            "/sw.js",
            "/manifest.webmanifest",
            "/favicon.ico",
            "/healthz",
            "/demo",
            "/api/docs",
            "/api/openapi.json",
            "/api/v1/service",
            "/api/v1/me",
            "/api/v1/devices",
            "/api/v1/invitations",
            "/api/v1/leases",
            "/api/v1/doors",
            "/api/v1/records",
            "/api/v1/ice-servers",
            "/api/v1/calls",
            "/api/v1/staff/community",
            "/api/v1/staff/buildings",
            "/api/v1/staff/households",
            "/api/v1/staff/devices",
            "/api/v1/staff/doors",
            "/api/v1/staff/stations",
        )
    },
    "GET /assets/<path:name>": an_asset,
    "GET /icons/<path:name>": fixed("/icons/icon.svg"),
    "POST /api/v1/demo/invitations": fixed("/api/v1/demo/invitations", {"persona": "mum"}),
    "POST /api/v1/demo/pairing-codes": fixed("/api/v1/demo/pairing-codes", {"station": "unit"}),
    "POST /api/v1/demo/reset": fixed("/api/v1/demo/reset"),
    "POST /api/v1/setup": fixed("/api/v1/setup", SETUP, fresh_key=True),
    "POST /api/v1/sign-in/codes": fixed("/api/v1/sign-in/codes", {"phone": "13700000000"}),
    "POST /api/v1/sign-in/phone wrong_code": sign_in("phone", request_id="0" * 32, code="000000"),
    "POST /api/v1/sign-in/invitation": with_invitation,
    "POST /api/v1/sign-in/password wrong": sign_in("password", phone="13800000000", password="not this one"),
    "POST /api/v1/session/refresh own_cookie": fixed("/api/v1/session/refresh"),
    "DELETE /api/v1/session": sign_out,
    "POST /api/v1/stations/pair": pair,
    "GET /api/v1/pictures/<picture_id> signed_link": lambda world, role: Ask(world.picture_link),
    "GET /api/v1/pictures/<picture_id> forged_link": forged_link,
    "PATCH /api/v1/me": fixed("/api/v1/me", {"language": "zh"}),
    "POST /api/v1/me/privacy-consents": fixed("/api/v1/me/privacy-consents", {"version": "2026-11"}),
    "POST /api/v1/devices/<device_id>/approve housemates": of_home(
        "/api/v1/devices/{}/approve", lambda w, r: w.device(w.home_of(r).housemate_id, approved=False)
    ),
    "DELETE /api/v1/devices/<device_id> of_the_home": of_home(
        "/api/v1/devices/{}",
        lambda w, r: (
            w.device(w.home_of(r).member_id, approved=True)
            if r == "resident"
            else w.device(w.home_of(r).housemate_id, approved=False)
        ),
    ),
    "DELETE /api/v1/devices/<device_id> housemates_approved": of_home(
        "/api/v1/devices/{}", lambda w, r: w.device(w.home_of(r).housemate_id, approved=True)
    ),
    "POST /api/v1/invitations": new_invitation,
    "DELETE /api/v1/invitations/<invitation_id>": of_home(
        "/api/v1/invitations/{}", lambda w, r: w.invitation(w.home_of(r))
    ),
    "POST /api/v1/leases": new_lease,
    "POST /api/v1/leases/<lease_id>/end": of_home("/api/v1/leases/{}/end", lambda w, r: w.lease(r)),
    "POST /api/v1/doors/<door_id>/openings": of_home(
        "/api/v1/doors/{}/openings", lambda w, r: w.home_of(r).door_id, {}, key=True
    ),
    "POST /api/v1/doors/<door_id>/openings from_the_call": open_from_call,
    "GET /api/v1/openings/<opening_id>": of_home("/api/v1/openings/{}", lambda w, r: w.opening(w.home_of(r))),
    "GET /api/v1/calls/<call_id>": of_home("/api/v1/calls/{}", ring),
    "POST /api/v1/calls/<call_id>/answer": of_home("/api/v1/calls/{}/answer", ring),
    "POST /api/v1/calls/<call_id>/decline": of_home("/api/v1/calls/{}/decline", ring),
    "POST /api/v1/calls/<call_id>/hang-up": of_home("/api/v1/calls/{}/hang-up", ring),
    "PATCH /api/v1/staff/community": fixed("/api/v1/staff/community", {}),
    "POST /api/v1/staff/buildings": lambda w, r: Ask("/api/v1/staff/buildings", {"name": "新", "number": number()}),
    "POST /api/v1/staff/buildings/<building_id>/units": lambda w, r: Ask(
        f"/api/v1/staff/buildings/{w.building_id}/units", {"name": "新", "number": number()}
    ),
    "POST /api/v1/staff/households": lambda w, r: Ask(
        "/api/v1/staff/households", {"building_id": w.building_id, "unit_id": w.unit_id, "rooms": [number()]}
    ),
    "GET /api/v1/staff/households/<household_id>/residents": of_home(
        "/api/v1/staff/households/{}/residents", lambda w, r: w.family.household_id
    ),
    "POST /api/v1/staff/households/<household_id>/residents": of_home(
        "/api/v1/staff/households/{}/residents",
        lambda w, r: w.family.household_id,
        {"name": "新人", "relation": "family"},
    ),
    "DELETE /api/v1/staff/residents/<resident_id>": of_home("/api/v1/staff/residents/{}", lambda w, r: w.resident()),
    "POST /api/v1/staff/residents/<resident_id>/invitations": of_home(
        "/api/v1/staff/residents/{}/invitations", lambda w, r: w.family.resident_id
    ),
    "POST /api/v1/staff/devices/<device_id>/approve": of_home(
        "/api/v1/staff/devices/{}/approve", lambda w, r: w.device(w.family.housemate_id, approved=False)
    ),
    "DELETE /api/v1/staff/devices/<device_id>": of_home(
        "/api/v1/staff/devices/{}", lambda w, r: w.device(w.family.housemate_id, approved=True)
    ),
    "POST /api/v1/staff/doors": lambda w, r: Ask("/api/v1/staff/doors", {**UNIT_DOOR, "building_id": w.building_id}),
    "POST /api/v1/staff/stations": lambda w, r: Ask(
        "/api/v1/staff/stations",
        {"name": "新", "kind": "unit", "door_ids": [w.door()], "building_ids": [w.building_id], "unit_id": w.unit_id},
    ),
    "PATCH /api/v1/staff/stations/<station_id>": of_home(
        "/api/v1/staff/stations/{}", lambda w, r: w.family.station_id, {"ring_s": 45}
    ),
    "POST /api/v1/staff/stations/<station_id>/pairing-codes": of_home(
        "/api/v1/staff/stations/{}/pairing-codes", lambda w, r: w.station()
    ),
}


def send(world: World, role: str, method: str, ask: Ask) -> requests.Response:
    phone = ask.caller or world.caller(role)
    place = ask.path.partition("?")[0]
    headers = phone.headers(method, place)
    http = phone.http
    if ask.fresh_key:
        new = Phone(world.service.origin)
        http, headers["DPoP"] = new.http, new.proof(method, place)
    if ask.key:
        headers["Idempotency-Key"] = secrets.token_hex(8)
    return http.request(
        method, world.service.origin + ask.path, json=ask.body, headers=headers, timeout=30, allow_redirects=False
    )


OWN_THINGS = {
    "GET /api/v1/me",
    "GET /api/v1/devices",
    "POST /api/v1/session/refresh own_cookie",
    "GET /api/v1/openings/<opening_id>",
    "POST /api/v1/sign-in/invitation",
}
"""Answers that show callers their own device or opening, which may be one of the home's."""


def route_of(name: str) -> str:
    return " ".join(name.split()[:2])


def test_the_table_has_a_row_for_every_route_and_no_other(world: World) -> None:
    routes = {
        f"{method} {rule.rule}"
        for rule in world.service.made.app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert {route_of(name) for name in HTTP_ROWS} == routes
    assert set(HTTP_ROWS) == set(ASKS)


@pytest.mark.parametrize("name", HTTP_ROWS)
def test_every_role_gets_the_answer_the_table_says(world: World, name: str) -> None:
    method = name.split(maxsplit=1)[0]
    wrong = []
    for role in ROLES:
        expected = int(HTTP_ROWS[name][role])
        reply = send(world, role, method, ASKS[name](world, role))
        if reply.status_code != expected:
            wrong.append(f"{role}: {expected} expected, {reply.status_code} came: {reply.text[:200]}")
        if expected >= 400:
            assert reply.headers["Content-Type"] == "application/problem+json", (name, role)
            assert reply.json()["status"] == reply.status_code
        elif role not in {"resident", "admin"}:
            leaked = [secret for secret in world.secrets_of(world.home_of(role)) if secret in reply.text]
            if leaked and name not in OWN_THINGS:
                wrong.append(f"{role} was shown what is not theirs: {leaked}")
    assert not wrong, "\n".join([name, *wrong])


OBJECT_ROUTES = [
    name
    for name in HTTP_ROWS
    if re.search(r"<\w+_id>", name) and "404" in HTTP_ROWS[name].values() and "forged" not in name
]


@pytest.mark.parametrize("name", OBJECT_ROUTES)
def test_what_a_caller_may_not_see_looks_like_what_is_not_there(world: World, name: str) -> None:
    """The refusal for something of somebody else is, to the letter, the one for an id that never was."""
    method = name.split(maxsplit=1)[0]
    for role in (role for role in ROLES if HTTP_ROWS[name][role] == "404"):
        foreign = ASKS[name](world, role)
        nowhere = ASKS[name](world, role)
        place = re.sub(r"(?<=/)[0-9a-f]{32}", new_id(), nowhere.path)
        assert place != nowhere.path
        nowhere.path = place
        seen, unseen = (send(world, role, method, ask) for ask in (foreign, nowhere))
        assert seen.json() == unseen.json(), (name, role)


# sockets


class Link:
    """A bare socket connection with this auth."""

    def __init__(self, origin: str, namespace: str, auth: Any) -> None:
        self.namespace = namespace
        self.client = socketio.Client(reconnection=False)
        self.refused: str | None = None
        self.client.on("connect_error", self._refused, namespace=namespace)
        try:
            self.client.connect(origin, namespaces=[namespace], transports=["websocket"], auth=auth, wait_timeout=10)
        except RefusedError:
            assert self.refused is not None, "the refusal has a reason"

    def _refused(self, reason: Any = None) -> None:
        self.refused = reason["message"] if isinstance(reason, dict) else str(reason)

    def ask(self, event: str, body: Any) -> str:
        """`ok`, or the slug of the problem."""
        answer = self.client.call(event, body, namespace=self.namespace, timeout=10)
        problem = answer.get("problem")
        return problem["type"].rpartition("/")[2] if problem else "ok"

    def close(self) -> None:
        self.client.disconnect()


def auth_of(world: World, role: str, namespace: str) -> Any:
    phone = world.caller(role)
    if namespace == "/station" and role in world.stations:
        return world.stations[role].hello()
    if role in world.stations:
        return world.stations[role].hello()
    return phone.socket_auth() if phone.token else None


def signal(call_id: str, **more: str) -> dict[str, Any]:
    return {"call_id": call_id, "description": {"type": "offer", "sdp": SDP}, **more}


def body_of(world: World, role: str, namespace: str, event: str) -> Any:
    if namespace == "/resident":
        call = {"call_id": ring(world, role)}
        others = world.another("neighbour" if role != "neighbour" else "foreigner")
        return {
            "authenticate": world.caller(role).socket_auth,
            "authenticate:others": others.socket_auth,
            "signal": lambda: signal(call["call_id"]),
        }.get(event, lambda: call)()
    home = world.family
    call_id = world.call(home, legs_of=(world.caller("resident").device_id,))
    now = iso(utc_now())
    bodies: dict[str, Callable[[], Any]] = {
        "heartbeat": lambda: {
            "sent_at_ms": 1,
            "software": "matrix 1",
            "config_version": 1,
            "doors": [{"door_id": home.door_id, "contact": "closed"}],
        },
        "press": lambda: {"request_id": secrets.token_hex(8), "dial": "1302"},
        "hangup": lambda: {"call_id": call_id, "reason": "visitor"},
        "signal": lambda: signal(call_id, leg_id=world.leg_of(call_id)),
        "open.result": lambda: {"command_id": world.opening(home), "result": "opened", "detail": None, "at": now},
        "event": lambda: {
            "event_id": secrets.token_hex(16),
            "seq": 1,
            "kind": "door_closed",
            "door_id": home.door_id,
            "at": now,
            "detail": None,
        },
        "picture": lambda: {"moment": "press", "call_id": call_id, "command_id": None, "at": now, "jpeg": JPEG},
        "config.applied": lambda: {"version": 1},
        "no.such.event": dict,
    }
    if event == "press":
        world.call(home, ringing=False)
    return bodies[event]()


def test_the_table_has_a_row_for_every_socket_event_and_no_other() -> None:
    known = {f"/resident {event}" for event in ResidentNamespace.EVENTS}
    known |= {f"/station {event}" for event in StationNamespace.EVENTS}
    for namespace in ("/resident", "/station"):
        known |= {f"{namespace} connect", f"{namespace} no.such.event"}
    assert {name.partition(":")[0] for name in SOCKET_ROWS} == known


@pytest.mark.parametrize("name", SOCKET_ROWS)
def test_every_role_gets_the_acknowledgement_the_table_says(world: World, name: str) -> None:
    namespace, _, event = name.partition(" ")
    came = {}
    for role in ROLES:
        if event == "connect:unpaired":
            stranger = TestStation(world.service.origin)
            auth = sign_hello(stranger.key, new_id(), audience="gatehouse", issued_at_ms=stranger_now(), software="x 1")
        else:
            auth = auth_of(world, role, namespace)
        link = Link(world.service.origin, namespace, auth)
        if event.startswith("connect"):
            came[role] = link.refused or "ok"
        elif link.refused:
            came[role] = "-"
        else:
            came[role] = link.ask(event.partition(":")[0], body_of(world, role, namespace, event))
        link.close()
    assert came == SOCKET_ROWS[name]


def stranger_now() -> int:
    return int(utc_now().timestamp() * 1000)
