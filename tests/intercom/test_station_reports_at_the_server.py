"""What stations report: events once, only of their own doors, pictures only of their own calls (annex 2-2)."""

from sqlalchemy import func, select

from backend.access_log import AccessPayload
from backend.doors import Door
from tests.support.service import Service


def rows(service: Service, kind: str) -> int:
    with service.db.reading() as session:
        return session.scalar(select(func.count()).select_from(AccessPayload).where(AccessPayload.kind == kind)) or 0


def test_an_event_of_another_stations_door_does_not_exist(service: Service) -> None:
    unit, gate = service.station(), service.station(gate=True)
    (own,), (walk, _) = service.doors(), service.doors(gate=True)
    for kind in ("door_opened", "door_closed", "exit_button"):
        assert unit.event(kind, walk)["problem"]["status"] == 404
        assert gate.event(kind, own)["problem"]["status"] == 404
        assert unit.event(kind, "no such door")["problem"]["status"] == 404
    assert unit.heartbeat([{"door_id": walk, "contact": "open"}])["problem"]["status"] == 404
    assert rows(service, "door_opened") == rows(service, "exit_button") == 0
    with service.db.reading() as session:
        assert session.get_one(Door, walk).contact == "unknown"


def test_an_event_that_is_repeated_is_stored_once_and_acknowledged_each_time(service: Service) -> None:
    station = service.station()
    (door,) = service.doors()
    replies = [station.event("exit_button", door, event_id="event-1") for _ in range(3)]
    assert replies == [{"event_id": "event-1"}] * 3
    station.close()
    station.connect()
    assert station.event("exit_button", door, event_id="event-1") == {"event_id": "event-1"}
    assert rows(service, "exit_button") == 1
    station.event("exit_button", door, event_id="event-2")
    assert rows(service, "exit_button") == 2


def test_two_stations_may_use_the_same_event_id(service: Service) -> None:
    service.station().event("exit_button", service.doors()[0], event_id="same")
    service.station(gate=True).event("exit_button", service.doors(gate=True)[0], event_id="same")
    assert rows(service, "exit_button") == 2


def test_a_contact_that_opens_after_an_opening_is_recorded_as_its_doing(service: Service) -> None:
    mum, station = service.phone("mum"), service.station()
    (door,) = service.doors()
    opening = mum.open(door).json()
    station.event("door_opened", door)
    with service.db.reading() as session:
        found = session.scalars(select(AccessPayload).where(AccessPayload.kind == "door_opened")).one()
    assert found.correlation_id == opening["id"]
    assert found.station_at is not None


def test_contacts_in_a_heartbeat_reach_the_home_page_once(service: Service) -> None:
    mum, station = service.phone("mum"), service.station()
    (door,) = service.doors()
    for _ in range(3):
        reply = station.heartbeat([{"door_id": door, "contact": "open"}])
        assert set(reply) == {"server_time", "config_version"}
    assert [d["contact"] for d in mum.inbox.of("door")] == ["open"]
    assert mum.get("/doors")["items"][0]["contact"] == "open"


def test_pictures_belong_to_the_stations_own_calls_and_commands(service: Service) -> None:
    mum = service.phone("mum")
    unit, gate = service.station(), service.station(gate=True)
    call_id = unit.press()["call"]["id"]
    opening = mum.open(service.doors()[0]).json()["id"]
    assert gate.picture(call_id)["problem"]["status"] == 404
    assert gate.picture(moment="opening", command_id=opening)["problem"]["status"] == 404
    assert unit.picture(moment="opening", command_id="none")["problem"]["status"] == 404
    assert unit.picture(jpeg=b"GIF89a", call_id=call_id)["problem"]["status"] == 422
    assert unit.picture(call_id, missing="camera_failed")["problem"]["status"] == 422, "a picture and a reason for none"
    assert unit.picture()["problem"]["status"] == 422, "a picture of nothing"
    assert "picture_id" in unit.picture(call_id)
    assert "picture_id" in unit.picture(moment="opening", command_id=opening)


def test_a_call_has_a_bounded_number_of_pictures(service: Service) -> None:
    service.phone("mum")
    station = service.station()
    call_id = station.press()["call"]["id"]
    replies = [station.picture(call_id) for _ in range(12)]
    assert "picture_id" in replies[0]
    assert replies[-1]["problem"]["status"] == 429


def test_a_station_cannot_claim_a_configuration_that_does_not_exist(service: Service) -> None:
    station = service.station()
    version = station.inbox.wait("welcome")["config"]["version"]
    assert station.ask("config.applied", {"version": version}) == {"ok": True}
    assert station.ask("config.applied", {"version": version + 1})["problem"]["status"] == 404
