"""Limits: too many tries are refused with 429 and the time to come back, and good requests are not held up by them."""

from collections.abc import Callable, Iterator

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from intercom.station_hello import sign_pairing
from tests.backend.identity.ways_in import MUM, ask_code, enter_code, join, other, slug
from tests.conftest import SeededTemplate
from tests.support.phones import Phone
from tests.support.service import Service


@pytest.fixture
def limited(start_service: Callable[..., Service]) -> Service:
    return start_service(rate_limits=True)


def tries_until_refused(work: Callable[[], requests.Response], *, most: int) -> int:
    """How many tries were looked at before the first 429, which must say when to come back."""
    for count in range(most + 1):
        reply = work()
        if reply.status_code == 429:
            assert slug(reply) == "too-many-requests"
            wait_s = reply.json()["retry_after_s"]
            assert int(reply.headers["Retry-After"]) == wait_s
            assert wait_s >= 1
            return count
    raise AssertionError(f"no limit after {most + 1} tries")


def test_a_number_gets_one_message_in_thirty_seconds_whether_known_or_not(limited: Service) -> None:
    phone = Phone(limited.origin)
    for number in (MUM, "13712345678"):
        assert phone.call("POST", "/sign-in/codes", {"phone": number}).status_code == 202
        again = phone.call("POST", "/sign-in/codes", {"phone": number})
        assert slug(again) == "too-many-requests"
        assert 1 <= int(again.headers["Retry-After"]) <= 30
    limited.sms.code_to(f"+86{MUM}")
    assert len(limited.sms.sent) == 1


def test_one_address_asks_for_ten_codes_an_hour(limited: Service) -> None:
    numbers = iter(f"1371234{n:04d}" for n in range(100))
    phone = Phone(limited.origin)
    assert tries_until_refused(lambda: phone.call("POST", "/sign-in/codes", {"phone": next(numbers)}), most=20) == 10


def test_wrong_phone_codes_are_limited_and_the_code_in_hand_is_not_lost(limited: Service) -> None:
    _, code = ask_code(limited)
    guess = tries_until_refused(lambda: enter_code(Phone(limited.origin), "f" * 32, other(code)), most=40)
    assert guess == 20
    assert limited.phone("dad", connect=False).get("/me"), "another way in is not shut by it"


def test_wrong_invitations_are_limited_and_nothing_else_is(limited: Service) -> None:
    mum = limited.phone("mum")
    station = limited.station()
    assert tries_until_refused(lambda: join(Phone(limited.origin), "00000000"), most=40) == 20
    code = limited.new_person_code(limited.community().family_household_id)
    assert slug(join(Phone(limited.origin), code)) == "too-many-requests"
    call = station.press("1201")["call"]
    mum.rings(call["id"])
    assert mum.answer(call["id"]).status_code == 200
    assert mum.open(mum.get("/doors")["items"][0]["id"], call_id=call["id"]).status_code == 201


def test_right_invitations_are_not_counted_as_guesses(limited: Service) -> None:
    home = limited.community().family_household_id
    for _ in range(25):
        assert join(Phone(limited.origin), limited.new_person_code(home)).status_code == 200


def test_wrong_passwords_are_limited(limited: Service) -> None:
    body = {"phone": "13800000000", "password": "wrong", "device": {"name": "x"}}
    assert tries_until_refused(lambda: Phone(limited.origin).call("POST", "/sign-in/password", body), most=40) == 20


def test_wrong_pairing_codes_are_limited(limited: Service) -> None:
    wish = sign_pairing(Ed25519PrivateKey.generate(), "00000000", software="x 1").to_wire()
    url = f"{limited.origin}/api/v1/stations/pair"
    assert tries_until_refused(lambda: requests.post(url, json=wish, timeout=10), most=40) == 20


def test_a_phone_opens_sixty_times_a_minute(limited: Service) -> None:
    mum = limited.phone("mum", connect=False)
    door_id = mum.get("/doors")["items"][0]["id"]
    assert tries_until_refused(lambda: mum.open(door_id), most=80) == 60
    assert limited.phone("dad", connect=False).open(door_id).status_code == 201


def test_a_resident_makes_thirty_invitations_an_hour(limited: Service) -> None:
    mum = limited.phone("mum", connect=False)
    body = {"household_id": limited.community().family_household_id, "relation": "family"}
    assert tries_until_refused(lambda: mum.call("POST", "/invitations", body), most=40) == 30
    assert mum.get("/me")


@pytest.fixture(scope="module")
def flooded(tmp_path_factory: pytest.TempPathFactory, seeded_template: SeededTemplate) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("flooded"), seeded_template, rate_limits=True)
    yield service
    service.close()


def test_a_flooding_page_is_refused_then_closed_and_other_pages_still_ring(flooded: Service) -> None:
    loud, calm = flooded.phone("mum"), flooded.phone("dad")
    station = flooded.station()
    answers: list[str] = []
    assert loud.socket is not None

    def heard(answer: dict[str, dict[str, str]]) -> None:
        answers.append(answer["problem"]["type"])

    for _ in range(400):
        if not loud.socket.connected:
            break
        loud.socket.emit("call.received", {"call_id": "x"}, namespace="/resident", callback=heard)
    loud.inbox.wait("disconnect")
    assert answers[:50] == ["/problems/not-found"] * 50
    assert "/problems/too-many-requests" in answers
    calm.rings(station.press("1201")["call"]["id"])
    assert flooded.phone("mum").socket.connected, "it may come again"
