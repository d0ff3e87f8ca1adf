"""A decline is personal; when everybody who could answer has declined, the visitor is told (clause 8(1)b)."""

from backend.communities import CommunityKind
from tests.support.service import Service


def test_a_decline_silences_only_the_phone_that_declined(service: Service, kind: CommunityKind) -> None:
    mum, son = service.phone("mum", kind=kind), service.phone("son", kind=kind)
    station = service.station(kind=kind)
    call_id = station.press()["call"]["id"]

    declined = son.decline(call_id)

    assert declined.status_code == 200, declined.text
    assert declined.json()["call"]["state"] == "ringing"
    assert declined.json()["call"]["my_leg"] == "declined"
    assert mum.get(f"/calls/{call_id}")["my_leg"] == "ringing"
    told = station.inbox.wait("call", lambda c: c["id"] == call_id and "declined" in {x["state"] for x in c["legs"]})
    assert told["state"] == "ringing"
    assert sorted(leg["state"] for leg in told["legs"]) == ["declined", "ringing"]
    assert mum.answer(call_id).json()["call"]["answered_by"]["name"] == "妈妈"


def test_when_all_have_declined_the_visitor_is_told_and_the_home_has_a_missed_call(
    service: Service, kind: CommunityKind
) -> None:
    mum, son = service.phone("mum", kind=kind), service.phone("son", kind=kind)
    station = service.station(kind=kind)
    call_id = station.press()["call"]["id"]
    assert "picture_id" in station.picture(call_id)

    son.decline(call_id)
    last = mum.decline(call_id).json()["call"]

    assert (last["state"], last["end_reason"], last["missed"]) == ("ended", "declined", True)
    assert station.ended(call_id)["end_reason"] == "declined"
    assert son.told(call_id, "ended")["end_reason"] == "declined"
    listed = son.get("/calls")["items"]
    assert [(c["id"], c["missed"]) for c in listed] == [(call_id, True)]
    assert [(p["moment"], p["missing"]) for p in listed[0]["pictures"]] == [("press", None)]
    assert listed[0]["pictures"][0]["url"].startswith("/api/v1/pictures/")


def test_a_phone_whose_page_is_closed_is_not_waited_for(service: Service) -> None:
    mum, son = service.phone("mum"), service.phone("son")
    service.phone("dad", connect=False)
    station = service.station()
    call_id = station.press()["call"]["id"]

    son.decline(call_id)
    assert mum.decline(call_id).json()["call"]["end_reason"] == "declined"


def test_a_phone_that_declined_may_still_change_its_mind_while_others_ring(service: Service) -> None:
    service.phone("mum")
    son = service.phone("son")
    call_id = service.station().press()["call"]["id"]
    son.decline(call_id)

    answered = son.answer(call_id)

    assert answered.status_code == 200, answered.text
    assert answered.json()["call"]["my_leg"] == "answered"


def test_a_decline_after_the_answer_is_refused_with_the_name_of_who_has_the_talk(service: Service) -> None:
    mum, son = service.phone("mum"), service.phone("son")
    call_id = service.station().press()["call"]["id"]
    mum.answer(call_id)

    late = son.decline(call_id)

    assert late.status_code == 409
    assert late.json()["answered_by"] == {"name": "妈妈"}
    assert mum.get(f"/calls/{call_id}")["state"] == "answered"


def test_declining_twice_is_harmless(service: Service) -> None:
    mum, son = service.phone("mum"), service.phone("son")
    call_id = service.station().press()["call"]["id"]
    first, second = son.decline(call_id), son.decline(call_id)
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json()["call"]["version"] == first.json()["call"]["version"]
    assert mum.get(f"/calls/{call_id}")["state"] == "ringing"
