"""Administrators come in by number and password; residents do not."""

import requests

from backend.errors import ValidationFailedError
from backend.identity.sign_in import hash_password
from mobile_api.seed import DEMO_ADMINISTRATOR_PASSWORD
from tests.backend.identity.ways_in import MUM, pending_phone, refused, slug
from tests.support.phones import Phone
from tests.support.service import Service


def enter(house: Service, number: str, password: str) -> requests.Response:
    phone = Phone(house.origin)
    body = {"phone": number, "password": password, "device": {"name": "desk"}}
    return phone.call("POST", "/sign-in/password", body)


def test_the_right_password_makes_an_administrator(house: Service) -> None:
    desk = house.administrator()
    assert desk.session["account"]["role"] == "administrator"
    assert desk.session["device"]["state"] == "approved"
    assert desk.get("/staff/community")["name"] == "幸福里小区"


def test_wrong_password_unknown_number_and_residents_get_the_same_answer(house: Service) -> None:
    replies = [
        enter(house, "13800000000", "not the password"),
        enter(house, "13712345678", DEMO_ADMINISTRATOR_PASSWORD),
        enter(house, MUM, DEMO_ADMINISTRATOR_PASSWORD),
    ]
    assert {slug(reply) for reply in replies} == {"sign-in-failed"}
    assert len({reply.text for reply in replies}) == 1


def test_a_password_has_ten_characters_or_more_and_is_stored_as_argon2id() -> None:
    refusal = refused(ValidationFailedError, lambda: hash_password("123456789"))
    assert refusal.members["errors"][0]["field"] == "password"
    assert hash_password("1234567890").startswith("$argon2id$")


def test_an_administrators_phone_number_alone_makes_no_administrators_device(house: Service) -> None:
    """A stolen number must not open the property's pages: the device waits, and the pages stay shut."""
    thief = pending_phone(house, "13800000000")
    assert slug(thief.call("GET", "/staff/community")) == "device-pending"
