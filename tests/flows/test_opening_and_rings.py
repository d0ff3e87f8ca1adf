"""An opening ends the ring it answers, never a talk, and at a gate never another's ring (clauses 8(1)b, i)."""

from backend.communities import CommunityKind
from tests.support.service import Service


def test_opening_from_a_ringing_call_ends_the_ring_for_all_and_says_who(service: Service, kind: CommunityKind) -> None:
    mum, son = service.phone("mum", kind=kind), service.phone("son", kind=kind)
    station = service.station(kind=kind)
    call_id = station.press()["call"]["id"]
    (door,) = service.doors(kind=kind)

    opened = son.open(door, call_id=call_id)

    assert (opened.status_code, opened.json()["state"]) == (201, "opened")
    told = mum.told(call_id, "ended")
    assert (told["end_reason"], told["ended_by"]["name"], told["missed"]) == ("opened", "儿子", False)
    assert station.ended(call_id)["end_reason"] == "opened"
    assert mum.answer(call_id).status_code == 410


def test_opening_in_a_talk_leaves_the_talk_running(service: Service, kind: CommunityKind) -> None:
    mum = service.phone("mum", kind=kind)
    station = service.station(kind=kind)
    call_id = station.press()["call"]["id"]
    mum.answer(call_id)
    (door,) = service.doors(kind=kind)

    assert mum.open(door, call_id=call_id).json()["state"] == "opened"

    assert mum.get(f"/calls/{call_id}")["state"] == "answered"
    assert station.event("door_opened", door) is not None
    assert mum.get(f"/calls/{call_id}")["state"] == "answered", "nor does the door that moves end it"


def test_the_exit_button_at_a_single_door_ends_the_ring(service: Service, kind: CommunityKind) -> None:
    mum = service.phone("mum", kind=kind)
    station = service.station(kind=kind)
    call_id = station.press()["call"]["id"]

    station.event("exit_button", service.doors(kind=kind)[0])

    told = mum.told(call_id, "ended")
    assert (told["end_reason"], told["missed"]) == ("door_opened", False)


def test_the_door_contact_of_a_single_door_ends_the_ring(service: Service, kind: CommunityKind) -> None:
    mum = service.phone("mum", kind=kind)
    station = service.station(kind=kind)
    call_id = station.press()["call"]["id"]
    (door,) = service.doors(kind=kind)

    station.event("door_opened", door)

    assert mum.told(call_id, "ended")["end_reason"] == "door_opened"
    assert mum.inbox.wait("door", lambda d: d["door_id"] == door)["contact"] == "open"


def test_a_door_that_closes_does_not_end_the_ring(service: Service) -> None:
    mum = service.phone("mum")
    station = service.station()
    call_id = station.press()["call"]["id"]
    station.event("door_closed", service.doors()[0])
    assert mum.get(f"/calls/{call_id}")["state"] == "ringing"


def test_opening_the_entrance_from_the_home_page_ends_a_ring_at_it(service: Service, kind: CommunityKind) -> None:
    mum, dad = service.phone("mum", kind=kind), service.phone("dad", kind=kind)
    station = service.station(kind=kind)
    call_id = station.press()["call"]["id"]

    dad.open(service.doors(kind=kind)[0])

    told = mum.told(call_id, "ended")
    assert told["end_reason"] == "door_opened"


def test_at_a_gate_the_passages_of_others_do_not_end_the_ring(service: Service) -> None:
    mum, dad = service.phone("mum"), service.phone("dad")
    gate = service.station(gate=True)
    call_id = gate.press("3-2-1201")["call"]["id"]
    walk, drive = service.doors(gate=True)

    dad.open(walk)
    gate.event("door_opened", walk)
    gate.event("exit_button", drive)
    assert mum.get(f"/calls/{call_id}")["state"] == "ringing"

    assert mum.open(drive, call_id=call_id).json()["state"] == "opened"
    assert mum.told(call_id, "ended")["end_reason"] == "opened"


def test_an_opening_the_station_did_not_carry_out_leaves_the_ring(service: Service) -> None:
    mum = service.phone("mum")
    station = service.station()
    station.answer_opens = False
    call_id = station.press()["call"]["id"]
    opened = mum.open(service.doors()[0], call_id=call_id)
    assert opened.json()["state"] == "unanswered"
    assert mum.get(f"/calls/{call_id}")["state"] == "ringing"
