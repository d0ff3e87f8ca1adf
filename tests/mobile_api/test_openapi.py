"""The OpenAPI document: valid, complete, the same in docs/ as from the service, with problems as its errors."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.conftest import SeededTemplate
from tests.support.service import Service

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"
METHODS = {"get", "post", "patch", "put", "delete"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, seeded_template: SeededTemplate) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("openapi"), seeded_template)
    yield made
    made.close()


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    reply = requests.get(f"{service.origin}/api/openapi.json", timeout=10)
    assert reply.status_code == 200
    return reply.json()


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_the_file_in_docs_is_what_the_service_says(document: dict[str, Any]) -> None:
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    assert kept == document, "docs/openapi.json is stale: `gatehouse openapi` writes it anew"


def test_every_route_of_the_api_is_documented_and_nothing_else(service: Service, document: dict[str, Any]) -> None:
    routes = {
        (rule.rule.replace("<", "{").replace(">", "}"), method.lower())
        for rule in service.made.app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert {(path, method) for path, method, _ in operations(document)} == routes


def test_every_error_is_a_problem_document(document: dict[str, Any]) -> None:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, method, operation in operations(document):
        errors = {status: r for status, r in operation["responses"].items() if status.startswith(("4", "5"))}
        assert errors, (path, method)
        for status, response in errors.items():
            assert response["content"] == problem, (path, method, status)
    assert document["components"]["schemas"]["Problem"]["properties"].keys() >= {"type", "title", "status", "detail"}


def test_every_operation_has_its_own_name_a_summary_and_says_who_may_call(document: dict[str, Any]) -> None:
    found = operations(document)
    names = [operation["operationId"] for _, _, operation in found]
    assert len(set(names)) == len(names)
    for path, method, operation in found:
        assert operation["summary"], (path, method)
        assert "Who may call:" in operation["description"], (path, method)
        signed_in = operation["x-audience"] != "public"
        assert bool(operation.get("security")) == signed_in, (path, method)
        if signed_in:
            assert {"401", "403"} <= set(operation["responses"]), (path, method)


def test_creates_take_an_idempotency_key_and_openings_need_one(document: dict[str, Any]) -> None:
    keyed = {}
    for path, method, operation in operations(document):
        for parameter in operation.get("parameters", []):
            if parameter["name"] == "Idempotency-Key":
                keyed[f"{method} {path}"] = parameter["required"]
    assert keyed.pop("post /api/v1/doors/{door_id}/openings") is True
    assert set(keyed.values()) == {False}
    creates = {
        f"{method} {path}"
        for path, method, operation in operations(document)
        if method == "post" and "201" in operation["responses"] and operation["x-audience"] != "public"
    }
    assert creates - {"post /api/v1/doors/{door_id}/openings"} == set(keyed)


def test_request_bodies_refuse_unknown_members(document: dict[str, Any]) -> None:
    """So that a typing error is not silently lost; a station's pairing is open to what later stations say."""
    for path, method, operation in operations(document):
        body = operation.get("requestBody")
        if body is None or path == "/api/v1/stations/pair":
            continue
        name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert document["components"]["schemas"][name]["additionalProperties"] is False, (path, method)
