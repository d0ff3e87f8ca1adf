"""schemathesis over the whole API, signed in as each role: no answer of 5xx, every answer as the document says.

Half of what is sent fits the schema, half breaks it; identifiers are of things that are there as often as not. The
order is fixed, so that a failure comes again; FUZZ_EXAMPLES raises the number for each operation and role.
"""

import json
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conftest import SeededTemplate
from tests.mobile_api.world import World
from tests.support.phones import Phone
from tests.support.service import Service

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "50"))
FUZZED_ROLES = ("anonymous", "resident", "pending", "admin")
DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text(encoding="utf-8"))
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, item in DOCUMENT["paths"].items()
    for method in item
    if method in {"get", "post", "patch", "put", "delete"}
]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
WORDS = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=12).map(str.strip)
"""A header's value: no client sends blanks at its ends."""
OTHER_HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Idempotency-Key": WORDS,
        "X-Client": WORDS,
        "Accept": WORDS,
        "Accept-Language": WORDS,
        "If-None-Match": WORDS,
        "X-Forwarded-For": WORDS,
    },
)
OTHER_QUERY = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=2)


class Sender:
    """Sends cases as a role: a fresh proof for each, real identifiers now and then, the refresh cookie kept."""

    def __init__(self, world: World) -> None:
        self.world = world
        schema = schemathesis.openapi.from_wsgi("/api/openapi.json", world.service.made.app)
        self.operations: dict[str, APIOperation] = {}
        for result in schema.get_all_operations():
            operation = result.ok()
            self.operations[operation.label] = operation
        self._cookies: dict[str, str] = {}

    def send(
        self, case: Case, role: str, headers: dict[str, str], query: dict[str, str], dice: random.Random
    ) -> Response:
        phone = self.world.caller(role)
        self._name_real_things(case, dice)
        place = unquote(re.sub(r"\{(\w+)\}", lambda m: quote(str(case.path_parameters[m[1]]), safe=""), case.path))
        own = phone.headers(case.method, place)
        cookies = None
        if case.operation.label.endswith("/session/refresh") and role != "anonymous":
            headers.pop("X-Client", None)
            (case.headers or {}).pop("X-Client", None)
            cookies = {"gh-main": self._cookies.get(role) or _cookie(phone)}
        case.query = {**query, **(case.query or {})} if isinstance(case.query, dict) else case.query
        reply = case.call(headers={**headers, **own}, cookies=cookies)
        if case.operation.label == "DELETE /api/v1/session" and reply.status_code == 204:
            self.world.come_back(role)
        for line in reply.headers.get("set-cookie", []):
            if line.startswith("gh-main=") and cookies is not None:
                self._cookies[role] = line.partition("=")[2].partition(";")[0]
        return reply

    def _name_real_things(self, case: Case, dice: random.Random) -> None:
        world = self.world
        real = {
            "building_id": lambda: world.building_id,
            "unit_id": lambda: world.unit_id,
            "household_id": lambda: dice.choice([world.family.household_id, world.mums_second, world.past_household]),
            "station_id": lambda: world.stations["station_2"].station_id,
            "door_id": lambda: world.family.door_id,
            "call_id": lambda: world.call(world.family, legs_of=(world.caller("resident").device_id,)),
            "device_id": lambda: world.device(world.family.member_id, approved=dice.random() < 0.5),
            "resident_id": world.resident,
            "opening_id": lambda: world.opening(world.family),
            "invitation_id": lambda: world.invitation(world.family),
            "lease_id": lambda: world.lease("resident"),
            "door_ids": lambda: [world.door()],
            "building_ids": lambda: [world.building_id],
        }
        for place in (case.path_parameters, case.body):
            if isinstance(place, dict):
                for name in set(place) & set(real):
                    if dice.random() < 0.5 and not (place is case.body and name == "device_id"):
                        place[name] = real[name]()


def _cookie(phone: Phone) -> str:
    return next(c.value or "" for c in phone.http.cookies if c.name == "gh-main")


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory, seeded_template: SeededTemplate) -> Iterator[Sender]:
    # Nobody is missed for being silent.
    service = Service(tmp_path_factory.mktemp("fuzz"), seeded_template, heartbeat_s=3600, phone_grace_s=3600)
    yield Sender(World(service))
    service.close()


def cases(operation: APIOperation) -> st.SearchStrategy[Case]:
    """What fits the schema, and - where there is anything to break - what does not."""
    fitting = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    bare = not (operation.path_parameters or operation.query or operation.body)
    return fitting if bare else fitting | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)


def test_the_document_in_docs_lists_the_operations_of_the_service(sender: Sender) -> None:
    assert set(sender.operations) == set(OPERATIONS)


@pytest.mark.parametrize("label", OPERATIONS)
def test_no_request_of_any_role_brings_the_service_out_of_step(sender: Sender, label: str) -> None:
    sent = dict.fromkeys(FUZZED_ROLES, 0)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(
        case=cases(sender.operations[label]), headers=OTHER_HEADERS, query=OTHER_QUERY, seed=st.integers(0, 2**32 - 1)
    )
    def fuzz(case: Case, headers: dict[str, str], query: dict[str, str], seed: int) -> None:
        dice, given_path, given_body = random.Random(seed), dict(case.path_parameters or {}), case.body
        for role in FUZZED_ROLES:
            case.path_parameters = dict(given_path)
            case.body = dict(given_body) if isinstance(given_body, dict) else given_body
            reply = sender.send(case, role, headers, query, dice)
            sent[role] += 1
            if reply.status_code >= 400:
                assert reply.headers["content-type"] == ["application/problem+json"]
                assert reply.json()["status"] == reply.status_code
            case.validate_response(reply, checks=CHECKS)

    fuzz()
    assert min(sent.values()) >= EXAMPLES
