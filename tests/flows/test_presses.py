"""What a press does when something rings already, and what bad input gets (R068)."""

import secrets
import unicodedata

import pytest

from backend.communities import CommunityKind
from tests.support.service import Service


def problem(reply: dict) -> tuple[str, int]:
    return reply["problem"]["type"].removeprefix("/problems/"), reply["problem"]["status"]


def test_pressing_the_same_room_again_while_it_rings_is_the_same_call(service: Service, kind: CommunityKind) -> None:
    mum = service.phone("mum", kind=kind)
    station = service.station(kind=kind)
    first, second = station.press()["call"], station.press()["call"]
    assert first["id"] == second["id"]
    assert [c["id"] for c in mum.get("/calls")["items"]] == [first["id"]]


def test_the_same_request_again_is_the_same_call_even_when_it_is_over(service: Service) -> None:
    service.phone("mum")
    station = service.station()
    first = station.press(request_id="press-1")["call"]
    station.hang_up(first["id"])
    again = station.press(request_id="press-1")["call"]
    assert (again["id"], again["state"]) == (first["id"], "ended")
    assert station.press(request_id="press-2")["call"]["id"] != first["id"]


def test_a_station_in_a_call_refuses_another_room_and_the_call_goes_on(service: Service) -> None:
    mum = service.phone("mum")
    station = service.station()
    call_id = station.press()["call"]["id"]
    assert problem(station.press("1202")) == ("station-busy", 409)
    mum.answer(call_id)
    assert problem(station.press("1201")) == ("station-busy", 409)
    assert mum.get(f"/calls/{call_id}")["state"] == "answered"


def test_a_second_station_finds_the_home_busy_and_the_home_sees_that_somebody_came(service: Service) -> None:
    mum = service.phone("mum")
    unit, gate = service.station(), service.station(gate=True)
    running = unit.press()["call"]["id"]

    busy = gate.press("3-2-1201")

    assert problem(busy) == ("household-busy", 409)
    missed = mum.get(f"/calls/{busy['problem']['call_id']}")
    assert (missed["state"], missed["end_reason"], missed["missed"]) == ("ended", "household_busy", True)
    assert missed["station"]["name"] == "南大门"
    assert mum.get(f"/calls/{running}")["state"] == "ringing"
    unit.hang_up(running)
    assert gate.press("3-2-1201")["call"]["state"] == "ringing"


@pytest.mark.parametrize("gate_first", [True, False])
def test_two_homes_ring_independently_at_two_stations(service: Service, gate_first: bool) -> None:
    mum, tenant = service.phone("mum"), service.phone("tenant")
    unit, gate = service.station(), service.station(gate=True)
    presses = [lambda: gate.press("3-2-1102"), lambda: unit.press("1201")]
    calls = [press()["call"] for press in (presses if gate_first else reversed(presses))]
    by_dial = {call["dial"]: call["id"] for call in calls}
    mum.rings(by_dial["1201"])
    tenant.rings(by_dial["3-2-1102"])
    assert mum.get("/calls")["items"][0]["id"] == by_dial["1201"]
    assert mum.call("GET", f"/calls/{by_dial['3-2-1102']}").status_code == 404
    assert mum.answer(by_dial["3-2-1102"]).status_code == 404


FULL_WIDTH = "".join(unicodedata.lookup(f"FULLWIDTH DIGIT {n}") for n in ("ONE", "TWO", "ZERO", "ONE"))
BAD_DIALS = [
    "",
    " ",
    "abc",
    "1201 ",
    "-1201",
    "1201-",
    "1" * 17,
    "1" * 64,
    "3-2-1201",
    "9999",
    FULL_WIDTH,
    "12٠1",
    "1'--",
]
BAD_GATE_DIALS = ["", "1201", "3-1201", "3-2", "3-9-1201", "9-2-1201", "3--1201", "3-2-1201-1", "3-2-12O1", "2-2-9999"]


@pytest.mark.parametrize("gate", [False, True])
def test_a_number_that_is_no_room_here_is_refused_and_nothing_is_made(service: Service, gate: bool) -> None:
    mum = service.phone("mum")
    station = service.station(gate=gate)
    for dial in BAD_GATE_DIALS if gate else BAD_DIALS:
        assert problem(station.press(dial)) == ("room-unknown", 404), dial
    for dial in ("1" * 65, "1" * 200):
        assert problem(station.press(dial)) == ("validation-failed", 422), dial
    assert mum.get("/calls")["items"] == []
    good = station.press("3-2-1201" if gate else "1201")
    assert good["call"]["state"] == "ringing"


@pytest.mark.parametrize("dial", [None, 1201, 12.01, True, ["1201"], {"room": "1201"}])
def test_a_number_of_another_type_is_refused(service: Service, dial: object) -> None:
    service.phone("mum")
    station = service.station()
    assert problem(station.ask("press", {"request_id": "r", "dial": dial})) == ("validation-failed", 422)
    assert station.press()["call"]["state"] == "ringing"


@pytest.mark.parametrize(
    "body", [{}, {"dial": "1201"}, {"request_id": "", "dial": "1201"}, {"request_id": 5, "dial": "1"}]
)
def test_a_press_without_its_request_id_is_refused(service: Service, body: dict) -> None:
    assert problem(service.station().ask("press", body)) == ("validation-failed", 422)


@pytest.mark.parametrize("body", [None, "1201", 7, ["1201"], True])
def test_an_event_that_is_not_an_object_is_refused(service: Service, body: object) -> None:
    assert problem(service.station().ask("press", body)) == ("malformed", 400)


def test_a_room_of_another_building_cannot_be_rung_at_a_unit_station(start_service) -> None:
    service = start_service()
    block = service.station(kind=CommunityKind.SINGLE_BLOCK)
    assert problem(block.press("101")) == ("room-unknown", 404), "101 exists in the other communities only"


def test_twelve_presses_a_minute_and_then_a_clear_refusal(start_service) -> None:
    service = start_service(rate_limits=True)
    service.phone("mum")
    station = service.station()
    for _ in range(12):
        assert "call" in station.press(request_id=secrets.token_hex(4))
    refused = station.press()
    assert problem(refused) == ("too-many-requests", 429)
    assert 1 <= refused["problem"]["retry_after_s"] <= 60
    assert "server_time" in station.heartbeat(), "only presses are refused"
