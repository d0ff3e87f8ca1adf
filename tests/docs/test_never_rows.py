"""What must never exist here, looked for in the real service: routes, parameters, bodies, socket events, tables, words.

Rows R058 (looking people up by name or identity number) and R059 (watch lists of persons) of docs/requirements.csv,
and tracks of faces and movements, which no row of ours asks for.
"""

import itertools
import re
from collections.abc import Iterable
from typing import Any

import pytest
from sqlalchemy import inspect

from intercom.station_namespace import StationNamespace
from intercom.station_protocol import ServerEvent
from mobile_api.resident_namespace import ResidentNamespace
from tests.docs.reading import PACKAGES, ROOT, tree
from tests.support.service import Service

WATCHING = {
    *("watchlist", "blacklist", "blocklist", "suspect", "suspects", "wanted", "surveillance"),
    *("disposition", "dispositions"),  # what GA/T 1400 calls them
}
PAPERS = {"idcard", "ethnicity", "nationality", "hukou", "religion"}
TRACKS = {"face", "faces", "gait", "trajectory", "trajectories", "whereabouts"}
FORBIDDEN_WORDS = WATCHING | PAPERS | TRACKS
FORBIDDEN_PAIRS = {
    tuple(pair.split())
    for pair in (
        *("watch list", "black list", "key person", "key persons", "control status", "control list"),
        *("id card", "id number", "identity number", "identity card", "household registration"),
    )
}
FORBIDDEN_CHINESE = ("布控", "重点人员", "重点关注", "身份证", "民族", "户籍", "人脸轨迹")
QUERY_PARAMETERS = {"state", "limit", "cursor", "building_id", "unit_id", "expires", "signature"}
"""All that lists can be narrowed by: places, pages and states - never a person."""
PEOPLE = {"phone_masked", "relation", "tenants"}
"""Members that mark a list of people."""


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower())


def _forbidden(names: Iterable[str]) -> set[str]:
    found = set()
    for name in names:
        words = _words(name)
        if FORBIDDEN_WORDS & set(words) or FORBIDDEN_PAIRS & set(itertools.pairwise(words)):
            found.add(name)
    return found


def _members(spec: dict[str, Any], schema: Any, seen: frozenset[str] = frozenset()) -> set[str]:
    """Every member name that a schema can have, at any depth."""
    if isinstance(schema, list):
        return {name for part in schema for name in _members(spec, part, seen)}
    if not isinstance(schema, dict):
        return set()
    reference = schema.get("$ref")
    if reference is not None:
        name = reference.rpartition("/")[2]
        return set() if name in seen else _members(spec, spec["components"]["schemas"][name], seen | {name})
    own = set(schema.get("properties", {}))
    return own | {name for part in schema.values() for name in _members(spec, part, seen)} if schema else own


def _operations(spec: dict[str, Any]) -> Iterable[tuple[str, str, dict[str, Any]]]:
    for path, item in spec["paths"].items():
        for method in ("get", "post", "put", "patch", "delete"):
            if method in item:
                yield method, path, {"parameters": item.get("parameters", []), **item[method]}


def _searches_for_people(spec: dict[str, Any]) -> list[str]:
    """Operations by which somebody could look people up beyond one home of their own choice."""
    found = []
    for method, path, operation in _operations(spec):
        query = {p["name"] for p in operation["parameters"] if p["in"] == "query"}
        if query - QUERY_PARAMETERS:
            found.append(f"{method} {path}: ?{sorted(query - QUERY_PARAMETERS)}")
        answers = set()
        for status, answer in operation.get("responses", {}).items():
            if status.startswith("2"):
                answers |= _members(spec, answer.get("content", {}))
        lists_people = bool(PEOPLE & answers) and method == "get"
        if lists_people and "/staff/" in path and "{household_id}" not in path:
            found.append(f"{method} {path}: lists people of more than one home")
        if "/staff/" in path and re.search(r"search|lookup|find|query", path):
            found.append(f"{method} {path}")
    return found


@pytest.fixture
def spec(service: Service) -> dict[str, Any]:
    with service.made.app.app_context():
        found: dict[str, Any] = service.made.app.spec
    return found


def test_nobody_can_look_people_up_across_homes(spec: dict[str, Any]) -> None:
    assert len(list(_operations(spec))) > 40, "the document holds the real operations"
    assert _searches_for_people(spec) == []


def test_every_route_of_the_api_is_in_the_document_that_was_searched(service: Service, spec: dict[str, Any]) -> None:
    routes = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in service.made.app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/")
        for method in rule.methods or ()
        if method not in {"HEAD", "OPTIONS"}
    }
    assert routes == {(method, path) for method, path, _ in _operations(spec)}


def test_no_route_member_or_event_is_of_a_forbidden_kind(spec: dict[str, Any]) -> None:
    names = {part for _, path, _ in _operations(spec) for part in path.split("/")}
    names |= set(spec["components"]["schemas"])
    names |= _members(spec, list(spec["components"]["schemas"].values()))
    names |= set(ResidentNamespace.EVENTS) | set(StationNamespace.EVENTS) | {event.value for event in ServerEvent}
    assert _forbidden(names) == set()


def test_no_table_or_column_is_of_a_forbidden_kind(service: Service) -> None:
    looked = inspect(service.db.engine)
    tables = looked.get_table_names()
    columns = {f"{table}.{column['name']}" for table in tables for column in looked.get_columns(table)}
    assert "account.name_sealed" in columns
    assert _forbidden([*tables, *columns]) == set()


def test_no_code_or_page_speaks_of_it() -> None:
    speaking = {}
    for name in tree():
        if name.startswith((*(f"{package}/" for package in PACKAGES), "web/src/")) and name.endswith(
            (".py", ".ts", ".vue")
        ):
            text = (ROOT / name).read_text(encoding="utf-8")
            if found := [word for word in FORBIDDEN_CHINESE if word in text]:
                speaking[name] = found
    assert not speaking


def test_the_search_finds_each_kind() -> None:
    """The checks above can fail."""
    assert _forbidden(["watch_list", "WatchListIn", "keyPersonId", "account.id_number", "face_track", "call"]) == {
        "watch_list",
        "WatchListIn",
        "keyPersonId",
        "account.id_number",
        "face_track",
    }
    people = {"schema": {"$ref": "#/components/schemas/Person"}}
    bad = {
        "components": {"schemas": {"Person": {"properties": {"phone_masked": {"type": "string"}}}}},
        "paths": {
            "/api/v1/staff/residents": {"get": {"parameters": [], "responses": {"200": {"content": {"json": people}}}}},
            "/api/v1/staff/homes": {"get": {"parameters": [{"name": "name", "in": "query"}], "responses": {}}},
            "/api/v1/staff/people-search": {"post": {"parameters": [], "responses": {}}},
        },
    }
    assert len(_searches_for_people(bad)) == 3
