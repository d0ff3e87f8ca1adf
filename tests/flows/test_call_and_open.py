"""The main flow: press, ring, answer, the others stop, open, record."""

from backend import access_log
from tests.support.service import Service


def test_every_phone_rings_one_answers_the_others_learn_who_and_the_door_opens(service: Service) -> None:
    mum, dad, son = (service.phone(name) for name in ("mum", "dad", "son"))
    station = service.station()

    call = station.press("1201")["call"]
    for phone in (mum, dad, son):
        assert phone.inbox.wait("call", lambda c: c["state"] == "ringing")["id"] == call["id"]

    answered = dad.call("POST", f"/calls/{call['id']}/answer")
    assert answered.status_code == 200, answered.text
    for phone in (mum, son):
        told = phone.inbox.wait("call", lambda c: c["state"] == "answered")
        assert told["answered_by"]["name"] == "爸爸"
        assert told["answered_by"]["device_id"] == dad.device_id
    late = mum.call("POST", f"/calls/{call['id']}/answer")
    assert late.status_code == 409
    assert late.json()["type"] == "/problems/call-already-answered"
    assert late.json()["answered_by"] == {"name": "爸爸"}

    door_id = answered.json()["call"]["doors"][0]["id"]
    opened = dad.call("POST", f"/doors/{door_id}/openings", {"call_id": call["id"]}, key="one")
    assert opened.status_code == 201, opened.text
    assert opened.json()["state"] == "opened"
    assert len(station.relay) == 1
    assert dad.get(f"/calls/{call['id']}")["state"] == "answered", "opening does not hang up a talk"

    hung_up = dad.call("POST", f"/calls/{call['id']}/hang-up")
    assert hung_up.json()["call"]["end_reason"] == "resident_hung_up"
    station.inbox.wait("call", lambda c: c["state"] == "ended")

    records = dad.get("/records")["items"]
    assert [(r["method"], r["result"], r["call_id"]) for r in records] == [("call", "opened", call["id"])]
    with service.db.reading() as session:
        found = access_log.verify(session, service.vault, service.community().community_id)
    assert found.whole, found
    assert found.rows == 2
