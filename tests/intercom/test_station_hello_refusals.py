"""Hellos and pairings that must not pass (docs/station-protocol.md, sections 1 and 2), against the real server."""

import base64
import secrets
import time
from datetime import timedelta

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.clock import utc_now
from intercom.station_hello import sign_pairing
from intercom.stations import Station
from tests.support.service import Service
from tests.support.stations import TestStation


def test_a_hello_is_good_for_one_use(service: Service) -> None:
    station = service.station(connect=False)
    hello = station.hello()
    station.connect(hello)
    station.close()
    refused = station.refusal(hello)
    assert refused["message"] == "hello-replayed"
    assert refused["data"]["status"] == 401
    station.connect()


@pytest.mark.parametrize("offset_ms", [-61_000, 61_000, -(10**12)])
def test_a_station_with_a_wrong_clock_learns_the_servers_time_and_corrects_itself(
    service: Service, offset_ms: int
) -> None:
    station = service.station(connect=False)
    refused = station.refusal(station.hello(issued_at_ms=int(time.time() * 1000) + offset_ms))
    assert refused["message"] == "hello-expired"
    assert abs((utc_now() - _time(refused["data"]["server_time"])).total_seconds()) < 30
    station.connect()


def _time(text: str):
    from datetime import datetime

    return datetime.fromisoformat(text)


def test_a_foreign_key_an_unknown_station_and_a_wrong_audience_are_told_the_same(service: Service) -> None:
    station = service.station(connect=False)
    good = station.hello()
    stranger = TestStation(service.origin)
    stranger.station_id, stranger.audience = station.station_id, station.audience
    nobody = TestStation(service.origin)
    nobody.station_id, nobody.audience = secrets.token_hex(16), station.audience
    refusals = [
        stranger.refusal(stranger.hello()),
        nobody.refusal(nobody.hello()),
        station.refusal(station.hello(audience="another service")),
    ]
    assert [r["message"] for r in refusals] == ["station-unknown"] * 3
    assert len({str(r["data"]) for r in refusals}) == 1
    station.connect(good)


def test_a_hello_changed_anywhere_is_refused(service: Service) -> None:
    station = service.station(connect=False)
    other = service.station(gate=True, connect=False)
    changes = {
        "station_id": other.station_id,
        "issued_at_ms": int(time.time() * 1000) - 5,
        "nonce": base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode(),
        "signature": base64.urlsafe_b64encode(secrets.token_bytes(64)).rstrip(b"=").decode(),
    }
    for name, value in changes.items():
        assert station.refusal({**station.hello(), name: value})["message"] == "station-unknown", name


MALFORMED = {
    "protocol": [2, "1", None],
    "station_id": [7, None, "", "x" * 65],
    "audience": [None, 3],
    "issued_at_ms": ["now", None, 1.5, True],
    "nonce": ["", "short", "!" * 22, None, "A" * 23],
    "software": [None, "x" * 101],
    "signature": ["", "A" * 85, "=" * 86, None],
}


def test_a_malformed_hello_is_refused_and_the_next_good_one_passes(service: Service) -> None:
    station = service.station(connect=False)
    good = station.hello()
    tried = [{**good, name: value} for name, values in MALFORMED.items() for value in values]
    tried += [{k: v for k, v in good.items() if k != name} for name in good]
    for hello in [*tried, "hello", ["hello"], 5, {}]:
        refused = station.refusal(hello)
        assert refused["message"] == "hello-malformed", hello
        assert refused["data"]["status"] == 400
    station.connect(good)


def test_pairing_again_drops_the_earlier_holder_who_is_then_refused(service: Service) -> None:
    station_id = service.community().unit_station_id
    first = service.station()
    second = TestStation(service.origin).pair(service.pairing_code(station_id))
    first.inbox.wait("disconnect")
    assert first.refusal(first.hello())["message"] == "station-unknown"
    second.connect()
    second.close()


def pair(service: Service, with_code: str, /, **changes: object) -> requests.Response:
    wish = sign_pairing(Ed25519PrivateKey.generate(), with_code, software="test-station 1").to_wire()
    return requests.post(f"{service.origin}/api/v1/stations/pair", json={**wish, **changes}, timeout=10)


def test_a_pairing_code_works_once_and_for_ten_minutes(service: Service) -> None:
    station_id = service.community().unit_station_id
    code = service.pairing_code(station_id)
    assert pair(service, code).status_code == 201
    assert pair(service, code).status_code == 404

    late = service.pairing_code(station_id)
    with service.db.unit_of_work() as uow:
        uow.session.get_one(Station, station_id).pairing_expires_at = utc_now() - timedelta(milliseconds=1)
    refused = pair(service, late)
    assert (refused.status_code, refused.json()["type"]) == (404, "/problems/pairing-code-unknown")


def test_a_newer_pairing_code_ends_the_earlier(service: Service) -> None:
    station_id = service.community().unit_station_id
    earlier, newer = service.pairing_code(station_id), service.pairing_code(station_id)
    assert pair(service, earlier).status_code == 404
    assert pair(service, newer).status_code == 201


def test_a_wrong_proof_does_not_use_the_code_up(service: Service) -> None:
    code = service.pairing_code(service.community().unit_station_id)
    other = sign_pairing(Ed25519PrivateKey.generate(), code, software="test-station 1")
    assert pair(service, code, proof=other.proof).status_code == 400
    assert pair(service, code, public_key=other.public_key).status_code == 400
    assert pair(service, code).status_code == 201


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "1234567"},
        {"code": "abcdefgh"},
        {"code": None},
        {"code": 12345678},
        {"public_key": "short"},
        {"public_key": "!" * 43},
        {"proof": ""},
        {"proof": 5},
        {"software": None},
        {"software": "x" * 101},
    ],
)
def test_a_malformed_pairing_is_refused_and_names_what_is_wrong(service: Service, changes: dict) -> None:
    code = service.pairing_code(service.community().unit_station_id)
    refused = pair(service, code, **changes)
    assert refused.status_code == 422, refused.text
    assert next(iter(changes)) in str(refused.json()["errors"])
    assert pair(service, code).status_code == 201


def test_guessing_pairing_codes_is_slowed_down(start_service) -> None:
    service = start_service(rate_limits=True)
    codes = [f"{n:08d}" for n in range(40)]
    statuses = [pair(service, code).status_code for code in codes]
    assert statuses[0] == 404
    assert statuses[-1] == 429
