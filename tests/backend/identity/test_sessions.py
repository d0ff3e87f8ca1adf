"""Sessions: refresh tokens rotate, an old one ends the family, a lost response may be asked for again."""

from datetime import timedelta

import pytest
import requests
from sqlalchemy import func, select

from backend.accounts import Account
from backend.clock import utc_now
from backend.errors import SignInRequiredError
from backend.identity import devices, sessions
from backend.identity.proofs import DeviceKey
from backend.identity.sessions import ABSOLUTE_LIFETIME, IDLE_LIFETIME, LOST_RESPONSE_GRACE, RefreshToken, SignedIn
from tests.backend.identity.ways_in import at_once, refused, slug
from tests.support.phones import Phone, decoded
from tests.support.service import Service

JUST_AFTER = LOST_RESPONSE_GRACE + timedelta(seconds=1)


class Family:
    """A session of somebody new on a key of its own, refreshed with a clock of its own."""

    def __init__(self, house: Service, key: str, *, person: str | None = None) -> None:
        self.house = house
        self.key = DeviceKey(jwk={"kty": "EC"}, thumbprint=key.ljust(43, "x"))
        self.now = utc_now()
        home = house.community().family_household_id
        self.person = person or house.new_phone(home, key, connect=False).session["account"]["id"]
        with house.db.unit_of_work() as uow:
            account = uow.session.get_one(Account, self.person)
            device = devices.enrol(uow, account=account, key=self.key, name=key, approved=True, now=self.now)
            self.session = sessions.begin(uow, house.vault, account=account, device=device, now=self.now)
            self.device_id = device.id
        self.first = self.session.refresh_token

    def refresh(self, token: str, *, after: timedelta = timedelta(), key: DeviceKey | None = None) -> str:
        """The successor, for a refresh this long after the beginning."""
        return sessions.refresh(
            self.house.db, self.house.vault, token=token, key=key or self.key, now=self.now + after
        ).refresh_token

    def refuses(self, token: str, **more: object) -> bool:
        refused(SignInRequiredError, lambda: self.refresh(token, **more))
        return True

    @property
    def over(self) -> bool:
        with self.house.db.reading() as session:
            return session.get_one(SignedIn, self.session.session_id).ended_at is not None

    def tokens(self) -> int:
        with self.house.db.reading() as session:
            mine = RefreshToken.signed_in_id == self.session.session_id
            return session.scalar(select(func.count()).select_from(RefreshToken).where(mine)) or 0


def test_every_refresh_gives_another_token_and_the_newest_works(house: Service) -> None:
    family = Family(house, "rotation")
    seen, token = {family.first}, family.first
    for minute in range(1, 6):
        token = family.refresh(token, after=timedelta(minutes=minute))
        assert token not in seen
        assert len(token) == 43, "256 bits"
        seen.add(token)
    assert not family.over


def test_no_refresh_token_is_stored_as_it_is(house: Service) -> None:
    family = Family(house, "stored")
    second = family.refresh(family.first)
    with house.db.reading() as session:
        for row in session.scalars(select(RefreshToken)):
            assert len(row.digest) == 32
            assert family.first.encode() not in row.digest
            assert second.encode() not in row.digest


def test_a_lost_response_may_be_asked_for_again_and_gives_the_same_successor(house: Service) -> None:
    family = Family(house, "lost")
    first = family.refresh(family.first)
    assert family.refresh(family.first, after=timedelta(seconds=3)) == first
    assert family.refresh(family.first, after=LOST_RESPONSE_GRACE) == first
    assert family.tokens() == 2
    assert not family.over


def test_an_old_token_after_the_grace_ends_the_whole_family(house: Service) -> None:
    family = Family(house, "late")
    second = family.refresh(family.first)
    assert family.refuses(family.first, after=JUST_AFTER)
    assert family.over
    assert family.refuses(second, after=JUST_AFTER)


def test_an_old_token_whose_successor_was_used_ends_the_family_even_within_the_grace(house: Service) -> None:
    family = Family(house, "used")
    second = family.refresh(family.first)
    third = family.refresh(second, after=timedelta(seconds=1))
    assert family.refuses(family.first, after=timedelta(seconds=2))
    assert family.over
    assert family.refuses(third, after=timedelta(seconds=3))


def test_a_stolen_token_with_another_key_is_refused_and_does_not_hurt_its_owner(house: Service) -> None:
    """Whoever has the cookie alone can neither use it nor sign the owner out with it."""
    family = Family(house, "stolen")
    thief = DeviceKey(jwk={"kty": "EC"}, thumbprint="t" * 43)
    assert family.refuses(family.first, key=thief)
    second = family.refresh(family.first)
    assert family.refuses(family.first, key=thief, after=timedelta(seconds=1))
    assert family.refuses(second, key=thief, after=timedelta(seconds=1))
    assert not family.over
    assert family.refresh(second, after=timedelta(seconds=2))


def test_a_session_left_alone_for_ninety_days_is_over_and_one_that_is_used_lasts_a_year(house: Service) -> None:
    idle = Family(house, "idle")
    assert idle.refuses(idle.first, after=IDLE_LIFETIME)
    used, token, after = Family(house, "year"), "", timedelta()
    token = used.first
    while after + timedelta(days=80) < ABSOLUTE_LIFETIME:
        after += timedelta(days=80)
        token = used.refresh(token, after=after)
    assert used.refuses(token, after=ABSOLUTE_LIFETIME)


def test_a_removed_device_and_an_unknown_token_refresh_nothing(house: Service) -> None:
    family = Family(house, "removed")
    assert family.refuses("x" * 43)
    with house.db.unit_of_work() as uow:
        devices.remove(
            uow,
            community_id=house.community().community_id,
            device_id=family.device_id,
            by_account=None,
            now=family.now,
        )
    assert family.refuses(family.first)


def test_signing_in_again_on_a_device_ends_its_earlier_session(house: Service) -> None:
    family = Family(house, "again")
    Family(house, "again", person=family.person)
    assert family.over
    assert family.refuses(family.first)


def test_of_four_refreshes_at_once_all_get_the_one_successor_in_150_races(house: Service) -> None:
    family = Family(house, "races")
    token = family.first
    for race in range(150):
        after = timedelta(seconds=race)
        got = at_once([lambda token=token, after=after: family.refresh(token, after=after) for _ in range(4)])
        assert len(set(got)) == 1, f"race {race}"
        token = got[0]
    assert family.tokens() == 151
    assert not family.over


# over HTTP


def cookie(phone: Phone) -> str:
    return next(c.value or "" for c in phone.http.cookies if c.name == "gh-main")


def refresh(phone: Phone, *, token: str | None = None, client: str | None = None) -> requests.Response:
    headers = {"DPoP": phone.proof("POST", "/api/v1/session/refresh")}
    if client is not None:
        headers["X-Client"] = client
    if token is None:
        return phone.http.post(f"{phone.origin}/api/v1/session/refresh", headers=headers, timeout=10)
    headers["Cookie"] = f"gh-{client or 'main'}={token}"
    return requests.post(f"{phone.origin}/api/v1/session/refresh", headers=headers, timeout=10)


def test_the_refresh_cookie_is_hidden_from_pages_and_goes_to_the_session_path_only(house: Service) -> None:
    phone = Phone(house.origin)
    code = house.new_person_code(house.community().family_household_id)
    reply = phone.call("POST", "/sign-in/invitation", {"code": code, "name": "a", "device": {"name": "b"}})
    parts = [part.strip() for part in reply.headers["Set-Cookie"].split(";")]
    assert parts[0].startswith("gh-main=")
    assert {"HttpOnly", "Path=/api/v1/session", "SameSite=Strict"} <= set(parts)
    assert "refresh" not in reply.text
    assert reply.headers["Cache-Control"] == "no-store"


def test_a_service_behind_https_marks_the_cookie_secure(start_service) -> None:
    service = start_service()
    made = service.made.services
    object.__setattr__(made.settings, "origins", ("https://gate.example.org", service.origin))
    phone = Phone(service.origin)
    code = service.new_person_code(service.community().family_household_id)
    reply = phone.call("POST", "/sign-in/invitation", {"code": code, "name": "a", "device": {"name": "b"}})
    assert "Secure" in reply.headers["Set-Cookie"]


def test_a_refresh_gives_a_fresh_token_for_the_same_session(house: Service) -> None:
    phone = house.phone("dad", connect=False)
    before = decoded(phone.token or "")
    reply = refresh(phone)
    after = decoded(phone.accept(reply)["access_token"])
    assert {k: v for k, v in after.items() if k not in {"iat", "exp"}} == {
        k: v for k, v in before.items() if k not in {"iat", "exp"}
    }
    assert phone.get("/me")["device"]["id"] == before["did"]


def test_frames_of_one_browser_keep_their_sessions_apart(house: Service) -> None:
    code = house.new_person_code(house.community().family_household_id)
    phone = Phone(house.origin)
    body = {"code": code, "name": "a", "device": {"name": "b"}}
    phone.accept(phone.call("POST", "/sign-in/invitation", body, **{"X-Client": "gh-mum"}))
    assert [c.name for c in phone.http.cookies] == ["gh-gh-mum"]
    assert refresh(phone, client="gh-mum").status_code == 200
    assert slug(refresh(phone, client="gh-dad")) == "sign-in-required"
    assert slug(refresh(phone)) == "sign-in-required"


@pytest.mark.parametrize("client", ["", "Main", "a b", "x" * 41, "../etc", "a;b"])
def test_an_unusable_client_name_is_refused(house: Service, client: str) -> None:
    assert slug(refresh(Phone(house.origin), client=client)) == "validation-failed"


def test_a_stolen_cookie_without_the_devices_key_is_worth_nothing(house: Service) -> None:
    dad, thief = house.phone("dad", connect=False), Phone(house.origin)
    assert slug(refresh(thief, token=cookie(dad))) == "sign-in-required"
    assert refresh(dad).status_code == 200


def test_reuse_refuses_the_access_token_too_and_closes_the_open_page(start_service) -> None:
    service = start_service()
    dad = service.phone("dad")
    old = cookie(dad)
    refresh(dad)
    refresh(dad)
    assert slug(refresh(dad, token=old)) == "sign-in-required"
    dad.inbox.wait("disconnect", timeout=2)
    assert slug(dad.call("GET", "/me")) == "sign-in-required"
    assert slug(refresh(dad)) == "sign-in-required"


def test_sign_out_ends_token_cookie_and_page(house: Service) -> None:
    dad = house.phone("dad")
    token, kept = dad.token, cookie(dad)
    gone = dad.call("DELETE", "/session")
    assert gone.status_code == 204
    assert "gh-main=;" in gone.headers["Set-Cookie"]
    dad.inbox.wait("disconnect", timeout=2)
    assert slug(dad.call("GET", "/me")) == "sign-in-required"
    assert slug(refresh(dad, token=kept)) == "sign-in-required"
    assert token == dad.token
