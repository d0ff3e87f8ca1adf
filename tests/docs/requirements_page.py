"""Makes docs/requirements.md out of docs/requirements.csv: `python -m tests.docs.requirements_page`."""

import csv
from dataclasses import dataclass, fields

from tests.docs.reading import ROOT

TABLE = ROOT / "docs" / "requirements.csv"
PAGE = ROOT / "docs" / "requirements.md"
HEAD = """# Requirements

What the standard for smart residential communities asks, what this release serves of it, by which code, and which
tests show it. Only the rows that this release touches are here, in our own words. The same as data:
[requirements.csv](requirements.csv); this page is made from it by `python -m tests.docs.requirements_page`, and tests
check that every name here exists.

`part`: served as far as *Now* says, the rest comes later. `later`: not served yet. `never`: must not exist, and a test
looks for it.

| row | clause | what is asked | state |
|---|---|---|---|
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the standard as far as this release knows it."""

    id: str
    clause: str
    requirement: str
    acceptance: str
    state: str
    served_now: str
    code: str
    tests: str
    later: str

    @property
    def code_names(self) -> list[str]:
        return self.code.split()

    @property
    def test_names(self) -> list[str]:
        return self.tests.split()


def rows() -> list[Row]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        assert reader.fieldnames == [field.name for field in fields(Row)]
        return [Row(**{name: value.strip() for name, value in row.items()}) for row in reader]


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _section(row: Row) -> str:
    parts = [("Asked", row.acceptance), ("Now", row.served_now), ("Code", _names(row.code_names))]
    parts += [("Tests", _names(row.test_names)), ("Later", row.later)]
    lines = "\n".join(f"- **{name}:** {text}" for name, text in parts if text)
    return f"## {row.id} {row.requirement}\n\n{lines}\n"


def rendered() -> str:
    everything = rows()
    overview = "".join(
        f"| [{row.id}](#{_anchor(row)}) | {row.clause} | {row.requirement} | {row.state} |\n" for row in everything
    )
    return HEAD + overview + "\n" + "\n".join(_section(row) for row in everything)


def _anchor(row: Row) -> str:
    heading = f"{row.id} {row.requirement}".lower()
    return "".join("-" if sign == " " else sign for sign in heading if sign.isalnum() or sign in "-_ ")


if __name__ == "__main__":
    PAGE.write_text(rendered(), encoding="utf-8")
