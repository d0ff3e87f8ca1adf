"""Locks, contacts and buttons on files and on the network."""

import asyncio
import contextlib

import pytest
from aiohttp import web

from intercom.agent.clock import ServerClock
from intercom.agent.inputs import Inputs, input_from
from intercom.agent.journal import Journal
from intercom.agent.relay import GpioRelay, HttpRelay, LogRelay, RelayError, relay_from
from intercom.station_protocol import Contact, EventKind, OpenResult, StationEvent
from tests.intercom.agent.door import agent_at, run
from tests.intercom.agent.protocol_server import ContractServer, eventually, two_doors


@contextlib.asynccontextmanager
async def network_relay(answer):
    asked = []

    async def handle(request):
        asked.append((request.path, await request.json()))
        return await answer()

    app = web.Application()
    app.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/relays/{{relay}}", asked
    finally:
        await runner.cleanup()


async def status(code):
    return web.Response(status=code)


def test_a_network_relay_counts_only_when_it_says_yes_within_two_seconds():
    async def scene():
        async with network_relay(lambda: status(204)) as (url, asked):
            await HttpRelay(url).pulse(2, hold_s=3, command_id="c1")
            assert asked == [("/relays/2", {"command_id": "c1", "relay": 2, "hold_s": 3})]
        with pytest.raises(RelayError, match="cannot be reached"):
            await HttpRelay(url).pulse(1, hold_s=3, command_id="c2")
        for code in (301, 404, 500):
            async with network_relay(lambda code=code: status(code)) as (url, _):
                with pytest.raises(RelayError, match=str(code)):
                    await HttpRelay(url).pulse(1, hold_s=3, command_id="c3")
        async with network_relay(lambda: asyncio.Event().wait()) as (url, _):
            with pytest.raises(RelayError, match="2 s"):
                await HttpRelay(url).pulse(1, hold_s=3, command_id="c4")

    run(scene())


def test_a_dead_relay_is_reported_as_failed_never_as_opened(tmp_path):
    async def scene():
        async with (
            network_relay(lambda: status(503)) as (url, _),
            ContractServer().listening() as server,
            agent_at(server, tmp_path / "s", relay=url),
        ):
            await server.open()
            report = await server.hear(StationEvent.OPEN_RESULT)
            assert (report.result, report.detail) == (OpenResult.FAILED, "the relay answered 503")

    run(scene())


def test_a_gpio_relay_releases_for_its_time_and_a_second_pulse_makes_it_longer(tmp_path):
    file = tmp_path / "value"
    file.write_text("1")  # left high by a power cut

    async def scene():
        relay = GpioRelay(str(file))
        assert file.read_text() == "0"
        loop = asyncio.get_running_loop()
        started = loop.time()
        await relay.pulse(1, hold_s=0.3, command_id="c1")
        assert file.read_text() == "1"
        await relay.pulse(1, hold_s=0.6, command_id="c2")
        await eventually(lambda: file.read_text() == "0", "the lock")
        assert loop.time() - started >= 0.6
        await relay.pulse(1, hold_s=60, command_id="c3")
        assert file.read_text() == "1"
        await relay.close()
        assert file.read_text() == "0"
        with pytest.raises(RelayError, match="not wired"):
            await relay.pulse(2, hold_s=1, command_id="c4")

    run(scene())


def test_each_door_has_its_own_gpio_file(tmp_path):
    for number in (1, 2):
        (tmp_path / f"gpio{number}").write_text("0")

    async def scene():
        relay = relay_from(f"gpio:{tmp_path}/gpio{{relay}}", state=tmp_path)
        await relay.pulse(2, hold_s=5, command_id="c1")
        assert [(tmp_path / f"gpio{number}").read_text() for number in (1, 2)] == ["0", "1"]
        await relay.close()

    run(scene())


def test_a_relay_that_cannot_be_written_fails(tmp_path):
    async def scene():
        for relay in (GpioRelay(str(tmp_path / "no" / "value")), LogRelay(tmp_path / "no" / "relay.log")):
            with pytest.raises(RelayError, match="cannot write"):
                await relay.pulse(1, hold_s=1, command_id="c1")

    run(scene())


@pytest.mark.parametrize("text", ["", "lamp", "gpio", "http:", "ftp://relay"])
def test_an_unknown_relay_is_refused_at_the_start(tmp_path, text):
    with pytest.raises(ValueError, match="unknown relay"):
        relay_from(text, state=tmp_path)


@pytest.mark.parametrize("text", ["", "gpio:", "gpio", "yes"])
def test_an_unknown_input_is_refused_at_the_start(text):
    with pytest.raises(ValueError, match="unknown input"):
        input_from(text)


def test_contacts_and_buttons_become_events_that_the_server_stores_once(tmp_path):
    contact, button = tmp_path / "contact", tmp_path / "button"
    contact.write_text("0")
    button.write_text("1")  # wired the other way round: 1 is at rest

    async def scene():
        async with ContractServer(heartbeat_s=1).listening() as server:
            settings = {"contact": f"gpio:{contact}", "exit_button": f"gpio:!{button}"}
            async with agent_at(server, tmp_path / "s", **settings) as agent:
                await server.hear(StationEvent.HEARTBEAT, where=lambda m: m.doors[0].contact is Contact.CLOSED)
                button.write_text("0")
                await eventually(lambda: len(server.stored_events) == 1, "the button")
                button.write_text("1")
                contact.write_text("1\n")
                await eventually(lambda: len(server.stored_events) == 2, "the open door")
                await server.hear(StationEvent.HEARTBEAT, where=lambda m: m.doors[0].contact is Contact.OPEN)
                server.swallow.add(StationEvent.EVENT)
                contact.write_text("0")
                await eventually(lambda: len(server.stored_events) == 3, "the closed door")
                server.swallow.clear()
                await agent.link.drop()
                await eventually(lambda: agent.journal.waiting_count() == 0, "the acknowledgement")
            kinds = [event.kind for event in server.stored_events.values()]
            assert kinds == [EventKind.EXIT_BUTTON, EventKind.DOOR_OPENED, EventKind.DOOR_CLOSED]
            assert [event.seq for event in server.stored_events.values()] == [1, 2, 3]
            assert len(server.heard(StationEvent.EVENT)) == 4

    run(scene())


def test_a_bouncing_or_broken_contact_makes_no_events(tmp_path):
    file = tmp_path / "contact"
    door = two_doors()[0]
    journal = Journal(tmp_path / "j")
    inputs = Inputs(
        contact=input_from(f"gpio:{file}"), exit_button=None, journal=journal, clock=ServerClock(), on_event=list
    )
    try:
        for reading in ("0", "0", "1", "0", "x", "1", "0", "0", ""):
            file.write_text(reading)
            inputs.read_once(door)
        file.unlink()
        inputs.read_once(door)
        assert journal.waiting_count() == 0
        for _ in range(3):
            file.write_text("1")
            inputs.read_once(door)
        assert journal.waiting_count() == 1
    finally:
        journal.close()


def test_a_door_that_opened_while_the_station_was_off_is_reported_as_such(tmp_path):
    file = tmp_path / "contact"
    door = two_doors()[0]
    for level in ("0", "1"):
        file.write_text(level)
        journal = Journal(tmp_path / "j")
        inputs = Inputs(
            contact=input_from(f"gpio:{file}"), exit_button=None, journal=journal, clock=ServerClock(), on_event=list
        )
        inputs.read_once(door)
        inputs.read_once(door)
        waiting = journal.first_waiting()
        journal.close()
    assert waiting.body["kind"] == "door_opened"
    assert waiting.body["detail"] == "noticed_at_start"
