"""Headers of every answer: a strict content policy, no sniffing, no framing by others, nothing kept by caches."""

from collections.abc import Callable, Iterator

import pytest
import requests

from tests.conftest import SeededTemplate
from tests.support.service import Service

PAGES = ["/", "/station", "/setup", "/offline", "/api/docs"]
FILES = ["/sw.js", "/manifest.webmanifest", "/icons/icon.svg", "/healthz"]
API = ["/api/v1/service", "/api/v1/me", "/api/openapi.json", "/no-such-page", "/api/v1/no-such-route"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, seeded_template: SeededTemplate) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("headers"), seeded_template)
    yield made
    made.close()


def policy(reply: requests.Response) -> dict[str, list[str]]:
    parts = [part.split() for part in reply.headers["Content-Security-Policy"].split(";")]
    return {part[0]: part[1:] for part in parts if part}


@pytest.mark.parametrize("path", PAGES + FILES + API)
def test_every_answer_carries_the_safety_headers(service: Service, path: str) -> None:
    reply = requests.get(service.origin + path, timeout=10)
    headers = reply.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "geolocation=()" in headers["Permissions-Policy"]
    rules = policy(reply)
    assert rules["default-src"] == ["'self'"]
    assert rules["script-src"] == ["'self'"]
    assert rules["style-src"] == ["'self'"]
    assert rules["object-src"] == rules["base-uri"] == ["'none'"]
    assert rules["frame-ancestors"] == ["'self'"]
    assert not [word for words in rules.values() for word in words if "unsafe" in word or word == "*" or "http" in word]
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("path", ["/api/v1/service", "/api/v1/me", "/api/v1/no-such-route", "/api/openapi.json"])
def test_answers_of_the_api_are_not_kept(service: Service, path: str) -> None:
    assert requests.get(service.origin + path, timeout=10).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", PAGES)
def test_pages_hold_no_inline_script_or_style_and_are_asked_for_anew(service: Service, path: str) -> None:
    reply = requests.get(service.origin + path, timeout=10)
    assert reply.headers["Content-Type"].startswith("text/html")
    assert reply.headers["Cache-Control"] == "no-cache"
    lowered = reply.text.lower()
    assert "<script>" not in lowered
    assert "<style" not in lowered
    assert " style=" not in lowered
    assert " onclick=" not in lowered


def test_only_the_kiosk_may_talk_to_the_relay_of_an_agent(start_service: Callable[..., Service]) -> None:
    service = start_service()
    desk = service.administrator()
    station_id = service.community().unit_station_id
    changed = desk.call(
        "PATCH", f"/staff/stations/{station_id}", {"relay": "agent", "relay_url": "http://10.0.0.9:8091"}
    )
    assert changed.status_code == 200, changed.text
    kiosk = policy(requests.get(f"{service.origin}/station", timeout=10))
    assert kiosk["connect-src"] == ["'self'", "http://10.0.0.9:8091"]
    assert policy(requests.get(f"{service.origin}/", timeout=10))["connect-src"] == ["'self'"]


@pytest.mark.parametrize(
    "url", ["http://a;script-src *", "http://a b", "javascript:alert(1)", "http://a/path", "http://x\r\nX: y", ""]
)
def test_no_relay_address_widens_the_policy(service: Service, url: str) -> None:
    desk = service.administrator()
    station_id = service.community().unit_station_id
    reply = desk.call("PATCH", f"/staff/stations/{station_id}", {"relay": "agent", "relay_url": url})
    assert reply.status_code == 422
    kiosk = policy(requests.get(f"{service.origin}/station", timeout=10))
    assert kiosk["connect-src"] == ["'self'"]


def test_behind_https_browsers_are_told_to_stay_there(start_service: Callable[..., Service]) -> None:
    service = start_service(origins=("https://gate.example.org",))
    reply = requests.get(f"{service.origin}/", timeout=10)
    assert reply.headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"


def test_the_server_says_nothing_of_people_in_its_pages(service: Service) -> None:
    for path in PAGES:
        text = requests.get(service.origin + path, timeout=10).text
        assert service.community().community_id not in text
        assert "13800000001" not in text
