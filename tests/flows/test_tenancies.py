"""A let home: the tenant is rung, the absent landlord is not; a new tenant inherits nothing (clause 3.1-6(3)c)."""

from datetime import timedelta

import pytest

from backend.clock import iso, utc_now
from backend.communities import CommunityKind
from tests.support.phones import Phone
from tests.support.service import Service

LET_ROOM = {CommunityKind.CLOSED: "1102", CommunityKind.OPEN: "102", CommunityKind.SINGLE_BLOCK: "302"}


def test_the_landlord_is_neither_rung_nor_shown_the_tenants_call(service: Service, kind: CommunityKind) -> None:
    tenant, landlord = service.phone("tenant", kind=kind), service.phone("landlord", kind=kind)
    station = service.station(kind=kind)

    call_id = station.press(LET_ROOM[kind])["call"]["id"]
    tenant.rings(call_id)
    station.picture(call_id)
    tenant.answer(call_id)
    door = service.doors(kind=kind)[0]
    assert tenant.open(door, call_id=call_id).json()["state"] == "opened"
    tenant.hang_up(call_id)

    assert landlord.inbox.of("call") == []
    assert landlord.get("/calls")["items"] == []
    assert landlord.get("/records")["items"] == []
    assert landlord.get("/doors")["items"] == []
    for act in ("answer", "decline", "hang-up"):
        assert landlord.call("POST", f"/calls/{call_id}/{act}").status_code == 404
    assert landlord.call("GET", f"/calls/{call_id}").status_code == 404
    refused = landlord.open(door)
    assert (refused.status_code, refused.json()["reason"]) == (403, "household_let")
    assert landlord.open(door, call_id=call_id).status_code == 403
    assert len(tenant.get("/records")["items"]) == 1


def test_with_only_the_landlords_page_open_nobody_is_connected(service: Service) -> None:
    service.phone("landlord")
    placed = service.station().press(LET_ROOM[CommunityKind.CLOSED])["call"]
    assert (placed["state"], placed["end_reason"], placed["legs"]) == ("ended", "nobody_connected", [])


@pytest.fixture
def changed_hands(service: Service) -> tuple[Phone, Phone, Phone, str]:
    """(landlord, old tenant, new tenant, the old tenant's call) after a lease ended and another began."""
    old, landlord = service.phone("tenant"), service.phone("landlord")
    station = service.station()
    call_id = station.press("1102")["call"]["id"]
    old.open(service.doors()[0], call_id=call_id)
    old.inbox.clear()
    (lease,) = landlord.get("/leases")["items"]
    assert landlord.call("POST", f"/leases/{lease['id']}/end").status_code == 204
    old.inbox.wait("disconnect", timeout=2)
    household = service.community().let_household_id
    made = landlord.call(
        "POST", "/leases", {"household_id": household, "ends_at": iso(utc_now() + timedelta(days=90))}, key="lease"
    )
    assert made.status_code == 201, made.text
    new = Phone(service.origin, "new tenant")
    new.join(made.json()["invitation"]["code"], "新租客")
    new.connect()
    station.close()
    return landlord, old, new, call_id


def test_a_new_tenant_inherits_no_history(changed_hands: tuple[Phone, Phone, Phone, str]) -> None:
    _, _, new, call_id = changed_hands
    assert new.get("/calls")["items"] == []
    assert new.get("/records")["items"] == []
    assert new.call("GET", f"/calls/{call_id}").status_code == 404
    new.close()


def test_a_tenant_loses_everything_with_the_lease(
    service: Service, changed_hands: tuple[Phone, Phone, Phone, str]
) -> None:
    _, old, new, call_id = changed_hands
    assert old.get("/calls")["items"] == []
    assert old.get("/records")["items"] == []
    assert old.get("/doors")["items"] == []
    assert old.get("/me")["households"] == []
    assert old.call("GET", f"/calls/{call_id}").status_code == 404
    refused = old.open(service.doors()[0])
    assert (refused.status_code, refused.json()["reason"]) == (403, "no_household")
    old.inbox.clear()
    old.connect()
    station = service.station()
    placed = station.press("1102")["call"]
    assert new.rings(placed["id"])["state"] == "ringing"
    assert old.inbox.of("call") == []
    assert old.answer(placed["id"]).status_code == 404
    new.close()


def test_a_landlord_sees_nothing_of_past_leases_when_the_home_is_his_again(service: Service) -> None:
    tenant, landlord = service.phone("tenant"), service.phone("landlord")
    station = service.station()
    station.press("1102")
    tenant.open(service.doors()[0])
    (lease,) = landlord.get("/leases")["items"]
    landlord.inbox.clear()
    landlord.call("POST", f"/leases/{lease['id']}/end")
    landlord.inbox.wait("disconnect", timeout=2)
    landlord.connect()
    assert landlord.get("/calls")["items"] == []
    assert landlord.get("/records")["items"] == []
    again = station.press("1102")["call"]
    assert landlord.rings(again["id"])["id"] == again["id"]


def test_an_opening_and_its_record_belong_to_the_person_not_to_the_home(service: Service, kind: CommunityKind) -> None:
    mum, dad = service.phone("mum", kind=kind), service.phone("dad", kind=kind)
    service.station(kind=kind)
    opened = mum.open(service.doors(kind=kind)[0]).json()
    assert [r["result"] for r in mum.get("/records")["items"]] == ["opened"]
    assert dad.get("/records")["items"] == []
    assert dad.call("GET", f"/openings/{opened['id']}").status_code == 404
    assert mum.get(f"/openings/{opened['id']}")["state"] == "opened"
