"""After a lost connection or a restart, phone and station learn the true state before anything else (R9, R068)."""

from collections.abc import Callable

import pytest

from backend.communities import CommunityKind
from tests.support.phones import Phone
from tests.support.service import Service


def first_state(phone: Phone) -> dict:
    """What a page hears first of all; nothing may ring before it."""
    event, body = phone.inbox.messages[0][1:]
    assert event == "state"
    return body


def test_a_phone_that_connects_late_is_told_the_ring_before_anything_else(
    service: Service, kind: CommunityKind
) -> None:
    service.phone("mum", kind=kind)
    dad = service.phone("dad", kind=kind, connect=False)
    call_id = service.station(kind=kind).press()["call"]["id"]

    dad.connect()

    (call,) = first_state(dad)["calls"]
    assert (call["id"], call["state"], call["my_leg"]) == (call_id, "ringing", "ringing")
    assert dad.ask("call.received", {"call_id": call_id}) == {"ok": True}
    assert dad.answer(call_id).status_code == 200


def test_a_phone_that_connects_after_the_answer_learns_who_has_the_talk_and_never_rings(service: Service) -> None:
    mum, dad = service.phone("mum"), service.phone("dad", connect=False)
    call_id = service.station().press()["call"]["id"]
    mum.answer(call_id)
    dad.connect()
    (call,) = first_state(dad)["calls"]
    assert (call["state"], call["my_leg"], call["answered_by"]["name"]) == ("answered", "completed_elsewhere", "妈妈")
    assert dad.inbox.of("call") == []


def test_a_phone_that_connects_after_the_end_hears_of_no_call(service: Service) -> None:
    mum, dad = service.phone("mum"), service.phone("dad", connect=False)
    station = service.station()
    station.hang_up(station.press()["call"]["id"])
    dad.connect()
    assert first_state(dad)["calls"] == []
    assert mum.get("/calls?state=active")["items"] == []


def test_a_phone_that_missed_an_answer_while_it_was_away_learns_it_on_its_return(service: Service) -> None:
    mum, son = service.phone("mum"), service.phone("son")
    call_id = service.station().press()["call"]["id"]
    son.rings(call_id)
    son.leave()
    mum.answer(call_id)
    son.inbox.clear()

    son.connect()

    (call,) = first_state(son)["calls"]
    assert (call["state"], call["my_leg"]) == ("answered", "completed_elsewhere")


def test_a_phone_approved_while_it_rings_can_answer(service: Service) -> None:
    mum = service.phone("mum")
    code = service.phone_code("13800000003")
    son = Phone(service.origin, "son")
    son.accept(son.call("POST", "/sign-in/phone", {**code, "device": {"name": "son"}}))
    assert son.session["device"]["state"] == "pending"
    call_id = service.station().press()["call"]["id"]
    assert son.answer(call_id).status_code == 403, "a text message alone never lets a phone in"

    assert mum.call("POST", f"/devices/{son.device_id}/approve").status_code == 204
    son.connect()
    (call,) = first_state(son)["calls"]
    assert (call["id"], call["state"]) == (call_id, "ringing")
    answered = son.answer(call_id)
    assert answered.status_code == 200, answered.text
    assert mum.told(call_id, "answered")["answered_by"]["name"] == "儿子"
    son.close()


def test_a_station_that_reconnects_is_welcomed_with_its_call(service: Service, kind: CommunityKind) -> None:
    mum = service.phone("mum", kind=kind)
    station = service.station(kind=kind)
    call_id = station.press()["call"]["id"]
    station.close()
    mum.answer(call_id)
    station.inbox.clear()

    station.connect()

    welcome = station.inbox.wait("welcome")
    assert (welcome["call"]["id"], welcome["call"]["state"]) == (call_id, "answered")
    assert station.inbox.messages[0][1] == "welcome"
    station.hang_up(call_id)
    assert mum.told(call_id, "ended")["end_reason"] == "visitor_hung_up"
    station.close()
    station.inbox.clear()
    station.connect()
    assert station.inbox.wait("welcome")["call"] is None


def test_a_newer_connection_of_a_station_replaces_the_older(service: Service) -> None:
    mum = service.phone("mum")
    station = service.station()
    older = station.socket
    station.inbox.clear()
    station.connect()
    station.inbox.wait("disconnect")
    assert older is not None
    assert not older.connected
    assert station.press()["call"]["state"] == "ringing"
    assert mum.get("/doors")["items"][0]["station_online"] is True


@pytest.mark.parametrize("talking", [False, True])
def test_a_station_silent_for_three_heartbeats_is_lost_and_its_call_ends(
    start_service: Callable[..., Service], talking: bool
) -> None:
    service = start_service(heartbeat_s=1)
    mum = service.phone("mum")
    station = service.station()
    call_id = station.press()["call"]["id"]
    if talking:
        mum.answer(call_id)

    told = mum.told(call_id, "ended", timeout=15)

    assert told["end_reason"] == "station_lost"
    assert told["missed"] is not talking
    station.inbox.wait("disconnect")
    assert mum.get("/doors")["items"][0]["station_online"] is False


def test_a_talk_ends_when_its_phone_stays_away(start_service: Callable[..., Service]) -> None:
    service = start_service(phone_grace_s=1)
    mum = service.phone("mum")
    station = service.station()
    call_id = station.press()["call"]["id"]
    mum.answer(call_id)
    mum.leave()
    assert station.ended(call_id)["end_reason"] == "phone_lost"


def test_a_phone_that_answers_with_its_page_still_away_has_the_grace_to_open_it(
    start_service: Callable[..., Service],
) -> None:
    service = start_service(phone_grace_s=2)
    service.phone("mum")
    dad = service.phone("dad", connect=False)
    station = service.station()
    while not service.made.residents.gone(dad.device_id):
        dad.get("/service")
    call_id = station.press()["call"]["id"]
    dad.answer(call_id)
    service.made.tender.beat()
    assert dad.get(f"/calls/{call_id}")["state"] == "answered"
    assert station.ended(call_id)["end_reason"] == "phone_lost", "and no longer"


def test_a_talk_outlives_a_short_absence_of_its_phone(start_service: Callable[..., Service]) -> None:
    service = start_service(phone_grace_s=600)
    mum = service.phone("mum")
    call_id = service.station().press()["call"]["id"]
    mum.answer(call_id)
    mum.leave()
    service.made.tender.beat()
    mum.inbox.clear()
    mum.connect()
    (call,) = first_state(mum)["calls"]
    assert (call["state"], call["my_leg"]) == ("answered", "answered")


def test_a_ring_survives_a_restart_and_can_be_answered(service: Service) -> None:
    mum, son = service.phone("mum"), service.phone("son")
    station = service.station()
    call_id = station.press()["call"]["id"]

    service.restart()

    for thing in (mum, son, station):
        thing.inbox.wait("disconnect")
        thing.inbox.clear()
        thing.connect()
    assert [(c["id"], c["state"]) for c in first_state(mum)["calls"]] == [(call_id, "ringing")]
    assert station.inbox.wait("welcome")["call"]["id"] == call_id
    assert mum.answer(call_id).status_code == 200
    assert son.told(call_id, "answered")["answered_by"]["name"] == "妈妈"
    assert station.inbox.wait("call", lambda c: c["state"] == "answered")["id"] == call_id


def test_a_ring_nobody_returns_to_after_a_restart_still_ends_at_its_expiry(service: Service) -> None:
    service.set_times(ring_s=2)
    mum = service.phone("mum")
    station = service.station()
    placed = station.press()["call"]

    service.restart()
    station.inbox.wait("disconnect")
    station.inbox.clear()
    station.connect()

    ended = station.ended(placed["id"])
    assert ended["end_reason"] == "no_answer"
    assert mum.get(f"/calls/{placed['id']}")["missed"] is True


def test_a_talk_survives_a_restart_until_it_is_hung_up(service: Service) -> None:
    mum = service.phone("mum")
    station = service.station()
    call_id = station.press()["call"]["id"]
    mum.answer(call_id)

    service.restart()
    for thing in (mum, station):
        thing.inbox.wait("disconnect")
        thing.inbox.clear()
        thing.connect()

    assert [(c["id"], c["my_leg"]) for c in first_state(mum)["calls"]] == [(call_id, "answered")]
    assert mum.hang_up(call_id).json()["call"]["end_reason"] == "resident_hung_up"
    assert station.ended(call_id)["end_reason"] == "resident_hung_up"


def test_after_a_restart_a_talk_without_its_phone_ends(start_service: Callable[..., Service]) -> None:
    service = start_service(phone_grace_s=1)
    mum = service.phone("mum")
    station = service.station()
    call_id = station.press()["call"]["id"]
    mum.answer(call_id)
    service.restart()
    station.inbox.wait("disconnect")
    station.inbox.clear()
    station.connect()
    assert station.ended(call_id)["end_reason"] == "phone_lost"


def test_a_talk_has_a_limit(service: Service, kind: CommunityKind) -> None:
    service.set_times(talk_s=1, kind=kind)
    mum = service.phone("mum", kind=kind)
    station = service.station(kind=kind)
    call_id = station.press()["call"]["id"]
    mum.answer(call_id)
    ended = station.ended(call_id)
    assert ended["end_reason"] == "talk_limit"
    assert ended["ended_at"] >= ended["talk_until"]
    assert mum.told(call_id, "ended")["missed"] is False


def test_versions_of_a_call_only_grow_and_each_phone_hears_them_in_order(service: Service) -> None:
    mum, son, dad = (service.phone(name) for name in ("mum", "son", "dad"))
    station = service.station()
    call_id = station.press()["call"]["id"]
    son.decline(call_id)
    mum.answer(call_id)
    mum.hang_up(call_id)
    dad.told(call_id, "ended")
    versions = [call["version"] for call in dad.inbox.of("call")]
    assert versions == sorted(set(versions)) == [1, 2, 3, 4]
