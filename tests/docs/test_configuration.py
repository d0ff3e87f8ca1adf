"""docs/configuration.md names every variable, with the default it really has."""

import re
from pathlib import Path

from backend.config import Settings, load_settings
from intercom.agent.cli import DEFAULTS, OPTIONS
from tests.docs.reading import PACKAGES, ROOT, page, pages, tables, tree

NAME = re.compile(r"GATEHOUSE_[A-Z0-9]+(?:_[A-Z0-9]+)*")
SOURCES = (*PACKAGES, "web", "scripts", "Makefile", "hatch_build.py", ".ci")
STATION = {f"GATEHOUSE_STATION_{name.upper().replace('-', '_')}": name for name in OPTIONS}
SPECIAL = {
    "GATEHOUSE_SECRET_FILE",  # becomes `secret`
    "GATEHOUSE_NO_RATE_LIMITS",  # becomes `rate_limits`, the other way round
    "GATEHOUSE_FAILPOINT",
    "GATEHOUSE_DEV_BACKEND",
}


def _rows() -> dict[str, dict[str, str]]:
    found = {}
    for row in tables(page("docs/configuration.md").text):
        name = row["variable"].strip("`")
        assert name not in found, f"{name} stands there twice"
        found[name] = row
    return found


def _in_code() -> set[str]:
    names: set[str] = set()
    for name in tree():
        if name.startswith(tuple(f"{source}/" for source in SOURCES)) or name in SOURCES:
            text = (ROOT / name).read_text(encoding="utf-8", errors="replace")
            names |= {match for match in NAME.findall(text) if match != "GATEHOUSE_STATION"}
    return names | set(STATION)


def test_every_variable_of_the_code_is_documented_and_the_other_way_round() -> None:
    assert set(_rows()) == _in_code()


def test_no_page_names_a_variable_that_does_not_exist() -> None:
    known = _in_code()
    for each in pages():
        named = {match for match in NAME.findall(each.text) if match != "GATEHOUSE_STATION"}
        assert named <= known, f"{each.name}: {sorted(named - known)}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value) if value not in ("", ()) else "none"


def test_the_defaults_are_the_real_ones() -> None:
    real = load_settings({"GATEHOUSE_SECRET": "0123456789 abcdefghijklmnopqrstuv"})
    told = {name: row["default"].strip("`") for name, row in _rows().items()}
    for name in set(told) - set(STATION) - SPECIAL:
        field = name.removeprefix("GATEHOUSE_").lower()
        assert field in Settings.__dataclass_fields__, f"{name} is no setting"
        value = getattr(real, field)
        if field == "data":
            assert value == Path(told[name]).resolve()
        elif field == "secret":
            assert told[name] == "none"
        elif field == "origins":
            named = re.findall(r"http://[^`,]+", told[name])
            assert tuple(origin.replace("<port>", str(real.port)) for origin in named) == value
        elif field == "database_url":
            assert told[name] == "SQLite in the data folder"
            assert value == f"sqlite:///{real.data / 'gatehouse.db'}"
        else:
            assert told[name] == _shown(value), name


def test_every_setting_can_be_set() -> None:
    fixed = {"open_lifetime_s"}  # part of the station protocol
    fields = {f"GATEHOUSE_{name.upper()}" for name in Settings.__dataclass_fields__ if name not in fixed}
    assert fields - {"GATEHOUSE_RATE_LIMITS"} <= set(_rows())


def test_the_station_programs_options_and_defaults_are_the_real_ones() -> None:
    rows = _rows()
    for variable, option in STATION.items():
        assert rows[variable]["option"] == f"`--{option}`"
        assert rows[variable]["default"].strip("`") == DEFAULTS.get(option, "none"), variable
