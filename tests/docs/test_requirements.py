"""docs/requirements.csv is honest: what it names exists, and what must be there is there."""

import ast
import re
from pathlib import Path

import pytest

from tests.docs.reading import PACKAGES, ROOT, resolve, tree
from tests.docs.requirements_page import PAGE, Row, rendered, rows

SERVED = {"R001", "R011", "R022", "R027", "R051", "R063", "R065", "R066", "R068", "R079", "R086", "R139"}
EVERY_ROW = pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)


def _tests_in(path: Path) -> set[str]:
    """Names of the tests of a file: `test_x`, or `TestY::test_x`."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            methods = (inner for inner in node.body if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{node.name}::{method.name}" for method in methods}
    return {name for name in found if name.rpartition("::")[2].startswith("test_")}


def _test_exists(name: str) -> bool:
    file, _, test = name.partition("::")
    path = ROOT / file
    if file not in tree() or not path.name.startswith("test_"):
        return False
    tests = _tests_in(path)
    return test in tests if test else bool(tests)


@EVERY_ROW
def test_every_named_piece_of_code_exists(row: Row) -> None:
    for name in row.code_names:
        assert name.startswith(PACKAGES)
        resolve(name)


@EVERY_ROW
def test_every_named_test_exists(row: Row) -> None:
    for name in row.test_names:
        assert _test_exists(name), f"{row.id}: there is no {name}"


@EVERY_ROW
def test_a_row_says_what_its_state_needs(row: Row) -> None:
    assert re.fullmatch(r"R\d{3}", row.id)
    assert row.clause
    assert row.requirement
    assert row.acceptance
    match row.state:
        case "part":
            assert row.served_now
            assert row.code_names
            assert row.test_names
            assert row.later
        case "later":
            assert row.later
            assert row.served_now + row.code + row.tests == ""
        case "never":
            assert row.test_names
            assert row.served_now + row.code + row.later == ""
        case _:
            raise AssertionError(f"{row.id}: no such state: {row.state}")


def test_the_rows_of_this_release_are_served_and_each_stands_once() -> None:
    ids = [row.id for row in rows()]
    assert len(set(ids)) == len(ids)
    assert {row.id for row in rows() if row.state == "part"} == SERVED
    assert {row.id for row in rows() if row.state == "never"} == {"R058", "R059"}


def test_every_row_named_anywhere_is_in_the_table() -> None:
    known = {row.id for row in rows()}
    for name in tree():
        if name.startswith((*PACKAGES, "tests/", "docs/", "web/src")) and name.endswith((".py", ".md", ".ts", ".vue")):
            named = set(re.findall(r"\bR\d{3}\b", (ROOT / name).read_text(encoding="utf-8")))
            assert named <= known, f"{name}: {sorted(named - known)}"


def test_the_page_is_made_from_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == rendered(), "run: python -m tests.docs.requirements_page"


def test_a_name_that_does_not_exist_is_found() -> None:
    assert _test_exists("tests/flows/test_call_and_open.py")
    assert not _test_exists("tests/flows/test_call_and_open.py::test_nothing_of_the_kind")
    assert not _test_exists("tests/flows/test_nowhere.py")
    assert not _test_exists("tests/support/service.py")
