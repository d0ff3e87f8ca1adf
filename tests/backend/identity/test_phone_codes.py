"""Sign-in by a code to the phone: the same answer to everybody, five tries, one use - and the device waits."""

from datetime import timedelta

import pytest
from socketio.exceptions import ConnectionError as RefusedError

from backend.clock import utc_now
from backend.errors import SignInFailedError
from backend.identity import one_time_codes
from backend.identity.one_time_codes import LIFETIME
from tests.backend.identity.ways_in import MUM, ask_code, at_once, enter_code, other, pending_phone, slug
from tests.support.phones import Phone
from tests.support.service import Service

UNKNOWN = "13712345678"


def test_known_and_unknown_numbers_get_the_same_answer_and_only_the_known_one_a_message(house: Service) -> None:
    phone = Phone(house.origin)
    known = phone.call("POST", "/sign-in/codes", {"phone": MUM})
    unknown = phone.call("POST", "/sign-in/codes", {"phone": UNKNOWN})
    for reply in (known, unknown):
        assert reply.status_code == 202
        assert set(reply.json()) == {"request_id", "expires_in_s"}
        assert len(reply.json()["request_id"]) == 32
    assert known.json()["expires_in_s"] == unknown.json()["expires_in_s"] == 300
    varying = {"Date", "Content-Length"}
    assert {k: v for k, v in known.headers.items() if k not in varying} == {
        k: v for k, v in unknown.headers.items() if k not in varying
    }
    code = house.sms.code_to(f"+86{MUM}")
    wrong = [
        enter_code(Phone(house.origin), known.json()["request_id"], other(code)).json(),
        enter_code(Phone(house.origin), unknown.json()["request_id"], code).json(),
        enter_code(Phone(house.origin), "f" * 32, code).json(),
    ]
    assert wrong == [wrong[0]] * 3
    assert all(to != f"+86{UNKNOWN}" for to, _ in house.sms.sent)


@pytest.mark.parametrize("written", [MUM, f"+86{MUM}", "+86 138-0000-0001", " 138 0000 0001 "])
def test_a_number_is_the_same_however_it_is_written(house: Service, written: str) -> None:
    phone = Phone(house.origin)
    sent = len([1 for to, _ in house.sms.sent if to == f"+86{MUM}"])
    asked = phone.call("POST", "/sign-in/codes", {"phone": written})
    code = house.sms.code_to(f"+86{MUM}", beyond=sent)
    assert phone.accept(enter_code(phone, asked.json()["request_id"], code))["account"]["name"] == "妈妈"


def test_after_five_wrong_tries_the_right_code_is_refused_too(house: Service) -> None:
    phone = Phone(house.origin)
    request_id, code = ask_code(house)
    for _ in range(5):
        assert slug(enter_code(phone, request_id, other(code))) == "sign-in-failed"
    assert slug(enter_code(phone, request_id, code)) == "sign-in-failed"


def test_after_four_wrong_tries_the_right_code_still_lets_in(house: Service) -> None:
    phone = Phone(house.origin)
    request_id, code = ask_code(house)
    for _ in range(4):
        enter_code(phone, request_id, other(code))
    assert enter_code(phone, request_id, code).status_code == 200


def test_tries_at_the_same_moment_count_too(house: Service) -> None:
    """Eight threads guess at once: five are looked at, so the right code afterwards is one too many."""
    request_id, code = ask_code(house)
    at_once([lambda: enter_code(Phone(house.origin), request_id, other(code)) for _ in range(8)])
    assert slug(enter_code(Phone(house.origin), request_id, code)) == "sign-in-failed"


def test_a_code_is_good_for_five_minutes(house: Service) -> None:
    request_id, code = ask_code(house)
    late = utc_now() + LIFETIME + timedelta(seconds=1)
    with pytest.raises(SignInFailedError):
        one_time_codes.redeem_code(house.db, house.vault, request_id=request_id, code=code, now=late)
    in_time = utc_now() + LIFETIME - timedelta(seconds=30)
    assert one_time_codes.redeem_code(house.db, house.vault, request_id=request_id, code=code, now=in_time)


def test_a_code_works_once_and_only_with_its_own_request(house: Service) -> None:
    first, second = ask_code(house), ask_code(house)
    phone = Phone(house.origin)
    if first[1] != second[1]:
        assert slug(enter_code(phone, first[0], second[1])) == "sign-in-failed"
    assert enter_code(phone, *first).status_code == 200
    assert slug(enter_code(Phone(house.origin), *first)) == "sign-in-failed"


@pytest.mark.parametrize("attempt", range(5))
def test_of_eight_phones_with_the_right_code_at_most_one_comes_in(house: Service, attempt: int) -> None:
    request_id, code = ask_code(house)
    replies = at_once([lambda: enter_code(Phone(house.origin), request_id, code) for _ in range(8)])
    assert sorted(reply.status_code for reply in replies) == [200] + [401] * 7


def test_a_pending_device_sees_no_home_rings_never_and_opens_nothing(house: Service) -> None:
    mum = house.phone("mum")
    station = house.station()
    new = pending_phone(house)
    assert new.get("/me")["households"] == []
    door_id = mum.get("/doors")["items"][0]["id"]
    assert slug(new.call("POST", f"/doors/{door_id}/openings", {}, key="no")) == "device-pending"
    with pytest.raises(RefusedError):
        new.connect()
    call = station.press("1201")["call"]
    assert len(call["legs"]) == 1, "only mum's own phone has a part in the call"
    assert slug(new.call("POST", f"/calls/{call['id']}/answer")) == "device-pending"
    assert station.relay == []
    mum.call("POST", f"/calls/{call['id']}/decline")
    mum.leave()


def test_a_device_of_the_home_approves_and_the_new_phone_works_at_once(house: Service) -> None:
    dad = house.phone("dad")
    new = pending_phone(house)
    dad.inbox.wait("devices")
    listed = {item["id"]: item for item in dad.get("/devices")["items"]}
    assert listed[new.device_id]["state"] == "pending"
    assert listed[new.device_id]["account_name"] == "妈妈"
    assert dad.call("POST", f"/devices/{new.device_id}/approve").status_code == 204
    assert new.get("/me")["device"]["state"] == "approved"
    assert new.get("/me")["households"]
    new.connect()
    new.leave()
    dad.leave()


def test_an_approved_device_that_signs_in_by_number_again_stays_approved(house: Service) -> None:
    new = pending_phone(house)
    house.administrator().call("POST", f"/staff/devices/{new.device_id}/approve")
    device_id = new.device_id
    new.token = None
    assert new.accept(enter_code(new, *ask_code(house)))["device"] == {
        "id": device_id,
        "name": "new phone",
        "state": "approved",
    }


def test_the_administrator_approves_or_refuses(house: Service) -> None:
    desk = house.administrator()
    welcome, unwelcome = pending_phone(house), pending_phone(house)
    waiting = [item["id"] for item in desk.get("/staff/devices")["items"]]
    assert {welcome.device_id, unwelcome.device_id} <= set(waiting)
    assert desk.call("POST", f"/staff/devices/{welcome.device_id}/approve").status_code == 204
    assert desk.call("DELETE", f"/staff/devices/{unwelcome.device_id}").status_code == 204
    assert welcome.get("/doors")["items"]
    assert slug(unwelcome.call("GET", "/me")) == "sign-in-required"


def test_neither_the_device_itself_nor_a_neighbour_nor_an_absent_landlord_approves(house: Service) -> None:
    new = pending_phone(house)
    assert slug(new.call("POST", f"/devices/{new.device_id}/approve")) == "device-pending"
    tenants_new = pending_phone(house, "13900000102")
    landlord = house.phone("landlord", connect=False)
    assert slug(landlord.call("POST", f"/devices/{tenants_new.device_id}/approve")) == "not-found"
    assert slug(landlord.call("POST", f"/devices/{new.device_id}/approve")) == "not-found"
    assert new.get("/me")["device"]["state"] == tenants_new.get("/me")["device"]["state"] == "pending"


@pytest.mark.parametrize("text", ["abc", "1", "+", "0" * 24, "１３８", "1234", "+86", "+999 1234567"])
def test_what_is_no_phone_number_is_refused_by_name(house: Service, text: str) -> None:
    reply = Phone(house.origin).call("POST", "/sign-in/codes", {"phone": text})
    assert slug(reply) == "validation-failed"
    assert reply.json()["errors"][0]["field"] == "phone"
