"""kill -9 of the service at named failpoints: no phone rings for a dead call, no opening without a decision on record."""

import contextlib
import threading
import time
from typing import Any

import pytest
import requests

from tests.proof.conftest import World
from tests.proof.processes import KILLS, check_log
from tests.support.phones import Phone
from tests.support.stations import TestStation

RING_S = 2


@pytest.fixture
def home(world: World) -> World:
    """Two phones and a paired station, rings of two seconds; the service is stopped again."""
    world.server.set_ring_s(RING_S)
    world.server.start()
    world.join(2)
    world.station = TestStation(world.server.origin).pair(world.pairing_code())
    world.server.kill()
    return world


def start_all(home: World, failpoint: str | None) -> TestStation:
    """The service with this failpoint, every page and the station connected anew."""
    home.server.start(failpoint)
    home.renew()
    assert home.station is not None
    home.station.close()
    home.station.inbox.clear()
    return home.station.connect()


def ignoring_the_kill(act: Any, *arguments: Any, **more: Any) -> threading.Thread:
    """Do something whose answer the kill swallows."""

    def attempt() -> None:
        with contextlib.suppress(Exception):
            act(*arguments, **more)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    return thread


def active_calls(phone: Phone) -> list[Any]:
    items: list[Any] = phone.get("/calls?state=active")["items"]
    return items


def nobody_rings_after(phone: Phone, seconds: float) -> None:
    """Within this time no call of the home is active any more: a promised deadline, not a measurement."""
    end = time.monotonic() + seconds
    while active_calls(phone):
        assert time.monotonic() < end, f"still ringing: {active_calls(phone)}"
        time.sleep(0.05)


@pytest.mark.parametrize("failpoint", ["server.announce.CallRinging", "server.call_placed"])
def test_killed_in_mid_ring_the_call_rings_on_only_until_its_own_end(home: World, failpoint: str) -> None:
    station = start_all(home, failpoint)
    for _ in range(KILLS):
        pressing = ignoring_the_kill(station.press, "1201")
        home.server.wait_killed()
        pressing.join(15)
        station = start_all(home, failpoint)
        welcomed = station.inbox.wait("welcome")["call"]
        for phone in home.phones:
            state = phone.inbox.wait("state")
            for call in state["calls"]:
                assert call["state"] == "ringing"
                assert welcomed is None or call["id"] == welcomed["id"], "station and phones know the same call"
        nobody_rings_after(home.phones[0], RING_S + 2)
        assert [c["end_reason"] for c in home.phones[0].get("/calls?limit=1")["items"]] == ["no_answer"]
    check_log(home.server.url, home.seeded.community_id)
    print(f"{failpoint}: {home.server.kills} kills")


@pytest.mark.parametrize(
    ("failpoint", "expected"),
    [("server.before_answer_commit", "ringing"), ("server.announce.CallAnswered", "answered")],
)
def test_killed_around_an_answer_everybody_learns_the_one_truth(home: World, failpoint: str, expected: str) -> None:
    home.server.set_ring_s(60)
    for _ in range(KILLS):
        station = start_all(home, failpoint)
        call = station.press("1201")["call"]
        winner, other = home.phones
        answering = ignoring_the_kill(winner.call, "POST", f"/calls/{call['id']}/answer")
        home.server.wait_killed()
        answering.join(15)
        station = start_all(home, None)
        assert station.inbox.wait("welcome")["call"]["state"] == expected
        for phone in home.phones:
            assert [c["state"] for c in phone.inbox.wait("state")["calls"]] == [expected]
        late = other.call("POST", f"/calls/{call['id']}/answer")
        if expected == "answered":
            assert late.status_code == 409, "the commit had decided, announced or not"
            assert winner.call("POST", f"/calls/{call['id']}/answer").status_code == 200, "repeating it is fine"
        else:
            assert late.status_code == 200, "nothing was committed, so the call was still to be won"
            assert winner.call("POST", f"/calls/{call['id']}/answer").status_code == 409
        holder = winner if expected == "answered" else other
        assert holder.call("POST", f"/calls/{call['id']}/hang-up").status_code == 200
        nobody_rings_after(winner, 2)
        home.server.kill()
    print(f"{failpoint}: {home.server.kills} kills")


@pytest.mark.parametrize(
    ("failpoint", "may_pulse"),
    [("server.decision_recorded", False), ("server.before_command", False), ("server.command_sent", True)],
)
def test_killed_around_a_command_no_door_opens_without_a_decision_and_none_twice(
    home: World, failpoint: str, may_pulse: bool
) -> None:
    assert home.station is not None
    station = start_all(home, failpoint)
    phone = home.phones[0]
    door_id = phone.get("/doors")["items"][0]["id"]
    for number in range(KILLS):
        key = f"tap {number}"
        opening = ignoring_the_kill(phone.call, "POST", f"/doors/{door_id}/openings", {}, key=key)
        home.server.wait_killed()
        opening.join(15)
        station = start_all(home, failpoint)
        before = len(station.relay)
        retried = phone.call("POST", f"/doors/{door_id}/openings", {}, key=key)
        assert retried.status_code == 201, retried.text
        assert retried.json()["state"] in {"unanswered", "opened"}
        assert len(station.relay) == before, "a retried tap after the restart is not commanded again"
    home.server.kill()
    rows, granted = check_log(home.server.url, home.seeded.community_id)
    assert len(granted) == KILLS
    pulses = home.station.relay
    assert set(pulses) <= granted, "every pulse has its decision on record"
    assert len(pulses) == len(set(pulses)), "no command moved the lock twice"
    if not may_pulse:
        assert pulses == []
    print(f"{failpoint}: {home.server.kills} kills, {len(pulses)} pulses, {rows} rows in a whole chain")


def test_the_failpoints_really_kill(home: World) -> None:
    """The harness itself: without a failpoint the same acts leave the service alive."""
    station = start_all(home, None)
    assert station.press("1201")["call"]["state"] == "ringing"
    assert requests.get(f"{home.server.origin}/healthz", timeout=5).status_code == 200
    assert home.server.kills == 0
