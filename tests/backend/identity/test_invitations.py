"""Invitations: one use, three days, for one home - and nobody gives more than they have."""

from datetime import timedelta

import pytest

from backend.clock import utc_now
from backend.errors import SignInFailedError
from backend.households import Tenancy, current_tenancy, end_lease
from backend.identity import invitations
from backend.identity.invitations import LIFETIME, Invitation
from tests.backend.identity.ways_in import at_once, join, slug
from tests.support.phones import Phone
from tests.support.service import Service


def redeem(house: Service, code: str, *, later: timedelta) -> str:
    with house.db.unit_of_work() as uow:
        return invitations.redeem(uow, house.vault, code=code, name="新人", now=utc_now() + later).id


def test_an_invitation_lets_one_device_in_and_approves_it(house: Service) -> None:
    code = house.new_person_code(house.community().family_household_id)
    first, second = Phone(house.origin), Phone(house.origin)
    first.accept(join(first, code))
    assert first.session["device"]["state"] == "approved"
    assert first.get("/me")["households"][0]["name"].endswith("1201")
    assert slug(join(second, code)) == "sign-in-failed"


def test_used_expired_withdrawn_and_unknown_codes_get_the_same_answer(house: Service) -> None:
    home = house.community().family_household_id
    used, withdrawn, expired = (house.new_person_code(home) for _ in range(3))
    join(Phone(house.origin), used)
    with house.db.unit_of_work() as uow:
        for code in (withdrawn, expired):
            digest = house.vault.code_digest(code, purpose="invitation")
            invitation = uow.session.query(Invitation).where(Invitation.digest == digest).one()
            invitation.expires_at = utc_now() if code == withdrawn else utc_now() - timedelta(seconds=1)
    answers = [join(Phone(house.origin), code).json() for code in (used, withdrawn, expired, "00000000")]
    assert answers == [answers[0]] * 4
    assert answers[0]["type"] == "/problems/sign-in-failed"


def test_an_invitation_is_good_for_three_days(house: Service) -> None:
    code = house.new_person_code(house.community().family_household_id)
    with pytest.raises(SignInFailedError):
        redeem(house, code, later=LIFETIME + timedelta(seconds=1))
    assert redeem(house, code, later=LIFETIME - timedelta(minutes=1)), "a refusal uses nothing up"


def test_an_invitation_of_a_lease_ends_with_the_lease(house: Service) -> None:
    code, now = house.invitation("tenant"), utc_now()
    with house.db.unit_of_work() as uow:
        lease = current_tenancy(uow.session, house.community().let_household_id, now=now)
        uow.session.get_one(Tenancy, lease.id).ends_at = now - timedelta(seconds=1)
    with pytest.raises(SignInFailedError):
        redeem(house, code, later=timedelta())
    with house.db.unit_of_work() as uow:
        uow.session.get_one(Tenancy, lease.id).ends_at = now + timedelta(days=1)
    assert redeem(house, code, later=timedelta())
    again = house.invitation("tenant")
    with house.db.unit_of_work() as uow:
        end_lease(uow, community_id=house.community().community_id, tenancy_id=lease.id, now=utc_now())
    with pytest.raises(SignInFailedError):
        redeem(house, again, later=timedelta())


@pytest.mark.parametrize("attempt", range(5))
def test_of_eight_phones_with_one_invitation_exactly_one_comes_in(house: Service, attempt: int) -> None:
    code = house.new_person_code(house.community().family_household_id)
    phones = [Phone(house.origin, f"phone {n}") for n in range(8)]
    replies = at_once([lambda phone=phone: join(phone, code) for phone in phones])
    assert sorted(reply.status_code for reply in replies) == [200] + [401] * 7
    assert {slug(reply) for reply in replies if reply.status_code == 401} == {"sign-in-failed"}


def test_family_invites_family_and_only_the_owner_lets_the_home(house: Service) -> None:
    dad = house.phone("dad", connect=False)
    home = house.community().family_household_id
    invited = dad.call("POST", "/invitations", {"household_id": home, "relation": "family"})
    assert invited.status_code == 201, invited.text
    assert invited.json()["link"].endswith(invited.json()["code"])
    assert "<svg " in invited.json()["qr_svg"]
    assert slug(dad.call("POST", "/invitations", {"household_id": home, "relation": "tenant"})) == "forbidden"
    assert slug(dad.call("POST", "/leases", {"household_id": home, "ends_at": "2030-01-01T00:00:00Z"})) == "forbidden"


def test_a_withdrawn_invitation_is_gone_for_its_maker_too(house: Service) -> None:
    mum = house.phone("mum", connect=False)
    body = {"household_id": house.community().family_household_id, "relation": "family"}
    made = mum.call("POST", "/invitations", body).json()
    assert made["id"] in [item["id"] for item in mum.get("/invitations")["items"]]
    assert mum.call("DELETE", f"/invitations/{made['id']}").status_code == 204
    assert made["id"] not in [item["id"] for item in mum.get("/invitations")["items"]]
    assert slug(join(Phone(house.origin), made["code"])) == "sign-in-failed"


def test_a_repeated_key_makes_one_invitation_and_gives_the_same_code(house: Service) -> None:
    mum = house.phone("mum", connect=False)
    body = {"household_id": house.community().family_household_id, "relation": "family"}
    before = len(mum.get("/invitations")["items"])
    replies = at_once([lambda: mum.call("POST", "/invitations", body, key="tap") for _ in range(4)])
    made = [reply.json() for reply in replies if reply.status_code == 201]
    assert made
    assert all(one == made[0] for one in made)
    assert {slug(reply) for reply in replies if reply.status_code != 201} <= {"conflict"}
    assert mum.call("POST", "/invitations", body, key="tap").json() == made[0]
    assert len(mum.get("/invitations")["items"]) == before + 1
    other_body = {**body, "ends_at": "2030-01-01T00:00:00Z"}
    assert slug(mum.call("POST", "/invitations", other_body, key="tap")) == "idempotency-key-reused"


def test_a_tenant_invites_for_no_longer_than_the_lease(start_service) -> None:
    service: Service = start_service()
    tenant = service.phone("tenant", connect=False)
    lease_ends = tenant.get("/me")["households"][0]["tenancy_ends_at"]
    made = tenant.call(
        "POST",
        "/invitations",
        {
            "household_id": service.community().let_household_id,
            "relation": "tenant",
            "ends_at": "2040-01-01T00:00:00Z",
        },
    )
    flatmate = Phone(service.origin)
    flatmate.accept(join(flatmate, made.json()["code"]))
    assert flatmate.get("/me")["households"][0]["tenancy_ends_at"] == lease_ends
