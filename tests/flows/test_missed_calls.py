"""A visitor nobody answered is told so politely and stays with the home as a missed call (clause 8(1)b)."""

from backend.communities import CommunityKind
from tests.support.service import Service


def test_with_no_page_open_the_call_ends_at_once_and_is_missed(service: Service, kind: CommunityKind) -> None:
    mum = service.phone("mum", kind=kind, connect=False)
    station = service.station(kind=kind)

    placed = station.press()["call"]

    assert (placed["state"], placed["end_reason"]) == ("ended", "nobody_connected")
    station.picture(placed["id"])
    listed = mum.get("/calls")["items"]
    assert [(c["end_reason"], c["missed"], c["my_leg"]) for c in listed] == [("nobody_connected", True, None)]
    assert listed[0]["pictures"][0]["url"] is not None


def test_an_empty_home_is_rung_politely_and_nobody_sees_the_call(service: Service) -> None:
    mum = service.phone("mum")
    placed = service.station().press("101")["call"]
    assert placed["end_reason"] == "nobody_connected"
    assert mum.get("/calls")["items"] == []


def test_when_the_ring_time_is_over_every_phone_and_the_station_are_told(service: Service, kind: CommunityKind) -> None:
    service.set_times(ring_s=1, kind=kind)
    mum, son = service.phone("mum", kind=kind), service.phone("son", kind=kind)
    station = service.station(kind=kind)
    call_id = station.press()["call"]["id"]

    ended = station.ended(call_id)

    assert ended["end_reason"] == "no_answer"
    assert ended["ended_at"] >= ended["expires_at"]
    assert {leg["state"] for leg in ended["legs"]} == {"ended"}
    for phone in (mum, son):
        told = phone.told(call_id, "ended")
        assert (told["end_reason"], told["missed"]) == ("no_answer", True)
    late = mum.answer(call_id)
    assert late.status_code == 410
    assert late.json()["end_reason"] == "no_answer"


def test_an_answer_after_the_expiry_is_refused_even_before_housekeeping_has_ended_the_ring(service: Service) -> None:
    service.made.tender.stop()
    service.set_times(ring_s=1)
    mum = service.phone("mum")
    placed = service.station().press()["call"]
    while mum.get(f"/calls/{placed['id']}")["server_time"] < placed["expires_at"]:
        pass

    late = mum.answer(placed["id"])

    assert late.status_code == 410, "no phone answers past the call's absolute expiry"
    assert mum.get(f"/calls/{placed['id']}")["answered_at"] is None


def test_a_missed_call_without_a_picture_says_why(service: Service) -> None:
    mum = service.phone("mum", connect=False)
    station = service.station()
    silent = station.press()["call"]["id"]
    broken = station.press()["call"]["id"]
    assert "picture_id" in station.picture(broken, jpeg=None, missing="camera_failed")

    by_id = {call["id"]: call["pictures"] for call in mum.get("/calls")["items"]}

    assert by_id[silent] == [{"moment": "press", "url": None, "missing": "not_received"}]
    assert by_id[broken] == [{"moment": "press", "url": None, "missing": "camera_failed"}]


def test_the_list_of_calls_pages_from_the_newest_to_the_oldest_without_gaps(service: Service) -> None:
    mum = service.phone("mum", connect=False)
    station = service.station()
    placed = [station.press()["call"]["id"] for _ in range(7)]

    seen, cursor = [], ""
    while True:
        page = mum.get(f"/calls?limit=3&cursor={cursor}")
        seen += [call["id"] for call in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen, reverse=True) == seen
    assert set(seen) == set(placed)
    assert len(seen) == len(placed)
