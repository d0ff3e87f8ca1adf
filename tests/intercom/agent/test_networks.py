"""Media on awkward networks: through a real coturn on both sides, with a dead relay, and without any network at all."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import shutil
import socket
import time

import ifaddr
from aiortc import RTCConfiguration, RTCIceServer
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from intercom.station_protocol import ServerEvent, StationEvent
from tests.intercom.agent.door import agent_at, run
from tests.intercom.agent.phone import Phone, phone
from tests.intercom.agent.protocol_server import ContractServer, eventually

SECRET = "a secret of this test only"


def credentials(*, good_for_s=600):
    """coturn's time-limited credentials (use-auth-secret)."""
    username = f"{int(time.time()) + good_for_s}:station"
    digest = hmac.new(SECRET.encode(), username.encode(), hashlib.sha1).digest()
    return {"username": username, "credential": base64.b64encode(digest).decode()}


@contextlib.asynccontextmanager
async def coturn(folder, port):
    """A real TURN server on the loopback address."""
    program = shutil.which("turnserver")
    assert program is not None, "coturn is not installed (make system)"
    process = await asyncio.create_subprocess_exec(
        program, "-n", "--listening-ip=127.0.0.1", f"--listening-port={port}", "--relay-ip=127.0.0.1",
        "--use-auth-secret", f"--static-auth-secret={SECRET}", "--realm=gatehouse.test", "--allow-loopback-peers",
        "--no-cli", "--no-tls", "--no-dtls", f"--pidfile={folder}/turn.pid", "--log-file=stdout",
        f"--userdb={folder}/turn.db", "--no-stdout-log",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip

    def listens():
        assert process.returncode is None, "coturn ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        await eventually(listens, "coturn")
        yield f"turn:127.0.0.1:{port}?transport=udp"
    finally:
        process.terminate()
        await process.wait()


def kinds_of_candidates(sdp):
    return {line.split(" typ ")[1].split()[0] for line in sdp.splitlines() if line.startswith("a=candidate")}


def test_the_preview_comes_through_turn_on_both_sides(tmp_path, unused_port):
    async def scene():
        async with coturn(tmp_path, unused_port) as url:
            server = ContractServer(ice_servers=({"urls": [url], **credentials()},))
            async with server.listening(), agent_at(server, tmp_path / "s", ice="relay") as agent:
                await agent.press("1201")
                configuration = RTCConfiguration(
                    iceServers=[RTCIceServer(urls=[url], **credentials())],
                    iceTransportPolicy=RTCIceTransportPolicy.RELAY,
                )
                one = Phone(server, server.call.legs[0].id, configuration)
                try:
                    await one.connect()
                    answer = server.heard(StationEvent.SIGNAL)[0].description["sdp"]
                    assert kinds_of_candidates(answer) == {"relay"}
                    assert kinds_of_candidates(one.pc.localDescription.sdp) == {"relay"}
                    await eventually(lambda: len(one.timecodes) > 5, "the preview through the relay")
                finally:
                    await one.close()

    run(scene())


def test_credentials_that_ran_out_give_no_relay_and_new_ones_of_the_configuration_do(tmp_path, unused_port):
    async def scene():
        async with coturn(tmp_path, unused_port) as url:
            server = ContractServer(ice_servers=({"urls": [url], **credentials(good_for_s=-60)},))
            async with server.listening(), agent_at(server, tmp_path / "s") as agent:
                await agent.press("1201")
                async with phone(server, 0) as one:
                    await one.connect()
                    await eventually(lambda: len(one.timecodes) > 2, "the preview without a relay")
                    answer = server.heard(StationEvent.SIGNAL)[0].description["sdp"]
                    assert "relay" not in kinds_of_candidates(answer)
                server.ice_servers = ({"urls": [url], **credentials()},)
                server.config_version += 1
                await server.send(ServerEvent.CONFIG, server.config().to_wire())
                await server.hear(StationEvent.CONFIG_APPLIED, where=lambda m: m.version == server.config_version)
                async with phone(server, 1) as two:
                    await two.connect()
                    answer = server.heard(StationEvent.SIGNAL)[1].description["sdp"]
                    assert "relay" in kinds_of_candidates(answer)

    run(scene())


def test_a_dead_turn_server_costs_time_but_not_the_preview(tmp_path, unused_port):
    async def scene():
        dead = {"urls": [f"turn:127.0.0.1:{unused_port}?transport=udp"], **credentials()}
        server = ContractServer(ice_servers=(dead,))
        async with server.listening(), agent_at(server, tmp_path / "s") as agent:
            await agent.press("1201")
            async with phone(server) as one:
                await one.connect()
                await eventually(lambda: len(one.timecodes) > 2, "the preview")

    run(scene())


def test_a_machine_without_a_network_still_shows_its_door_to_itself(tmp_path, monkeypatch):
    """aioice leaves 127.0.0.1 out; with nothing else there would be no candidate at all."""
    only_loopback = [adapter for adapter in ifaddr.get_adapters() if adapter.name == "lo"]
    monkeypatch.setattr(ifaddr, "get_adapters", lambda *_, **__: only_loopback)

    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s") as agent:
            await agent.press("1201")
            async with phone(server) as one:
                await one.connect()
                answer = server.heard(StationEvent.SIGNAL)[0].description["sdp"]
                assert "127.0.0.1" in answer
                await eventually(lambda: len(one.timecodes) > 2, "the preview")

    run(scene())
