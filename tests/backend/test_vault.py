"""Sealed columns and derived keys: what a writer of the database alone can and cannot do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.vault import SealBrokenError, Vault
from tests.support.service import SECRET

VAULT = Vault(SECRET)


@given(st.text(max_size=200))
def test_what_is_sealed_opens_for_its_field_and_row_only(words: str) -> None:
    sealed = VAULT.seal(words, field="account.name", row="r1")
    assert VAULT.open(sealed, field="account.name", row="r1") == words
    for field, row in (("account.phone", "r1"), ("account.name", "r2")):
        with pytest.raises(SealBrokenError):
            VAULT.open(sealed, field=field, row=row)
    with pytest.raises(SealBrokenError):
        Vault(SECRET + "x").open(sealed, field="account.name", row="r1")


@given(st.integers(min_value=1, max_value=10_000), st.integers(min_value=1, max_value=255))
def test_a_sealed_value_that_was_changed_does_not_open(position: int, change: int) -> None:
    sealed = bytearray(VAULT.seal("王小明", field="f", row="r"))
    at = 1 + position % (len(sealed) - 1)
    sealed[at] ^= change
    with pytest.raises(SealBrokenError):
        VAULT.open(bytes(sealed), field="f", row="r")


def test_equal_texts_are_sealed_differently_and_found_by_their_blind_index() -> None:
    assert VAULT.seal("x", field="f", row="r") != VAULT.seal("x", field="f", row="r")
    assert b"x" * 8 not in VAULT.seal("x" * 8, field="f", row="r")
    assert VAULT.blind_index("+8613800000001", field="phone") == VAULT.blind_index("+8613800000001", field="phone")
    different = {
        VAULT.blind_index("+8613800000001", field="phone"),
        VAULT.blind_index("+8613800000002", field="phone"),
        VAULT.blind_index("+8613800000001", field="name"),
        Vault(SECRET + "x").blind_index("+8613800000001", field="phone"),
    }
    assert len(different) == 4


def test_keys_of_different_purposes_communities_and_secrets_are_unrelated() -> None:
    keys = {VAULT.key("a"), VAULT.key("b"), Vault(SECRET + "x").key("a")}
    assert len(keys) == 3
    assert all(len(key) == 32 for key in keys)
    chains = {VAULT.chain_key(c).public_key().public_bytes_raw() for c in ("c1", "c2")}
    assert len(chains) == 2
    assert VAULT.code_digest("12345678", purpose="a") != VAULT.code_digest("12345678", purpose="b")


def test_the_secret_does_not_show_in_a_vaults_representation() -> None:
    assert SECRET not in repr(VAULT)
    assert SECRET not in str(VAULT)
