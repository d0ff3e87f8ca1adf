"""The pages that list something list all of it: problem types, facts, reasons, end reasons, the privacy notice."""

import re

import pytest
from apiflask import APIFlask
from flask import abort

from backend import errors, events
from backend.access_rules import GRANTS, Reason
from backend.accounts import PRIVACY_VERSION
from intercom.station_protocol import EndReason
from mobile_api.problems import init_problems
from tests.docs.reading import ROOT, page, tables

FRAMEWORK = {400, 404, 405, 413, 415, 416, 500}
"""What Flask and Werkzeug answer by themselves."""


def _subclasses(kind: type) -> list[type]:
    return [kind, *(deeper for below in kind.__subclasses__() for deeper in _subclasses(below))]


def _problems_told() -> dict[str, int]:
    rows = [row for row in tables(page("docs/problems.md").text) if "type" in row]
    assert len({row["type"] for row in rows}) == len(rows), "a type stands there twice"
    return {row["type"].strip("`"): int(row["status"]) for row in rows}


@pytest.fixture(scope="module")
def framework_problems() -> dict[str, int]:
    """The problem types of errors that the framework raises, as the real handlers render them."""
    app = APIFlask("problems", docs_path=None, spec_path=None)
    init_problems(app)

    @app.get("/<int:status>")
    def fail(status: int) -> None:
        abort(status)

    found = {}
    for status in FRAMEWORK:
        reply = app.test_client().get(f"/{status}")
        assert reply.content_type == "application/problem+json"
        found[reply.get_json()["type"].removeprefix("/problems/")] = reply.status_code
    return found


def test_problem_types_are_complete_both_ways(framework_problems: dict[str, int]) -> None:
    ours = {kind.slug: kind.status for kind in _subclasses(errors.ServiceError)}  # type: ignore[attr-defined]
    assert _problems_told() == ours | framework_problems


def test_no_two_problem_types_share_a_slug() -> None:
    kinds = _subclasses(errors.ServiceError)
    assert len({kind.slug for kind in kinds}) == len(kinds)  # type: ignore[attr-defined]


def test_reasons_of_a_refusal_are_complete() -> None:
    text = page("docs/problems.md").text
    paragraph = text[text.index("Reasons of `access-denied`") :].partition("\n\n")[0]
    told = set(re.findall(r"`([a-z_]+)`", paragraph))
    assert told == {reason.value for reason in Reason if reason not in GRANTS}


def _stored(kind: type) -> set[str]:
    members = kind.__dataclass_fields__.values()  # type: ignore[attr-defined]
    return {member.name for member in members if member.metadata.get("stored", True)}


def test_facts_and_their_members_are_complete_both_ways() -> None:
    told = {row["fact"].strip("`"): row["members"] for row in tables(page("docs/events.md").text) if "members" in row}
    kinds = {kind.__name__: kind for kind in _subclasses(events.Event)[1:]}
    assert set(told) == set(kinds)
    for name, members in told.items():
        own = set(re.findall(r"`([a-z_]+)`", members))
        if "as `CallChanged`" in members:
            own |= _stored(kinds["CallChanged"])
        assert own | {"community_id"} == _stored(kinds[name]), name


def test_the_listeners_told_are_those_that_are_connected() -> None:
    """Each line of `_connect` in backend/app.py is a row of docs/events.md, and the other way round."""
    source = (ROOT / "backend" / "app.py").read_text()
    connected = set(re.findall(r"db\.listen\(events\.(\w+), (\w+)\.(\w+)\)", source))
    assert len(connected) == source.count("db.listen(")
    places = {"ResidentNamespace": "residents", "StationNamespace": "stations"}
    told = {
        (fact, places[row["listener"].split(".")[-2]], row["listener"].strip("`").split(".")[-1])
        for row in tables(page("docs/events.md").text)
        if "listener" in row
        for fact in re.findall(r"`(\w+)`", row["fact"])
    }
    assert told == connected


def test_end_reasons_are_complete_in_glossary_and_protocol() -> None:
    reasons = {reason.value for reason in EndReason}
    glossary = {row["value"].strip("`") for row in tables(page("docs/glossary.md").text) if "value" in row}
    assert glossary == reasons
    protocol = page("docs/station-protocol.md").text
    paragraph = protocol[protocol.index("End reasons:") :].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z_]+)`", paragraph)) >= reasons


def test_the_privacy_notice_is_the_one_the_page_shows() -> None:
    messages = (ROOT / "web" / "src" / "resident" / "messages-pages.ts").read_text(encoding="utf-8")
    shown = re.findall(r"""'privacy\.(\w+)': (?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")""", messages)
    controls = {"accept", "decline", "version"}
    texts = [(single or double).replace("\\'", "'") for key, single, double in shown if key not in controls]
    assert len(texts) == 16, "title, lead and six points, in two languages"
    notice = page("docs/privacy-notice.md").text
    for text in texts:
        assert text in notice, text
    assert f"version `{PRIVACY_VERSION}`" in notice
