"""The line to the server: hello, a wrong clock, a server that is down, a replaced key, lost connections."""

import asyncio
import contextlib
import stat
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from intercom.agent.link import LONGEST_PAUSE_S, pause_s
from intercom.agent.pairing import PairingError, pair
from intercom.agent.state_folder import StateFolder
from intercom.station_protocol import CallState, EndReason, HangUpReason, ServerEvent, StationEvent
from tests.intercom.agent.door import agent_at, agent_process, run
from tests.intercom.agent.protocol_server import ContractServer, eventually


def test_pairing_keeps_a_key_that_only_its_owner_can_read(tmp_path):
    async def scene():
        async with ContractServer().listening() as server:
            folder = StateFolder(tmp_path / "s")
            with pytest.raises(PairingError, match="not known"):
                await pair(folder, server=server.base, code="00000000")
            assert list(folder.path.iterdir()) == []
            pairing = await pair(folder, server=server.base + "/", code=server.code)
            assert (pairing.server, pairing.station_id) == (server.base, server.station_id)
            with pytest.raises(PairingError):
                await pair(StateFolder(tmp_path / "other"), server=server.base, code="12345678")
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in folder.path.iterdir()} == {0o600}

    run(scene())


def test_pairing_says_what_is_wrong_when_there_is_no_server(tmp_path):
    async def scene():
        async with ContractServer().listening() as server:
            gone = server.base
        with pytest.raises(PairingError, match="cannot be reached"):
            await pair(StateFolder(tmp_path / "s"), server=gone, code="12345678")

    run(scene())


def test_a_station_boots_without_its_server_and_reports_when_it_comes(tmp_path, unused_port):
    """Its last configuration is enough to watch its doors; what happened meanwhile arrives in order."""
    contact = tmp_path / "contact"
    contact.write_text("0")

    async def scene():
        server = ContractServer()
        async with server.listening(unused_port), agent_at(server, tmp_path / "s", contact=f"gpio:{contact}") as agent:
            await eventually(lambda: agent.journal.remembered_contact(server.config().doors[0].id), "the contact")
        async with agent_at(server, tmp_path / "s", connected=False, contact=f"gpio:{contact}") as agent:
            contact.write_text("1")
            await eventually(lambda: agent.journal.waiting_count() == 1, "the opened door")
            contact.write_text("0")
            await eventually(lambda: agent.journal.waiting_count() == 2, "the closed door")
            assert not agent.link.connected.is_set()
            again = ContractServer(
                station_id=server.station_id, public_key=server.public_key, base=server.base, code=""
            )
            async with again.listening(unused_port):
                await eventually(lambda: len(again.stored_events) == 2, "both events")
                events = list(again.stored_events.values())
                assert [event.kind.value for event in events] == ["door_opened", "door_closed"]
                assert [event.seq for event in events] == [1, 2]
                beat = await again.hear(StationEvent.HEARTBEAT)
                assert [door.contact.value for door in beat.doors] == ["closed", "unknown"]

    run(scene())


def test_a_replayed_hello_is_not_what_the_station_sends(tmp_path):
    """Each connection says its own hello: three connections, three nonces, no refusal."""

    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s") as agent:
            for count in (2, 3):
                await agent.link.drop()
                await eventually(
                    lambda c=count: server.connections == c and agent.link.connected.is_set(), "the return"
                )
            assert len({hello["nonce"] for hello in server.hellos}) == 3
            assert server.refusals == []

    run(scene())


def test_a_replaced_station_is_refused_and_says_so_without_hammering(tmp_path):
    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s") as agent:
            server.public_key = "A" * 43
            await agent.link.drop()
            await eventually(lambda: len(server.refusals) >= 3, "refusals")
            assert set(server.refusals) == {"station-unknown"}
            assert agent.link.last_refusal == "station-unknown"
            assert (await agent.state())["refused"] == "station-unknown"

    run(scene())


def test_a_station_paired_again_while_its_agent_runs_goes_on_with_the_new_key(tmp_path):
    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s") as agent:
            earlier, server.code = server.public_key, "87654321"
            await pair(StateFolder(tmp_path / "s"), server=server.base, code="87654321")
            assert server.public_key != earlier
            await agent.link.drop()
            await eventually(lambda: server.connections == 2 and agent.link.connected.is_set(), "the return")

    run(scene())


def test_a_server_that_answers_nonsense_does_not_end_the_agent(tmp_path, unused_port):
    async def scene():
        server = ContractServer()
        async with server.listening(unused_port), agent_at(server, tmp_path / "s"):
            pass
        asked = []

        async def nonsense(request: web.Request) -> web.Response:
            asked.append(request.path)
            return web.Response(text="<html>bad gateway</html>", status=502)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", nonsense)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", unused_port).start()
        async with agent_at(server, tmp_path / "s", connected=False) as agent:
            await eventually(lambda: len(asked) >= 2, "two tries")
            await runner.cleanup()
            again = ContractServer(station_id=server.station_id, public_key=server.public_key, code="")
            async with again.listening(unused_port):
                await eventually(agent.link.connected.is_set, "the connection")

    run(scene())


def test_pauses_are_quick_at_first_and_at_most_ten_seconds():
    longest = [pause_s(attempt, rng=lambda: 1.0) for attempt in range(60)]
    assert longest[0] == 0.25
    assert longest == sorted(longest)
    assert longest[-1] == LONGEST_PAUSE_S
    assert pause_s(3, rng=lambda: 0.0) == longest[3] / 2


def test_a_restarted_station_hangs_up_the_call_it_does_not_know(tmp_path):
    async def scene():
        server = ContractServer()
        async with server.listening():
            await pair(StateFolder(tmp_path / "s"), server=server.base, code=server.code)
            server.call = server.ringing()
            async with agent_at(server, tmp_path / "s"):
                said = await server.hear(StationEvent.HANGUP)
                assert (said.call_id, said.reason) == (server.call.id, HangUpReason.STATION_RESTARTED)

    run(scene())


def test_a_call_that_ended_while_the_line_was_down_is_ended_here(tmp_path):
    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s") as agent:
            call = await agent.press("1201")
            assert agent.call.active_id == call.id
            server.call = None
            await agent.link.drop()
            await eventually(lambda: agent.call.active_id is None, "the end of the call")
            assert server.heard(StationEvent.HANGUP) == []
            await eventually(lambda: not agent.camera.running, "the camera's rest")

    run(scene())


def test_a_call_survives_a_short_loss_of_the_line(tmp_path):
    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s") as agent:
            call = await agent.press("1201")
            await agent.link.drop()
            await eventually(lambda: server.connections == 2 and agent.link.connected.is_set(), "the return")
            await server.send_call(server.next())
            await eventually(lambda: agent.call.current.version == 2, "the next version")
            assert agent.call.active_id == call.id
            assert server.heard(StationEvent.HANGUP) == []

    run(scene())


def test_a_press_whose_acknowledgement_is_lost_is_the_same_press(tmp_path):
    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s") as agent:
            server.swallow.add(StationEvent.PRESS)
            pressing = asyncio.create_task(agent.press("1201"))
            await server.hear(StationEvent.PRESS)
            server.swallow.clear()
            await agent.link.drop()
            call = await pressing
            presses = server.heard(StationEvent.PRESS)
            assert len(presses) == 2
            assert presses[0] == presses[1]
            assert agent.call.active_id == call.id == server.call.id
            assert server.heard(StationEvent.HANGUP) == []

    run(scene())


def test_a_silent_server_is_given_up_after_two_heartbeats(tmp_path):
    async def scene():
        server = ContractServer(heartbeat_s=1)
        async with server.listening(), agent_at(server, tmp_path / "s") as agent:
            server.swallow.add(StationEvent.HEARTBEAT)
            await eventually(lambda: server.connections >= 2, "a new connection", within_s=40)
            server.swallow.clear()
            await eventually(agent.link.connected.is_set, "the connection")

    run(scene())


def test_the_newest_configuration_is_applied_kept_and_acknowledged(tmp_path):
    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s") as agent:
            server.config_version = 7
            await server.send(ServerEvent.CONFIG, server.config().to_wire())
            await server.hear(StationEvent.CONFIG_APPLIED, where=lambda m: m.version == 7)
            assert agent.folder.load_config() == server.config()
            await server.send(ServerEvent.CONFIG, {"version": "eight"})
            server.config_version = 9
            await server.send(ServerEvent.CONFIG, server.config().to_wire())
            await server.hear(StationEvent.CONFIG_APPLIED, where=lambda m: m.version == 9)

    run(scene())


def test_a_power_cut_in_mid_ring_ends_the_call_after_the_restart(tmp_path):
    async def scene():
        folder = tmp_path / "s"
        async with ContractServer().listening() as server:
            await pair(StateFolder(folder), server=server.base, code=server.code)
            async with agent_process(folder) as agent:
                await server.hear(StationEvent.HEARTBEAT)
                control = await eventually(lambda: _control(folder), "the control port")
                await _press(control, "1201")
                assert server.call.state is CallState.RINGING
                agent.process.kill()
                await agent.process.wait()
            async with agent_process(folder):
                await server.hear(StationEvent.HANGUP, where=lambda m: m.reason is HangUpReason.STATION_RESTARTED)
            assert server.call.end_reason is EndReason.VISITOR_HUNG_UP

    run(scene())


def _control(folder: Path):
    with contextlib.suppress(Exception):
        return StateFolder(folder).load_control()
    return None


async def _press(control, dial):
    url, token = control
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.post(f"{url}/press", json={"dial": dial}) as response,
    ):
        assert response.status == 200, await response.text()
