"""Who may end what: the visitor ends ring and talk, the phone that has the talk ends it, nobody else does."""

import pytest

from backend.communities import CommunityKind
from tests.support.service import Service


def test_a_visitor_who_walks_away_ends_the_ring_everywhere(service: Service, kind: CommunityKind) -> None:
    mum, son = service.phone("mum", kind=kind), service.phone("son", kind=kind)
    station = service.station(kind=kind)
    call_id = station.press()["call"]["id"]

    ended = station.hang_up(call_id)["call"]

    assert ended["end_reason"] == "visitor_hung_up"
    assert {leg["state"] for leg in ended["legs"]} == {"ended"}
    for phone in (mum, son):
        told = phone.told(call_id, "ended")
        assert (told["end_reason"], told["missed"]) == ("visitor_hung_up", True)
    assert mum.answer(call_id).status_code == 410


def test_a_visitor_who_hangs_up_ends_the_talk_and_no_call_was_missed(service: Service, kind: CommunityKind) -> None:
    mum = service.phone("mum", kind=kind)
    station = service.station(kind=kind)
    call_id = station.press()["call"]["id"]
    mum.answer(call_id)

    station.hang_up(call_id)

    told = mum.told(call_id, "ended")
    assert (told["end_reason"], told["missed"], told["answered_by"]["name"]) == ("visitor_hung_up", False, "妈妈")


def test_only_the_phone_that_has_the_talk_hangs_up(service: Service) -> None:
    mum, son = service.phone("mum"), service.phone("son")
    station = service.station()
    call_id = station.press()["call"]["id"]
    mum.answer(call_id)

    other = son.hang_up(call_id)
    assert other.status_code == 409
    assert mum.get(f"/calls/{call_id}")["state"] == "answered"

    own = mum.hang_up(call_id).json()["call"]
    assert (own["end_reason"], own["ended_by"]["name"]) == ("resident_hung_up", "妈妈")
    assert station.ended(call_id)["end_reason"] == "resident_hung_up"


def test_hanging_up_a_call_that_rings_does_not_end_it(service: Service) -> None:
    mum = service.phone("mum")
    call_id = service.station().press()["call"]["id"]
    mum.hang_up(call_id)
    assert mum.get(f"/calls/{call_id}")["state"] == "ringing"


def test_hanging_up_again_changes_nothing(service: Service) -> None:
    mum = service.phone("mum")
    station = service.station()
    call_id = station.press()["call"]["id"]
    mum.answer(call_id)
    first = mum.hang_up(call_id).json()["call"]
    again = mum.hang_up(call_id).json()["call"]
    at_the_door = station.hang_up(call_id)["call"]
    assert (again["version"], again["end_reason"]) == (first["version"], "resident_hung_up")
    assert at_the_door["end_reason"] == "resident_hung_up"


@pytest.mark.parametrize(("reason", "told"), [("media_failed", "media_failed"), ("station_restarted", "station_lost")])
def test_a_station_that_cannot_go_on_with_a_talk_says_why(service: Service, reason: str, told: str) -> None:
    mum = service.phone("mum")
    station = service.station()
    call_id = station.press()["call"]["id"]
    mum.answer(call_id)
    assert station.hang_up(call_id, reason)["call"]["end_reason"] == told
    assert mum.told(call_id, "ended")["end_reason"] == told


def test_a_station_cannot_hang_up_another_stations_call(service: Service) -> None:
    mum = service.phone("mum")
    call_id = service.station().press()["call"]["id"]
    gate = service.station(gate=True)
    assert gate.hang_up(call_id)["problem"]["status"] == 404
    assert mum.get(f"/calls/{call_id}")["state"] == "ringing"


def test_after_every_end_the_next_visitor_can_ring(service: Service) -> None:
    mum = service.phone("mum")
    station = service.station()
    for end in (
        station.hang_up,
        mum.decline,
        lambda call_id: (mum.answer(call_id), mum.hang_up(call_id)),
        lambda call_id: mum.open(service.doors()[0], call_id=call_id),
    ):
        call_id = station.press()["call"]["id"]
        mum.rings(call_id)
        end(call_id)
        assert mum.get(f"/calls/{call_id}")["state"] == "ended"
    assert mum.get("/calls?state=active")["items"] == []
