"""An empty service is set up once, by whoever reads the code in its terminal."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.backend.identity.ways_in import at_once, other, slug
from tests.support.phones import Phone
from tests.support.service import Service
from tests.support.stations import TestStation


@pytest.fixture
def empty(start_service: Callable[..., Service]) -> Service:
    return start_service(seeded=False)


def wish(code: str, **changes: Any) -> dict[str, Any]:
    return {
        "code": code,
        "administrator": {"name": "王主任", "phone": "13911112222", "password": "a long password"},
        "community": {"name": "新家园", "kind": "closed", "address_code": "330106001001"},
        "device": {"name": "desk"},
        **changes,
    }


def test_the_code_makes_the_community_and_its_first_administrator(empty: Service) -> None:
    desk = Phone(empty.origin, "desk")
    before = desk.get("/service")
    assert (before["setup_required"], before["community_name"]) == (True, None)
    made = desk.accept(desk.call("POST", "/setup", wish(empty.made.services.set_up.code)))
    assert made["account"]["role"] == "administrator"
    assert made["device"]["state"] == "approved"
    after = desk.get("/service")
    assert (after["setup_required"], after["community_name"]) == (False, "新家园")
    assert desk.get("/staff/community") == {
        "id": desk.get("/staff/community")["id"],
        "name": "新家园",
        "kind": "closed",
        "address_code": "330106001001",
        "timezone": "Asia/Shanghai",
    }


def test_a_second_set_up_is_a_conflict_even_with_the_code(empty: Service) -> None:
    code = empty.made.services.set_up.code
    Phone(empty.origin).accept(Phone(empty.origin).call("POST", "/setup", wish(code)))
    assert slug(Phone(empty.origin).call("POST", "/setup", wish(code))) == "conflict"
    assert slug(Phone(empty.origin).call("POST", "/setup", wish(other(code)))) == "conflict"


def test_of_eight_set_ups_at_once_one_counts(empty: Service) -> None:
    code = empty.made.services.set_up.code
    replies = at_once([lambda: Phone(empty.origin).call("POST", "/setup", wish(code)) for _ in range(8)])
    assert sorted(reply.status_code for reply in replies) == [201] + [409] * 7


def test_after_five_wrong_codes_the_right_one_is_refused_too(empty: Service) -> None:
    code = empty.made.services.set_up.code
    for _ in range(5):
        assert slug(Phone(empty.origin).call("POST", "/setup", wish(other(code)))) == "sign-in-failed"
    assert slug(Phone(empty.origin).call("POST", "/setup", wish(code))) == "sign-in-failed"
    assert Phone(empty.origin).get("/service")["setup_required"] is True


def test_a_refused_set_up_makes_nothing_and_the_corrected_one_works(empty: Service) -> None:
    code = empty.made.services.set_up.code
    short = wish(code, administrator={"name": "王", "phone": "13911112222", "password": "short"})
    no_number = wish(code, administrator={"name": "王", "phone": "not one", "password": "a long password"})
    nowhere = wish(code, community={"name": "新家园", "kind": "closed", "timezone": "Mars/Olympus"})
    for body in (short, no_number, nowhere):
        assert slug(Phone(empty.origin).call("POST", "/setup", body)) == "validation-failed"
        assert Phone(empty.origin).get("/service")["setup_required"] is True
    assert Phone(empty.origin).call("POST", "/setup", wish(code)).status_code == 201


def test_the_whole_way_from_nothing_to_an_opened_door(empty: Service) -> None:
    """Administrator, building, unit, home, door, station, resident: then a press rings that resident's phone."""
    desk = Phone(empty.origin, "desk")
    desk.accept(desk.call("POST", "/setup", wish(empty.made.services.set_up.code)))

    def make(path: str, body: Any) -> Any:
        reply = desk.call("POST", f"/staff{path}", body)
        assert reply.status_code == 201, reply.text
        return reply.json()

    building = make("/buildings", {"name": "1栋", "number": "1"})
    unit = make(f"/buildings/{building['id']}/units", {"name": "1单元", "number": "1"})
    homes = make("/households", {"building_id": building["id"], "unit_id": unit["id"], "rooms": ["101", "102"]})
    places = {"building_id": building["id"], "unit_id": unit["id"]}
    door = make("/doors", {"name": "1单元门", "kind": "unit", **places})
    station = make(
        "/stations",
        {
            "name": "1单元门口",
            "kind": "unit",
            "door_ids": [door["id"]],
            "building_ids": [building["id"]],
            "unit_id": unit["id"],
        },
    )
    pairing = make(f"/stations/{station['id']}/pairing-codes", None)
    owner = make(
        f"/households/{homes['items'][0]['id']}/residents",
        {"name": "李四", "phone": "13822223333", "relation": "owner"},
    )
    assert owner["phone_masked"] == "138****3333"
    phone = Phone(empty.origin)
    phone.join(owner["invitation"]["code"], "someone else's spelling")
    assert phone.get("/me")["account"]["name"] == "李四", "the property's spelling stands"
    phone.connect()
    panel = TestStation(empty.origin).pair(pairing["code"]).connect()
    call = panel.press("101")["call"]
    phone.rings(call["id"])
    assert phone.answer(call["id"]).status_code == 200
    assert phone.open(door["id"], call_id=call["id"]).json()["state"] == "opened"
    health = desk.get("/staff/stations")["items"][0]
    assert (health["paired"], health["online"]) == (True, True)
    phone.close()
    panel.close()
