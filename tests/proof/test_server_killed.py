"""kill -9 of the server at named places (R2): no phone rings for a dead call, nothing opens unrecorded."""

import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from backend import access_log
from backend.access import Opening
from backend.access_log import AccessPayload
from intercom.call_records import Call, CallLeg
from tests.support.phones import Phone
from tests.support.server_process import ServiceProcess
from tests.support.service import SeededTemplate

KILLS = 50 if os.environ.get("FULL") == "1" else 10
RING_S = 4


class House:
    """A family, its door station and the service they talk to, which dies again and again."""

    def __init__(self, folder: Path, template: SeededTemplate, failpoint: str, *, ring_s: int) -> None:
        self.service = ServiceProcess(folder, template)
        self.service.set_times(ring_s=ring_s, talk_s=120)
        self.service.run(failpoint)
        self.phones = {name: self.service.phone(name) for name in ("mum", "dad", "son")}
        self.station = self.service.station()
        (self.door,) = self.service.doors()
        self.counts = {"kills": 0, "calls": 0, "relay": 0, "decisions": 0}

    def reborn(self, failpoint: str | None = None) -> None:
        """Start the service again; everybody connects anew and reads the true state first."""
        self.service.run(failpoint)
        for phone in self.phones.values():
            phone.leave()
            phone.inbox.clear()
            phone.connect()
        self.station.close()
        self.station.inbox.clear()
        self.station.connect()

    def press(self) -> str:
        return str(self.station.press()["call"]["id"])

    def doomed(self, act: Callable[[], object]) -> None:
        """Do what runs into the failpoint; whatever the dying server still says does not count."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - a cut connection shows in many ways; the exit code tells the truth
            last = error
        else:
            last = None
        self.service.wait_killed()
        self.counts["kills"] += 1
        assert last is not None, "nothing was acknowledged by a dead server"

    def call(self, call_id: str | None = None) -> Call:
        """This call, or the newest, as the database holds it."""
        with self.service.db.reading() as session:
            if call_id is not None:
                return session.get_one(Call, call_id)
            return session.scalars(select(Call).order_by(Call.id.desc()).limit(1)).one()

    def leg_states(self, call_id: str) -> list[str]:
        with self.service.db.reading() as session:
            return sorted(session.scalars(select(CallLeg.state).where(CallLeg.call_id == call_id)))

    def check_over_by_its_expiry(self, call_id: str) -> None:
        """The call ends by its expiry, and no phone that was told of the ring goes on ringing for a dead call."""
        wait_for(lambda: self.call(call_id).state == "ended", "the end of the ring", within_s=RING_S + 5)
        assert set(self.leg_states(call_id)) == {"ended"}
        for phone in self.phones.values():
            self.check_phone_was_told(phone, call_id)

    def check_phone_was_told(self, phone: Phone, call_id: str) -> None:
        (state,) = phone.inbox.of("state")
        assert {call["id"] for call in state["calls"]} <= {call_id}, "a phone is told of a call that is long dead"
        if state["calls"]:
            phone.told(call_id, "ended", timeout=2)

    def check_log(self) -> None:
        """Nothing moved without a decision that was recorded first; nothing twice; the chain is whole."""
        with self.service.db.reading() as session:
            community = self.service.community().community_id
            found = access_log.verify(session, self.service.vault, community)
            assert found.whole, found
            decided = set(
                session.scalars(
                    select(AccessPayload.correlation_id).where(
                        AccessPayload.kind == "decision", AccessPayload.result == "granted"
                    )
                )
            )
            opened = set(session.scalars(select(Opening.id)))
            under_way = session.scalars(select(Opening.id).where(Opening.state == "commanded")).all()
        assert set(self.station.relay) <= decided, "a door moved without a decision row"
        assert opened <= decided
        assert len(set(self.station.relay)) == len(self.station.relay), "a command was carried out twice"
        assert under_way == [], "after a restart nothing is under way any more"
        self.counts["relay"], self.counts["decisions"] = len(self.station.relay), len(decided)

    def close(self) -> None:
        self.service.close()


@pytest.fixture
def house(tmp_path: Path, seeded_template: SeededTemplate, place: str, ring_s: int):
    made = House(tmp_path / "killed", seeded_template, place, ring_s=ring_s)
    yield made
    verified = made.service.gatehouse("log", "verify")
    made.close()
    assert verified.returncode == 0, verified.stdout + verified.stderr
    print(f"\n{place}: {made.counts}")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("ring_s", [RING_S])
@pytest.mark.parametrize("place", ["server.announce.CallRinging", "server.call_placed"])
def test_killed_in_mid_ring_every_call_ends_by_its_expiry_on_every_phone(house: House, place: str) -> None:
    for number in range(KILLS):
        house.doomed(lambda number=number: house.station.press(request_id=f"press-{number}"))
        # Asking again passes `call_placed` once more, but announces nothing.
        house.reborn(f"{place}:2" if place == "server.call_placed" else place)
        call = house.call()
        assert call.request_id == f"press-{number}"
        house.check_over_by_its_expiry(call.id)
        again = house.station.press(request_id=f"press-{number}")["call"]
        assert again["id"] == call.id, "the press that was not acknowledged made one call, not two"
        assert again["end_reason"] == "no_answer"
        house.counts["calls"] += 1
        house.check_log()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("place", "ring_s"), [("server.before_answer_commit", 120)])
def test_killed_before_the_answer_is_committed_nobody_has_won_and_anybody_still_can(house: House, place: str) -> None:
    for _ in range(KILLS):
        call_id = house.press()
        house.doomed(lambda call_id=call_id: house.phones["dad"].answer(call_id))
        house.reborn(f"{place}:2")
        call = house.call()
        assert (call.state, call.answered_at, call.version) == ("ringing", None, 1)
        for phone in house.phones.values():
            assert [c["my_leg"] for c in phone.inbox.of("state")[0]["calls"]] == ["ringing"]
        answered = house.phones["son"].answer(call_id)
        assert answered.json()["call"]["answered_by"]["name"] == "儿子"
        assert house.leg_states(call_id) == ["answered", "completed_elsewhere", "completed_elsewhere"]
        assert house.phones["son"].hang_up(call_id).status_code == 200
        house.counts["calls"] += 1
        house.check_log()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("place", "ring_s"), [("server.announce.CallAnswered", 120)])
def test_killed_between_the_answers_commit_and_its_announcement_every_phone_learns_the_winner(
    house: House, place: str
) -> None:
    for _ in range(KILLS):
        call_id = house.press()
        house.doomed(lambda call_id=call_id: house.phones["dad"].answer(call_id))
        house.reborn(place)
        for name, phone in house.phones.items():
            (state,) = phone.inbox.of("state")
            (told,) = state["calls"]
            assert (told["id"], told["state"], told["answered_by"]["name"]) == (call_id, "answered", "爸爸")
            assert told["my_leg"] == ("answered" if name == "dad" else "completed_elsewhere")
        assert house.station.inbox.wait("welcome")["call"]["state"] == "answered"
        assert house.phones["dad"].answer(call_id).status_code == 200, "the winner may ask again"
        late = house.phones["mum"].answer(call_id)
        assert (late.status_code, late.json()["answered_by"]) == (409, {"name": "爸爸"})
        assert house.phones["dad"].hang_up(call_id).status_code == 200
        house.counts["calls"] += 1
        house.check_log()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("ring_s", [RING_S])
@pytest.mark.parametrize("place", ["server.decision_recorded", "server.before_command", "server.command_sent"])
def test_killed_around_the_command_the_tap_opens_once_at_most_and_is_recorded(house: House, place: str) -> None:
    mum = house.phones["mum"]
    for _ in range(KILLS):
        key, before = secrets.token_hex(8), len(house.station.relay)
        house.doomed(lambda key=key: mum.open(house.door, key=key))
        if place == "server.command_sent":
            wait_for(
                lambda before=before: len(house.station.relay) > before, "the command that left reaches the station"
            )
        house.reborn(place)
        moved = house.station.relay[before:]
        again = mum.open(house.door, key=key)
        assert (again.status_code, again.json()["state"]) == (201, "unanswered"), "a command is never sent twice"
        assert house.station.relay[before:] == moved == ([again.json()["id"]] if moved else [])
        assert house.station.inbox.of("open") == []
        if moved:
            house.station.ask("open.result", house.station.result_of(moved[0]))
            mum.inbox.wait("opening", lambda o: o["state"] == "opened")
            assert mum.get(f"/openings/{moved[0]}")["state"] == "opened"
        house.check_log()


def wait_for(condition: Callable[[], bool], what: str, *, within_s: float = 10) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)
