"""Identifiers sort by the order they were made in; codes are uniform digits."""

from concurrent.futures import ThreadPoolExecutor

from backend.ids import new_digits, new_id


def test_identifiers_are_32_hexadecimal_characters_of_version_7() -> None:
    for _ in range(1000):
        made = new_id()
        assert len(made) == 32
        assert int(made, 16) >= 0
        assert made[12] == "7"
        assert made[16] in "89ab"


def test_later_identifiers_sort_after_earlier_ones_also_within_a_millisecond() -> None:
    made = [new_id() for _ in range(20_000)]
    assert made == sorted(made)
    assert len({one[:12] for one in made}) < len(made), "several were made in one millisecond"


def test_identifiers_made_by_many_threads_at_once_are_all_different() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [one for batch in pool.map(lambda _: [new_id() for _ in range(2000)], range(8)) for one in batch]
    assert len(set(made)) == len(made)


def test_codes_keep_their_leading_zeros_and_use_every_digit() -> None:
    codes = [new_digits(6) for _ in range(5000)]
    assert {len(code) for code in codes} == {6}
    assert {code[0] for code in codes} == set("0123456789")
    assert all(code.isascii() and code.isdigit() for code in codes)
