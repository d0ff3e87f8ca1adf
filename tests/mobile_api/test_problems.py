"""Bad input over HTTP: each a clear problem document, nothing half-made, and the next good request works."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from sqlalchemy import func, select

from backend.db import Base
from tests.backend.identity.ways_in import slug
from tests.conftest import SeededTemplate
from tests.support.phones import Phone
from tests.support.service import Service

DEEP = "[" * 60_000
BODIES: dict[str, tuple[bytes, int]] = {
    "no JSON at all": (b"rubbish", 400),
    "cut short": (b'{"language": "z', 400),
    "not UTF-8": (b'{"language": "\xff\xfe"}', 400),
    "very deep": (DEEP.encode(), 400),
    "very deep and whole": ((DEEP + "]" * 60_000).encode(), 400),
    "a number of 5,000 digits": (b'{"language": ' + b"9" * 5000 + b"}", 400),
    "a list": (b"[]", 422),
    "a text": (b'"zh"', 422),
    "null": (b"null", 422),
    "a number": (b"7", 422),
    "an unknown member": (b'{"languge": "zh"}', 422),
    "too large": (b'{"language": "' + b"z" * 200_000 + b'"}', 413),
}
WRONG: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    " ",
    "x" * 5000,
    "9" * 200,
    "\x00",
    "\ud800",
    "‮",
    [],
    [[]],
    {},
    {"a": 1},
    [None],
    float("nan"),
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "'; DROP TABLE account; --",
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, seeded_template: SeededTemplate) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("problems"), seeded_template)
    yield made
    made.close()


@pytest.fixture(scope="module")
def mum(service: Service) -> Phone:
    return service.phone("mum", connect=False)


@pytest.fixture(scope="module")
def desk(service: Service) -> Phone:
    return service.administrator()


def send(
    phone: Phone, method: str, path: str, data: bytes, content_type: str = "application/json"
) -> requests.Response:
    headers = {**phone.headers(method, f"/api/v1{path}"), "Content-Type": content_type, "Idempotency-Key": "x" * 8}
    return phone.http.request(method, f"{phone.origin}/api/v1{path}", data=data, headers=headers, timeout=30)


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_that_cannot_be_read_is_refused_and_the_next_good_one_works(mum: Phone, kind: str) -> None:
    data, status = BODIES[kind]
    reply = send(mum, "PATCH", "/me", data)
    assert reply.status_code == status, reply.text
    slug(reply)
    assert mum.call("PATCH", "/me", {"language": "zh"}).status_code == 204


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x", ""])
def test_a_body_of_another_type_is_415(mum: Phone, content_type: str) -> None:
    reply = send(mum, "PATCH", "/me", b'{"language": "zh"}', content_type)
    assert reply.status_code == 415
    assert slug(reply) == "unsupported-media-type"


def test_unknown_paths_and_methods_are_problems_too(service: Service) -> None:
    missing = requests.get(f"{service.origin}/api/v1/no-such-route", timeout=10)
    assert (missing.status_code, slug(missing)) == (404, "not-found")
    for method in ("PUT", "DELETE", "TRACE", "PROPFIND"):
        reply = requests.request(method, f"{service.origin}/api/v1/service", timeout=10)
        assert (reply.status_code, slug(reply)) == (405, "method-not-allowed")
        assert set(reply.headers["Allow"].split(", ")) >= {"GET", "HEAD"}


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../app.py",
        "/assets/..%2f..%2fapp.py",
        "/assets/%2e%2e/%2e%2e/config.py",
        "/icons/..%5c..%5capp.py",
        "/assets//etc/passwd",
        "/assets/%00",
        "/api/v1/pictures/..%2f..%2fgatehouse.db?expires=1&signature=x",
    ],
)
def test_no_path_leads_out_of_the_folder_of_pages(service: Service, path: str) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    status = int(answer.split(b" ", 2)[1])
    assert 400 <= status < 500 or status in {301, 308}, answer[:200]
    assert b"SQLite format" not in answer
    assert b"import " not in answer


@pytest.mark.parametrize(
    "text",
    [
        b"rubbish\r\n\r\n",
        b"GET /api/v1/service HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"x" * 70_000 + b"\r\n\r\n",
        b"POST /api/v1/sign-in/codes HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/sign-in/codes HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\nConnection: close\r\n\r\n",
        b"POST /api/v1/sign-in/codes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\nZZZ\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
    ],
)
def test_broken_http_hurts_nobody_else(service: Service, text: bytes) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as line:
        line.sendall(text)
        line.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    assert b" 500 " not in answer[:20]
    assert b"Traceback" not in answer
    assert requests.get(f"{service.origin}/healthz", timeout=10).json()["status"] == "ok"


# every member of every body, wrong


def bodies(service: Service) -> list[tuple[str, str, str, dict[str, Any]]]:
    """(who, method, path, a good body) of every operation that takes one."""
    home, device = service.community(), {"name": "x"}
    person = {"name": "新", "phone": "13755556666", "relation": "tenant", "ends_at": "2026-12-31T00:00:00Z"}
    station = {"name": "新", "kind": "unit", "door_ids": ["x"], "building_ids": ["y"], "unit_id": "z", "relay": "none"}
    door = {"name": "门", "kind": "gate", "building_id": "x", "unit_id": "y", "device_id": "3" * 20, "hold_s": 5}
    settings = {"name": "新", "ring_s": 45, "talk_s": 120, "language": "zh", "relay": "none", "device_id": "3" * 20}
    set_up = {
        "code": "12345678",
        "administrator": {"name": "a", "phone": "13800005555", "password": "a long password"},
        "community": {"name": "c", "kind": "open", "address_code": "1", "timezone": "Asia/Shanghai"},
        "device": device,
    }
    pairing = {"code": "12345678", "public_key": "A" * 43, "software": "x", "proof": "A" * 86}
    return [
        ("nobody", "POST", "/setup", set_up),
        ("nobody", "POST", "/sign-in/codes", {"phone": "13800000001"}),
        ("nobody", "POST", "/sign-in/phone", {"request_id": "x", "code": "123456", "device": device}),
        ("nobody", "POST", "/sign-in/invitation", {"code": "12345678", "name": "x", "device": device}),
        ("nobody", "POST", "/sign-in/password", {"phone": "13712345678", "password": "x", "device": device}),
        ("nobody", "POST", "/stations/pair", pairing),
        ("mum", "PATCH", "/me", {"language": "zh"}),
        ("mum", "POST", "/me/privacy-consents", {"version": "2026-11"}),
        (
            "mum",
            "POST",
            "/invitations",
            {"household_id": home.family_household_id, "relation": "tenant", "ends_at": "2030-01-01T00:00:00Z"},
        ),
        ("mum", "POST", "/leases", {"household_id": home.let_household_id, "ends_at": "2030-01-01T00:00:00Z"}),
        ("mum", "POST", "/doors/x/openings", {"call_id": "x"}),
        ("desk", "PATCH", "/staff/community", {"name": "幸福里小区", "address_code": "330106001001"}),
        ("desk", "POST", "/staff/buildings", {"name": "2栋", "number": "2", "address_code": "1"}),
        ("desk", "POST", "/staff/buildings/x/units", {"name": "1", "number": "1", "address_code": "1"}),
        ("desk", "POST", "/staff/households", {"building_id": "x", "unit_id": "y", "rooms": ["101"]}),
        ("desk", "POST", f"/staff/households/{home.let_household_id}/residents", person),
        ("desk", "POST", "/staff/doors", door),
        ("desk", "POST", "/staff/stations", station),
        ("desk", "PATCH", f"/staff/stations/{home.unit_station_id}", settings),
    ]


def spoilt(body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The body with one member, at any depth, wrong, missing, or one too many."""
    for name, value in body.items():
        for wrong in WRONG:
            yield f"{name}={wrong!r:.30}", {**body, name: wrong}
        yield f"no {name}", {key: kept for key, kept in body.items() if key != name}
        if isinstance(value, dict):
            for label, inner in spoilt(value):
                yield f"{name}.{label}", {**body, name: inner}
        if isinstance(value, list):
            for wrong in WRONG:
                yield f"{name}[0]={wrong!r:.30}", {**body, name: [wrong]}
    yield "one more", {**body, "more": 1}


def counted(service: Service) -> dict[str, int]:
    """How many rows each table has."""
    with service.db.reading() as session:
        return {
            name: session.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in Base.metadata.tables.items()
        }


@pytest.mark.parametrize("place", range(19))
def test_wrong_values_in_every_member_are_refused_by_name(
    service: Service, mum: Phone, desk: Phone, place: int
) -> None:
    """No 5xx whatever is sent; what is refused leaves not one row behind; a 422 names the member."""
    operations = bodies(service)
    assert len(operations) == 19
    who, method, path, good = operations[place]
    phone = {"nobody": Phone(service.origin), "mum": mum, "desk": desk}[who]
    refused = 0
    for number, (label, body) in enumerate(spoilt(good)):
        before = counted(service) if number % 10 == 0 else None
        headers = {**phone.headers(method, f"/api/v1{path}"), "Content-Type": "application/json"}
        if path.endswith("/openings"):
            headers["Idempotency-Key"] = f"spoilt-{number}"
        reply = phone.http.request(
            method, f"{phone.origin}/api/v1{path}", data=json.dumps(body), headers=headers, timeout=30
        )
        assert reply.status_code < 500, (path, label, reply.text)
        if reply.status_code >= 400:
            refused += 1
            kind = slug(reply)
            if kind == "validation-failed":
                assert reply.json()["errors"], (path, label)
            if before is not None:
                assert counted(service) == before, (path, label, reply.text)
    assert refused >= len(WRONG) // 2
    assert mum.get("/me")["account"]["name"] == "妈妈"


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "limit=1e3", "limit=-1", "cursor=zz", "state=some"]
)
def test_queries_that_cannot_be_used_are_refused_by_name(mum: Phone, query: str) -> None:
    reply = mum.call("GET", f"/calls?{query}")
    assert slug(reply) == "validation-failed"
    assert reply.json()["errors"][0]["field"].endswith(query.partition("=")[0])


@pytest.mark.parametrize("identifier", ["x", "0" * 32, "9" * 200, "%00", "%F0%9F%9A%AA", "..", "'--", "%2F", "a b"])
def test_identifiers_of_nothing_are_not_found(mum: Phone, identifier: str) -> None:
    reply = mum.call("GET", f"/calls/{identifier}")
    assert reply.status_code in {401, 404}, reply.text
    slug(reply)


@pytest.mark.parametrize("key", [None, "", "x" * 81])
def test_an_opening_without_a_usable_key_opens_nothing(mum: Phone, key: str | None) -> None:
    door_id = mum.get("/doors")["items"][0]["id"]
    reply = mum.call("POST", f"/doors/{door_id}/openings", {}, key=key)
    assert slug(reply) == "validation-failed"
    assert reply.json()["errors"][0]["field"] == "Idempotency-Key"
    assert mum.get("/records")["items"] == []
