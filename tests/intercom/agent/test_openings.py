"""Open commands: once, in time, for the right door, and reported truthfully, whatever breaks in between."""

import asyncio
from datetime import timedelta

import pytest

from intercom.agent.clock import ServerClock
from intercom.agent.journal import Journal, Origin
from intercom.agent.openings import INTERRUPTED
from intercom.agent.pairing import pair
from intercom.agent.state_folder import StateFolder
from intercom.station_protocol import EventKind, Moment, OpenResult, ServerEvent, StationEvent
from tests.intercom.agent.door import agent_at, agent_process, run
from tests.intercom.agent.protocol_server import ContractServer, eventually, two_doors


def pulses(folder):
    path = folder / "relay.log"
    return path.read_text().splitlines() if path.exists() else []


def test_a_command_delivered_twice_moves_the_lock_once_and_its_result_is_told_again(tmp_path):
    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s") as agent:
            command = await server.open()
            first = await server.hear(StationEvent.OPEN_RESULT)
            assert (first.command_id, first.result) == (command.command_id, OpenResult.OPENED)
            await server.send(ServerEvent.OPEN, command.to_wire())
            await eventually(lambda: len(server.stored_results) == 2, "the repeated result")
            assert server.stored_results[1] == first
            await eventually(lambda: agent.journal.waiting_count() == 0, "the empty outbox")
            assert len(pulses(tmp_path / "s")) == 1
            picture = await server.hear(StationEvent.PICTURE, where=lambda p: p.moment is Moment.OPENING)
            assert picture.command_id == command.command_id
            assert picture.jpeg

    run(scene())


def test_two_doors_have_two_relays_and_a_wrong_pair_moves_nothing(tmp_path):
    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s"):
            await server.open(relay=2, hold_s=0.5)
            await eventually(lambda: len(server.stored_results) == 1, "the result")
            assert '"relay": 2' in pulses(tmp_path / "s")[0]
            foreign = (await server.open(relay=1)).to_wire()
            await eventually(lambda: len(server.stored_results) == 2, "the second result")
            wrong = {**foreign, "command_id": "c" * 32, "door_id": two_doors()[1].id}
            await server.send(ServerEvent.OPEN, wrong)
            await eventually(lambda: len(server.stored_results) == 3, "the refusal")
            assert server.stored_results[2].result is OpenResult.FAILED
            assert len(pulses(tmp_path / "s")) == 2

    run(scene())


@pytest.mark.parametrize("station_behind", [timedelta(0), timedelta(hours=7), timedelta(days=-400)])
def test_a_late_command_is_refused_by_the_servers_clock_however_wrong_the_stations_own_is(tmp_path, station_behind):
    """The server's clock is ahead of the station's by the given time; commands carry the server's times."""

    async def scene():
        server = ContractServer(clock_ahead=station_behind)
        async with server.listening(), agent_at(server, tmp_path / "s") as agent:
            assert abs(agent.clock.offset_ms - station_behind / timedelta(milliseconds=1)) < 2000
            assert server.refusals == ([] if abs(station_behind) < timedelta(seconds=60) else ["hello-expired"])
            late = await server.open(valid_for=timedelta(seconds=-1))
            in_time = await server.open()
            await eventually(lambda: len(server.stored_results) == 2, "both results")
            results = {report.command_id: report.result for report in server.stored_results}
            assert results == {late.command_id: OpenResult.EXPIRED, in_time.command_id: OpenResult.OPENED}
            assert [line for line in pulses(tmp_path / "s") if late.command_id in line] == []
            assert all(abs(r.at - server.now()) < timedelta(seconds=5) for r in server.stored_results)

    run(scene())


def test_a_clock_that_steps_does_not_move_deadlines(tmp_path):
    """The station's own clock jumps by a day (NTP came up) between the welcome and the command."""

    async def scene():
        step = [0]
        clock = ServerClock(wall_ms=lambda: ServerClock().wall_ms() + step[0])
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s", clock=clock) as agent:
            step[0] = 86_400_000
            assert agent.clock.offset_ms < -80_000_000
            await server.open()
            await eventually(lambda: len(server.stored_results) == 1, "the result")
            assert server.stored_results[0].result is OpenResult.OPENED

    run(scene())


def test_a_result_is_repeated_until_acknowledged_and_events_do_not_hold_it_up(tmp_path):
    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s") as agent:
            server.swallow.add(StationEvent.OPEN_RESULT)
            await server.open()
            await eventually(lambda: len(server.stored_results) == 1, "the first attempt")
            server.swallow.clear()
            await agent.link.drop()
            await eventually(lambda: len(server.stored_results) == 2, "the repetition after the reconnect")
            await eventually(lambda: agent.journal.waiting_count() == 0, "the acknowledgement")
            assert len(pulses(tmp_path / "s")) == 1

    run(scene())


@pytest.mark.parametrize(
    ("failpoint", "pulsed", "result"),
    [
        ("agent.before_pulse", 0, OpenResult.FAILED),
        ("agent.after_pulse", 1, OpenResult.FAILED),
        ("agent.before_ack", 1, OpenResult.OPENED),
    ],
)
def test_a_power_cut_never_pulses_twice_and_the_result_still_arrives(tmp_path, failpoint, pulsed, result):
    """After a cut in the middle of the pulse the station says `failed`, and says that it does not know more."""

    async def scene():
        folder = tmp_path / "s"
        async with ContractServer().listening() as server:
            await pair(StateFolder(folder), server=server.base, code=server.code)
            async with agent_process(folder, failpoint=failpoint) as agent:
                await server.hear(StationEvent.HEARTBEAT)
                command = await server.open()
                await agent.wait_killed()
                assert len(agent.pulses()) == pulsed
                assert server.stored_results == []
            await eventually(lambda: server.sid is None, "the lost connection")
            async with agent_process(folder) as agent:
                report = await server.hear(StationEvent.OPEN_RESULT)
                assert (report.command_id, report.result) == (command.command_id, result)
                assert report.detail == (INTERRUPTED if result is OpenResult.FAILED else None)
                await server.send(ServerEvent.OPEN, command.to_wire())
                await eventually(lambda: len(server.stored_results) >= 2, "the answer to the repeated command")
                assert len(agent.pulses()) == pulsed

    run(scene())


def test_events_keep_their_numbers_across_power_cuts(tmp_path):
    """`seq` goes on after a restart, and an event whose acknowledgement was lost is the same event again."""
    now = ServerClock().now()
    first = Journal(tmp_path / "j")
    events = [first.record_event(kind, "d1", at=now) for kind in (EventKind.DOOR_OPENED, EventKind.DOOR_CLOSED)]
    first.forget(first.first_waiting())
    first.close()
    second = Journal(tmp_path / "j")
    events.append(second.record_event(EventKind.EXIT_BUTTON, "d1", at=now))
    assert [event.seq for event in events] == [1, 2, 3]
    assert second.first_waiting().body["event_id"] == events[1].event_id
    assert not [second.begin(c, origin=Origin.SERVER) for c in ("c1", "c1")][1]
    second.close()
    third = Journal(tmp_path / "j")
    assert third.interrupted() == ["c1"]
    assert not third.begin("c1", origin=Origin.SERVER)
    third.close()


def test_no_second_agent_runs_with_the_same_folder(tmp_path):
    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s"):
            async with agent_process(tmp_path / "s") as second:
                assert await asyncio.wait_for(second.process.wait(), 20) == 1
            assert "another station agent" in second.log.read_text()

    run(scene())
