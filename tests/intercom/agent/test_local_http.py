"""The port for this machine: who may use the relay, what a repeated command does, and the command line over it."""

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path

import aiohttp
import pytest

from intercom.agent.clock import ServerClock
from intercom.agent.journal import Journal
from intercom.agent.local_http import LocalHttp, parse_address
from intercom.agent.openings import Openings
from intercom.agent.pairing import pair
from intercom.agent.relay import LogRelay, RelayError
from intercom.agent.state_folder import StateFolder
from intercom.station_protocol import CallState, HangUpReason, StationEvent
from tests.intercom.agent.door import agent_process, run
from tests.intercom.agent.protocol_server import ContractServer, eventually

PAGE = "https://door.example"
COMMAND = {"command_id": "a" * 32, "hold_s": 3}
TOKEN = {"Authorization": "Bearer secret"}


@contextlib.asynccontextmanager
async def relay_port(folder, relay=None):
    journal = Journal(folder / "journal.sqlite")
    openings = Openings(
        journal=journal, relay=relay or LogRelay(folder / "relay.log"), clock=ServerClock(), on_result=list
    )
    local = LocalHttp(openings=openings, token="secret", allow_origin=PAGE)
    await local.start("127.0.0.1", 0)
    async with aiohttp.ClientSession(base_url=local.url) as session:
        try:
            yield session
        finally:
            await local.close()
            journal.close()


def lines(folder):
    path = folder / "relay.log"
    return path.read_text().splitlines() if path.exists() else []


def test_the_configured_page_may_pulse_and_the_same_command_pulses_once(tmp_path):
    async def scene():
        async with relay_port(tmp_path) as http:
            reports = []
            for _ in range(3):
                async with http.post("/relay/1/pulse", json=COMMAND, headers={"Origin": PAGE}) as response:
                    assert response.status == 200
                    assert response.headers["Access-Control-Allow-Origin"] == PAGE
                    reports.append(await response.json())
            assert reports[0]["result"] == "opened"
            assert reports[1:] == [reports[0]] * 2
            assert len(lines(tmp_path)) == 1
        async with (
            relay_port(tmp_path) as http,  # after a restart too
            http.post("/relay/1/pulse", json=COMMAND, headers=TOKEN) as response,
        ):
            assert await response.json() == reports[0]
        assert len(lines(tmp_path)) == 1

    run(scene())


def test_two_simultaneous_requests_of_one_command_share_one_pulse(tmp_path):
    class Slow(LogRelay):
        async def pulse(self, number, *, hold_s, command_id):
            await gate.wait()
            await super().pulse(number, hold_s=hold_s, command_id=command_id)

    gate = asyncio.Event()

    async def scene():
        async with relay_port(tmp_path, Slow(tmp_path / "relay.log")) as http:

            async def ask():
                async with http.post("/relay/1/pulse", json=COMMAND, headers=TOKEN) as response:
                    return await response.json()

            first, second = asyncio.create_task(ask()), asyncio.create_task(ask())
            async with http.get("/state", headers=TOKEN) as response:
                assert response.status == 200
            gate.set()
            assert await first == await second
            assert len(lines(tmp_path)) == 1

    run(scene())


def test_a_relay_that_does_not_answer_is_not_acknowledged(tmp_path):
    class Dead:
        async def pulse(self, number, *, hold_s, command_id):
            raise RelayError("the relay did not answer within 2 s")

    async def scene():
        async with (
            relay_port(tmp_path, Dead()) as http,
            http.post("/relay/1/pulse", json=COMMAND, headers=TOKEN) as response,
        ):
            assert response.status == 502
            assert (await response.json())["result"] == "failed"

    run(scene())


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/relay/1/pulse", {}),
        ("/relay/1/pulse", {"Origin": "https://evil.example"}),
        ("/relay/1/pulse", {"Origin": "null"}),
        ("/relay/1/pulse", {"Authorization": "Bearer wrong"}),
        ("/relay/1/pulse", {"Authorization": "Basic secret"}),
        ("/press", {"Origin": PAGE}),
        ("/hangup", {"Origin": PAGE}),
    ],
)
def test_strangers_move_nothing(tmp_path, path, headers):
    async def scene():
        async with relay_port(tmp_path) as http, http.post(path, json=COMMAND, headers=headers) as response:
            assert response.status == 403
            assert "Access-Control-Allow-Origin" not in response.headers
            assert (await response.json())["type"] == "/problems/access-denied"
        assert lines(tmp_path) == []

    run(scene())


def test_a_name_that_merely_resolves_here_is_refused(tmp_path):
    """DNS rebinding: the page's origin would match, the Host does not."""

    async def scene():
        headers = {"Origin": PAGE, "Host": "door.example:80"}
        async with relay_port(tmp_path) as http, http.post("/relay/1/pulse", json=COMMAND, headers=headers) as response:
            assert response.status == 421
        assert lines(tmp_path) == []

    run(scene())


def test_only_the_pages_preflight_passes(tmp_path):
    async def scene():
        async with relay_port(tmp_path) as http:
            async with http.options("/relay/1/pulse", headers={"Origin": PAGE}) as response:
                assert response.status == 204
                assert response.headers["Access-Control-Allow-Headers"] == "content-type"
                assert response.headers["Access-Control-Allow-Private-Network"] == "true"
            for path, origin in (("/relay/1/pulse", "https://evil.example"), ("/press", PAGE)):
                async with http.options(path, headers={"Origin": origin}) as response:
                    assert response.status == 403
                    assert "Access-Control-Allow-Origin" not in response.headers

    run(scene())


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("/relay/1/pulse", b"{", 400),
        ("/relay/1/pulse", b"\xff\xfe", 400),
        ("/relay/1/pulse", b"[]", 400),
        ("/relay/1/pulse", b"{}", 400),
        ("/relay/1/pulse", json.dumps({**COMMAND, "hold_s": -1}).encode(), 400),
        ("/relay/1/pulse", json.dumps({**COMMAND, "hold_s": True}).encode(), 400),
        ("/relay/1/pulse", json.dumps({**COMMAND, "hold_s": float("nan")}).encode(), 400),
        ("/relay/1/pulse", json.dumps({**COMMAND, "command_id": "../../x" * 3}).encode(), 400),
        ("/relay/0/pulse", json.dumps(COMMAND).encode(), 400),
        ("/relay/one/pulse", json.dumps(COMMAND).encode(), 404),
        ("/relay/1/pulse", b"x" * 70_000, 413),
        ("/press", json.dumps({"dial": "1201"}).encode(), 404),
        ("/nothing", b"{}", 404),
    ],
)
def test_malformed_requests_are_answered_and_move_nothing(tmp_path, path, content, status):
    async def scene():
        headers = {**TOKEN, "Content-Type": "application/json"}
        async with relay_port(tmp_path) as http:
            async with http.post(path, data=content, headers=headers) as response:
                assert response.status == status
                assert (await response.json())["status"] == status
            async with http.post("/relay/1/pulse", json=COMMAND, headers=headers) as response:
                assert response.status == 200
        assert len(lines(tmp_path)) == 1

    run(scene())


def test_a_form_of_a_foreign_page_cannot_pose_as_the_page(tmp_path):
    """A cross-site form post needs no preflight, so its content types are refused even with the right origin."""

    async def scene():
        headers = {"Origin": PAGE, "Content-Type": "text/plain"}
        async with (
            relay_port(tmp_path) as http,
            http.post("/relay/1/pulse", data=json.dumps(COMMAND), headers=headers) as response,
        ):
            assert response.status == 400
        assert lines(tmp_path) == []

    run(scene())


@pytest.mark.parametrize("text", ["0.0.0.0:80", "192.0.2.1:80", "127.0.0.1", "localhost:80", "127.0.0.1:x", ""])
def test_the_port_is_opened_on_a_loopback_address_only(text):
    with pytest.raises(ValueError):
        parse_address(text)


def test_loopback_addresses_are_taken():
    assert parse_address("127.0.0.1:8790") == ("127.0.0.1", 8790)
    assert parse_address("[::1]:0") == ("::1", 0)


async def command(*arguments, **environment):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import sys; from intercom.agent.cli import main; sys.exit(main(sys.argv[1:]))",
        *arguments,
        cwd=Path(__file__).parents[3],
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


def test_pair_run_press_and_hang_up_from_the_command_line(tmp_path):
    async def scene():
        folder = tmp_path / "s"
        async with ContractServer().listening() as server:
            code, _, errors = await command("press", "1201", "--state", str(folder))
            assert (code, "no station agent runs" in errors) == (1, True)
            code, _, errors = await command("run", "--state", str(folder))
            assert (code, "not paired yet" in errors) == (1, True)
            environment = {"GATEHOUSE_STATION_SERVER": server.base, "GATEHOUSE_STATION_STATE": str(folder)}
            code, _, errors = await command("pair", "--code", "87654321", **environment)
            assert (code, "not known" in errors) == (1, True)
            code, output, _ = await command("pair", "--code", server.code, **environment)
            assert (code, server.station_id in output) == (0, True)
            async with agent_process(folder):
                await server.hear(StationEvent.HEARTBEAT)
                await eventually((folder / "control.json").exists, "the control port")
                code, output, _ = await command("press", "1201", **environment)
                assert code == 0
                assert json.loads(output)["call"]["id"] == server.call.id
                code, output, errors = await command("press", "9999", **environment)
                assert (code, "No such room" in errors) == (1, True)
                code, output, _ = await command("hangup", **environment)
                assert (code, server.call.state) == (0, CallState.ENDED)
                said = await server.hear(StationEvent.HANGUP)
                assert said.reason is HangUpReason.VISITOR
            assert not (folder / "control.json").exists()

    run(scene())


def test_a_setting_that_does_not_exist_is_named_at_the_start(tmp_path):
    async def scene():
        async with ContractServer().listening() as server:
            await pair(StateFolder(tmp_path / "s"), server=server.base, code=server.code)
        for option, value in (("--camera", "webcam"), ("--relay", "lamp"), ("--contact", "x"), ("--http", "0.0.0.0:1")):
            code, _, errors = await command("run", "--state", str(tmp_path / "s"), option, value)
            assert code == 1
            assert value in errors

    run(scene())
