"""Pictures: outside the web root, shown by short-lived signed links only (clause 8(1)-(12))."""

import time
from urllib.parse import parse_qs, urlsplit

import requests

from backend.clock import utc_now
from tests.support.service import Service
from tests.support.stations import JPEG


def link_of(service: Service) -> str:
    mum = service.phone("mum")
    station = service.station()
    call_id = station.press()["call"]["id"]
    station.picture(call_id)
    url: str = mum.get(f"/calls/{call_id}")["pictures"][0]["url"]
    return url


def test_a_signed_link_shows_the_picture_without_a_sign_in(service: Service) -> None:
    shown = requests.get(service.origin + link_of(service), timeout=10)
    assert shown.status_code == 200
    assert shown.content == JPEG
    assert shown.headers["Content-Type"] == "image/jpeg"
    assert "private" in shown.headers["Cache-Control"]


def test_a_link_that_was_changed_anywhere_shows_nothing(service: Service) -> None:
    url = link_of(service)
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    picture_id = parts.path.rpartition("/")[2]
    signature = query["signature"]
    tampered = [
        {**query, "expires": str(int(query["expires"]) + 1)},
        {**query, "expires": str(int(query["expires"]) + 10**6)},
        {**query, "signature": signature[:-1] + ("0" if signature[-1] != "0" else "1")},
        {**query, "signature": "0" * 64},
        {**query, "signature": signature.upper()},
    ]
    for changed in tampered:
        assert requests.get(service.origin + parts.path, params=changed, timeout=10).status_code == 404, changed
    other = parts.path.replace(picture_id, "0" * 32)
    assert requests.get(service.origin + other, params=query, timeout=10).status_code == 404
    for missing in ("expires", "signature"):
        left = {name: value for name, value in query.items() if name != missing}
        assert requests.get(service.origin + parts.path, params=left, timeout=10).status_code in {404, 422}
    assert requests.get(service.origin + url, timeout=10).status_code == 200


def test_a_link_ends_after_ten_minutes(service: Service) -> None:
    url = link_of(service)
    expires = int(parse_qs(urlsplit(url).query)["expires"][0])
    assert 590 <= expires - time.time() <= 600
    picture_id = urlsplit(url).path.rpartition("/")[2]
    from datetime import timedelta

    over = service.made.services.pictures.link(picture_id, now=utc_now() - timedelta(minutes=10, seconds=1))
    assert requests.get(service.origin + over, timeout=10).status_code == 404


def test_files_lie_in_the_data_folder_and_are_not_listed_or_reached_by_path(service: Service) -> None:
    url = link_of(service)
    files = [path for path in service.settings.pictures.rglob("*") if path.is_file()]
    assert len(files) == 1
    assert files[0].read_bytes() == JPEG
    assert files[0].parent.stat().st_mode & 0o077 == 0, "nobody else on the machine reads them"
    name = files[0].name
    for path in (
        "/pictures",
        "/pictures/",
        f"/pictures/{name}",
        f"/assets/{name}",
        "/api/v1/pictures",
        "/api/v1/pictures/",
        f"/assets/../../{name}",
        f"/api/v1/pictures/..%2f{name}",
        urlsplit(url).path,
    ):
        status = requests.get(service.origin + path, timeout=10).status_code
        assert status in {404, 405, 422}, (path, status)


def test_pictures_of_press_answer_and_opening_stand_with_their_call_and_record(service: Service) -> None:
    mum, station = service.phone("mum"), service.station()
    (door,) = service.doors()
    call_id = station.press()["call"]["id"]
    station.picture(call_id, "press")
    mum.answer(call_id)
    station.picture(call_id, "answer")
    opening = mum.open(door, call_id=call_id).json()
    station.picture(call_id, "opening", command_id=opening["id"])
    moments = [p["moment"] for p in mum.get(f"/calls/{call_id}")["pictures"]]
    assert moments == ["press", "answer", "opening"]
    (record,) = mum.get("/records")["items"]
    assert [p["moment"] for p in record["pictures"]] == ["opening"]
    assert requests.get(service.origin + record["pictures"][0]["url"], timeout=10).content == JPEG


def test_a_record_without_a_picture_says_why(service: Service) -> None:
    mum, station = service.phone("mum"), service.station()
    (door,) = service.doors()
    mum.open(door)
    assert mum.get("/records")["items"][0]["pictures"] == [
        {"moment": "opening", "url": None, "missing": "not_received"}
    ]
    opening = mum.open(door).json()
    station.picture(moment="opening", command_id=opening["id"], jpeg=None, missing="camera_failed")
    assert mum.get("/records")["items"][0]["pictures"][0]["missing"] == "camera_failed"
