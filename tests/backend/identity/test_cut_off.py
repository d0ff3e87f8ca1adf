"""Who loses a right loses it at once: HTTP refuses the next request, open pages are disconnected within two seconds."""

import time
from datetime import timedelta

import pytest
from socketio.exceptions import ConnectionError as RefusedError

from backend.clock import utc_now
from backend.households import Resident, Tenancy, current_tenancy
from tests.backend.identity.ways_in import refused, slug
from tests.support.phones import Phone
from tests.support.service import Service

WITHIN_S = 2.0


def gone_within_two_seconds(phone: Phone) -> None:
    phone.inbox.wait("disconnect", timeout=WITHIN_S)


def stays_open(phone: Phone, *, for_s: float) -> None:
    with pytest.raises(AssertionError):
        phone.inbox.wait("disconnect", timeout=for_s)


def test_a_removed_device_is_refused_at_once_and_its_page_closed(house: Service) -> None:
    mum, old = house.phone("mum"), house.phone("mum")
    door_id = old.get("/doors")["items"][0]["id"]
    assert mum.call("DELETE", f"/devices/{old.device_id}").status_code == 204
    for reply in (old.call("GET", "/me"), old.open(door_id), old.call("POST", "/invitations", {})):
        assert slug(reply) == "sign-in-required"
    gone_within_two_seconds(old)
    refused(RefusedError, old.connect)
    assert mum.get("/me"), "the other device of the same person stays"
    assert not [m for m in mum.inbox.messages if m[1] == "disconnect"]
    mum.leave()


def test_the_administrator_removes_a_lost_phone(house: Service) -> None:
    lost = house.phone("son")
    assert house.administrator().call("DELETE", f"/staff/devices/{lost.device_id}").status_code == 204
    gone_within_two_seconds(lost)
    assert slug(lost.call("GET", "/me")) == "sign-in-required"


def test_a_removed_device_no_longer_rings_nor_is_it_shown(house: Service) -> None:
    son, dad = house.phone("son"), house.phone("dad")
    station = house.station()
    son.call("DELETE", f"/devices/{son.device_id}")
    gone_within_two_seconds(son)
    call = station.press("1201")["call"]
    dad.rings(call["id"])
    assert son.inbox.of("call") == []
    assert son.device_id not in str(house.administrator().get("/staff/devices"))
    dad.decline(call["id"])
    dad.leave()
    station.close()


def test_a_resident_who_is_removed_is_disconnected_and_opens_nothing(house: Service) -> None:
    daughter = house.phone("daughter")
    account_id = daughter.session["account"]["id"]
    door_id = daughter.get("/doors")["items"][0]["id"]
    with house.db.reading() as session:
        resident = session.query(Resident).where(Resident.account_id == account_id).one()
    assert house.administrator().call("DELETE", f"/staff/residents/{resident.id}").status_code == 204
    gone_within_two_seconds(daughter)
    denied = daughter.open(door_id)
    assert slug(denied) == "access-denied"
    assert denied.json()["reason"] == "no_household"
    assert daughter.get("/me")["households"] == []
    assert daughter.get("/doors")["items"] == []


def test_when_the_owner_ends_the_lease_the_tenants_page_closes_and_the_owners_rings_again(start_service) -> None:
    service: Service = start_service()
    landlord, tenant = service.phone("landlord"), service.phone("tenant")
    station = service.station()
    station.press("1102")
    call = tenant.inbox.wait("call", lambda c: c["state"] == "ringing")
    lease = landlord.get("/leases")["items"][0]
    assert landlord.call("POST", f"/leases/{lease['id']}/end").status_code == 204
    gone_within_two_seconds(tenant)
    gone_within_two_seconds(landlord)
    assert landlord.inbox.of("call") == [], "the tenant's call was never the landlord's to see"
    assert tenant.get("/me")["households"] == []
    for path in ("/calls", "/records"):
        assert tenant.get(path)["items"] == []
    for act in ("answer", "decline", "hang-up"):
        assert slug(tenant.call("POST", f"/calls/{call['id']}/{act}")) == "not-found"
    assert slug(landlord.call("GET", f"/calls/{call['id']}")) == "not-found"
    assert landlord.get("/calls")["items"] == []
    landlord.inbox.clear()
    landlord.connect()
    station.ask("hangup", {"call_id": call["id"], "reason": "visitor"})
    again = station.press("1102")["call"]
    landlord.rings(again["id"])


def test_when_the_lease_runs_out_the_tenants_page_closes_by_itself(start_service) -> None:
    """Nobody does anything: the end of the lease comes while the page is open."""
    service: Service = start_service()
    with service.db.unit_of_work() as uow:
        lease = current_tenancy(uow.session, service.community().let_household_id, now=utc_now())
        ends_at = utc_now() + timedelta(seconds=4)
        uow.session.get_one(Tenancy, lease.id).ends_at = ends_at
    tenant = service.phone("tenant")
    tenant.inbox.wait("disconnect", timeout=4 + WITHIN_S)
    assert ends_at <= utc_now() < ends_at + timedelta(seconds=WITHIN_S + 1)
    assert tenant.get("/me")["households"] == []


def test_a_page_whose_token_is_over_is_closed(start_service) -> None:
    service: Service = start_service(access_token_s=3)
    mum = service.phone("mum")
    began = time.monotonic()
    mum.inbox.wait("disconnect", timeout=3 + WITHIN_S)
    assert time.monotonic() - began >= 1, "not before the token's end"
    assert slug(mum.call("GET", "/me")) == "token-expired"


def test_a_page_that_authenticates_again_stays_and_still_hears(start_service) -> None:
    service: Service = start_service(access_token_s=4)
    mum, station = service.phone("mum"), service.station()
    ends = time.monotonic() + 6
    while time.monotonic() < ends:
        headers = {"DPoP": mum.proof("POST", "/api/v1/session/refresh")}
        mum.accept(mum.http.post(f"{mum.origin}/api/v1/session/refresh", headers=headers, timeout=10))
        answer = mum.ask("authenticate", mum.socket_auth())
        assert answer["ok"] is True
        assert 2 <= answer["expires_in_s"] <= 4
        stays_open(mum, for_s=1)
    mum.rings(station.press("1201")["call"]["id"])


def test_a_page_that_authenticates_with_another_devices_token_gains_nothing(house: Service) -> None:
    mum, dad = house.phone("mum"), house.phone("dad", connect=False)
    for wrong in (dad.socket_auth(), {}, {"token": 1, "proof": []}, {"token": "x", "proof": "y"}):
        assert mum.ask("authenticate", wrong)["problem"]["status"] == 401
    assert mum.ask("authenticate", mum.socket_auth())["ok"] is True
    mum.leave()


def test_a_socket_proof_opens_one_connection_only(house: Service) -> None:
    mum = house.phone("mum", connect=False)
    auth = mum.socket_auth()
    mum.socket_auth = lambda: auth
    mum.connect()
    mum.leave()
    refused(RefusedError, mum.connect)
