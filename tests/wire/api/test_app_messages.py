"""The golden messages of the people's API: what stands beside this file is what phones and pages get over the wire.

A change of any message changes a file here, so that nobody changes the wire unawares. Identifiers, times and tokens are
replaced by what they are; the same identifier has the same name throughout one story. UPDATE_GOLDEN=1 writes the files.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.backend.identity.ways_in import ask_code, enter_code
from tests.conftest import SeededTemplate
from tests.support.phones import Phone
from tests.support.service import Service
from tests.support.stations import JPEG

FOLDER = Path(__file__).parent
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ID = re.compile(r"[0-9a-f]{32}")


class Story:
    """The messages of one course of events, as they came, by the name of their golden file."""

    def __init__(self) -> None:
        self.messages: dict[str, Any] = {}
        self._names: dict[str, str] = {}

    def keep(self, name: str, message: Any) -> Any:
        self.messages[name] = self._normal(message)
        return message

    def _normal(self, value: Any, member: str = "") -> Any:
        if isinstance(value, dict):
            return {key: self._normal(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._normal(inner, member) for inner in value]
        if isinstance(value, str):
            return self._text(value, member)
        return value

    def _text(self, text: str, member: str) -> str:
        if member in {"access_token", "code", "qr_svg"}:
            return f"<{member}>"
        if TIME.fullmatch(text):
            return "<time>"
        # Signatures and codes first: some look like identifiers.
        stable = re.sub(r"(expires=|signature=|#/join/)[0-9a-f]+", r"\1<…>", text)
        named = ID.sub(lambda match: self._name_of(match.group()), stable)
        return re.sub(r"http://127\.0\.0\.1:\d+", "<origin>", named)

    def _name_of(self, identifier: str) -> str:
        return self._names.setdefault(identifier, f"<id {len(self._names) + 1}>")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, seeded_template: SeededTemplate) -> Iterator[Story]:
    service = Service(tmp_path_factory.mktemp("wire"), seeded_template)
    told = Story()
    tell(service, told)
    yield told
    service.close()


def tell(service: Service, story: Story) -> None:
    """Sign-in, a call with a picture, its answer, a loser, an opening, the record, and what is refused."""
    mum, dad = service.phone("mum"), service.phone("dad")
    station = service.station()
    new = Phone(service.origin, "new phone")
    story.keep("session-pending", new.accept(enter_code(new, *ask_code(service))))
    story.keep("session", mum.session)
    story.keep("me", mum.get("/me"))
    story.keep("socket-state", mum.inbox.of("state")[0])

    call = station.press("1201")["call"]
    ringing = mum.inbox.wait("call", lambda c: c["state"] == "ringing")
    ringing["legs"].sort(key=lambda leg: leg["device_id"] != mum.device_id)
    story.keep("socket-call-ringing", ringing)
    taken = {"moment": "press", "call_id": call["id"], "command_id": None, "at": call["placed_at"], "jpeg": JPEG}
    assert "picture_id" in station.ask("picture", taken)
    story.keep("call-ringing", mum.get(f"/calls/{call['id']}"))
    assert mum.ask("call.received", {"call_id": call["id"]}) == {"ok": True}

    story.keep("answer", dad.answer(call["id"]).json())
    answered = mum.told(call["id"], "answered")
    answered["legs"].sort(key=lambda leg: leg["device_id"] != mum.device_id)
    story.keep("socket-call-answered", answered)
    story.keep("problem-call-already-answered", mum.answer(call["id"]).json())
    story.keep("socket-problem", mum.ask("call.answer", {"call_id": call["id"]}))

    doors = mum.get("/doors")
    doors["items"][1:] = sorted(doors["items"][1:], key=lambda door: door["name"])
    story.keep("doors", doors)
    door_id = ringing["doors"][0]["id"]
    story.keep("opening", dad.open(door_id, call_id=call["id"], key="one").json())
    story.keep("socket-opening", dad.inbox.wait("opening", lambda o: o["state"] == "opened"))
    story.keep("problem-access-denied", mum.open(door_id, call_id=call["id"]).json())
    story.keep("hang-up", dad.hang_up(call["id"]).json())
    ended = mum.told(call["id"], "ended")
    ended["legs"].sort(key=lambda leg: leg["device_id"] != mum.device_id)
    story.keep("socket-call-ended", ended)
    story.keep("problem-call-ended", mum.answer(call["id"]).json())
    story.keep("calls", mum.get("/calls"))
    story.keep("records", dad.get("/records"))

    household = service.community().family_household_id
    invitation = mum.call("POST", "/invitations", {"household_id": household, "relation": "family"}, key="tap").json()
    story.keep("invitation", invitation)
    story.keep("problem-not-found", mum.call("GET", f"/calls/{'0' * 32}").json())
    story.keep("problem-validation", mum.call("PATCH", "/me", {"language": 7, "more": 1}).json())
    story.keep("problem-sign-in-required", Phone(service.origin).call("GET", "/me").json())
    expired = mum.http.get(
        f"{service.origin}/api/v1/me",
        headers={
            "Authorization": f"DPoP {mum.token}",
            "DPoP": mum.proof("GET", "/api/v1/me", token=mum.token, iat=1),
        },
        timeout=10,
    )
    story.keep("problem-proof-expired", expired.json())


MESSAGES = [
    "answer",
    "call-ringing",
    "calls",
    "doors",
    "hang-up",
    "invitation",
    "me",
    "opening",
    "problem-access-denied",
    "problem-call-already-answered",
    "problem-call-ended",
    "problem-not-found",
    "problem-proof-expired",
    "problem-sign-in-required",
    "problem-validation",
    "records",
    "session",
    "session-pending",
    "socket-call-answered",
    "socket-call-ended",
    "socket-call-ringing",
    "socket-opening",
    "socket-problem",
    "socket-state",
]


def test_every_message_of_the_story_has_its_golden_file_and_no_file_is_left_over(story: Story) -> None:
    assert sorted(story.messages) == MESSAGES
    if not UPDATE:
        assert sorted(path.stem for path in FOLDER.glob("*.json")) == MESSAGES


@pytest.mark.parametrize("name", MESSAGES)
def test_the_message_is_the_golden_one(story: Story, name: str) -> None:
    path = FOLDER / f"{name}.json"
    if UPDATE:
        path.write_text(json.dumps(story.messages[name], ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    assert story.messages[name] == json.loads(path.read_text(encoding="utf-8"))
