"""Names and phone numbers are sealed: the bytes of the database hold none, and a moved ciphertext does not open."""

from pathlib import Path

import pytest

from backend.accounts import Account, name_of
from backend.households import Resident
from backend.vault import SealBrokenError, Vault
from mobile_api.seed import FAMILY
from tests.backend.identity.ways_in import ask_code
from tests.support.phones import Phone
from tests.support.service import Service

NEW_NAME, NEW_NUMBER = "欧阳端木", "13777778888"


def bytes_on_disk(house: Service) -> dict[str, bytes]:
    files = [path for path in house.folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(house.folder)): Path(path).read_bytes() for path in files}


def spellings(text: str) -> list[bytes]:
    return [text.encode("utf-8"), text.encode("utf-16-le"), text.encode("utf-16-be"), text.encode("unicode_escape")]


def test_no_name_and_no_number_is_in_any_file_of_the_service(house: Service) -> None:
    """Seeded people, one who came by invitation, one the administrator registered, and a sign-in by number."""
    seeded = house.community()
    Phone(house.origin).join(house.new_person_code(seeded.family_household_id), NEW_NAME)
    desk = house.administrator()
    made = desk.call(
        "POST",
        f"/staff/households/{seeded.family_household_id}/residents",
        {"name": "司徒东方", "phone": NEW_NUMBER, "relation": "family"},
        key="once",
    )
    assert made.status_code == 201
    ask_code(house, NEW_NUMBER)
    mum, station = house.phone("mum"), house.station()
    call = station.press("1201")["call"]
    mum.rings(call["id"])
    mum.answer(call["id"])
    mum.open(mum.get("/doors")["items"][0]["id"], call_id=call["id"])
    mum.hang_up(call["id"])
    with house.db.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")
    stored = bytes_on_disk(house)
    assert any(name.endswith("-wal") for name in stored), "the write-ahead log is searched too"
    assert len(stored["gatehouse.db"]) > 100_000
    assert "幸福里小区".encode() in stored["gatehouse.db"], "the search finds what is not sealed"
    people = [name for name, _ in FAMILY.values()] + ["房东", "租客", "管理员", NEW_NAME, "司徒东方"]
    numbers = ["13800000001", "13900000102", "13800000000", NEW_NUMBER]
    for text in people + numbers + [number[3:] for number in numbers]:
        for spelling in spellings(text):
            assert not [name for name, data in stored.items() if spelling in data], text
    invitation = made.json()["invitation"]["code"]
    assert not [name for name, data in stored.items() if invitation.encode() in data], "nor a code that lets in"


def test_a_ciphertext_moved_to_another_person_does_not_open(start_service) -> None:
    service: Service = start_service()
    with service.db.unit_of_work() as uow:
        home = Resident.household_id == service.community().family_household_id
        one, two = (
            uow.session.get_one(Account, resident.account_id)
            for resident in uow.session.query(Resident).where(home).limit(2)
        )
        assert name_of(service.vault, one) != name_of(service.vault, two)
        one.name_sealed = two.name_sealed
        with pytest.raises(SealBrokenError):
            name_of(service.vault, one)


def test_a_ciphertext_opens_only_for_its_field_row_and_secret_and_unchanged() -> None:
    vault = Vault("one secret that is long enough for this")
    sealed = vault.seal("妈妈", field="account.name", row="r1")
    assert vault.open(sealed, field="account.name", row="r1") == "妈妈"
    others = [
        (vault, sealed, "account.phone", "r1"),
        (vault, sealed, "account.name", "r2"),
        (Vault("another secret that is long enough too"), sealed, "account.name", "r1"),
        (vault, sealed[:-1], "account.name", "r1"),
        (vault, sealed[:-1] + bytes([sealed[-1] ^ 1]), "account.name", "r1"),
    ]
    for key, data, field, row in others:
        with pytest.raises(SealBrokenError):
            key.open(data, field=field, row=row)


def test_the_same_name_is_sealed_differently_each_time_and_numbers_are_found_by_index_only() -> None:
    vault = Vault("one secret that is long enough for this")
    assert vault.seal("a", field="f", row="r") != vault.seal("a", field="f", row="r")
    index = vault.blind_index("+8613800000001", field="account.phone")
    assert index == vault.blind_index("+8613800000001", field="account.phone")
    assert index != vault.blind_index("+8613800000001", field="account.other")
    assert index != Vault("another secret that is long enough too").blind_index("+8613800000001", field="account.phone")
