"""The agent as the station of the real service: the whole story with real phones' signalling and media."""

import asyncio
import contextlib
import sys
import time
from pathlib import Path

import aiohttp
import pytest
from aiortc import RTCSessionDescription

from intercom.agent.pairing import PairingError, pair
from intercom.agent.state_folder import StateFolder
from intercom.agent.timecode import call_hash
from tests.intercom.agent.door import AgentProcess, agent_process, run, state_where, told
from tests.intercom.agent.phone import MediaPhone, tone_strength
from tests.intercom.agent.protocol_server import eventually
from tests.support.phones import Phone
from tests.support.service import Service


class ResidentPhone(MediaPhone):
    """A signed-in phone of the service with real media."""

    def __init__(self, phone, call_id):
        super().__init__()
        self.phone, self.call_id = phone, call_id

    async def connect(self):
        offer = await self.offer()
        answer = await asyncio.to_thread(self._exchange, offer)
        await self.pc.setRemoteDescription(RTCSessionDescription(**answer["description"]))

    def _exchange(self, offer):
        assert self.phone.ask("signal", {"call_id": self.call_id, "description": offer}) == {"ok": True}
        return self.phone.inbox.wait("signal", lambda s: s["call_id"] == self.call_id and "description" in s)


@contextlib.asynccontextmanager
async def media_of(*phones, call_id):
    made = [ResidentPhone(phone, call_id) for phone in phones]
    try:
        await asyncio.gather(*(one.connect() for one in made))
        yield made
    finally:
        await asyncio.gather(*(one.close() for one in made))


async def paired(service: Service, folder) -> None:
    code = service.pairing_code(service.community().unit_station_id)
    await pair(StateFolder(folder), server=service.origin, code=code)


async def pressed(agent: AgentProcess, *phones, room="1201"):
    """Press at the agent's keypad; every phone rings. Returns the call as the phones know it."""
    status, answer = await told(agent, "/press", {"dial": room})
    assert status == 200, answer
    call_id = answer["call"]["id"]
    for phone in phones:
        call = await asyncio.to_thread(
            phone.inbox.wait, "call", lambda c: c["id"] == call_id and c["state"] == "ringing"
        )
    return call


def test_press_preview_answer_talk_open_and_end_with_the_agent_as_the_station(service: Service, tmp_path):
    async def scene():
        mum, dad, son = [await asyncio.to_thread(service.phone, name) for name in ("mum", "dad", "son")]
        await paired(service, tmp_path / "s")
        async with agent_process(tmp_path / "s") as agent:
            await agent.connected()
            call = await pressed(agent, mum, dad, son)
            async with media_of(mum, dad, son, call_id=call["id"]) as media:
                await eventually(lambda: all(len(one.timecodes) > 5 for one in media), "every phone's preview")
                for one in media:
                    assert {code.call_hash for code in one.timecodes} == {call_hash(call["id"])}
                    assert len(one.heard) == 0
                winner, losers = media[1], [media[0], media[2]]
                reply = await asyncio.to_thread(dad.call, "POST", f"/calls/{call['id']}/answer")
                assert reply.status_code == 200
                winner.speak()
                await eventually(
                    lambda: all(one.pc.connectionState == "closed" for one in losers), "the losers' closed connections"
                )
                packets = [one.rtp_packets for one in losers]
                await eventually(lambda: len(winner.heard) > 96_000, "the door's sound at the phone")
                assert tone_strength(winner.heard[-24_000:], 440) > 0.5
                await state_where(
                    agent,
                    lambda s: any(leg["heard_frames"] > 25 and leg["heard_level"] > 0.05 for leg in s["legs"].values()),
                    "the resident's voice at the door",
                )
                assert [one.rtp_packets for one in losers] == packets

                door_id = call["doors"][0]["id"]
                opened = await asyncio.to_thread(
                    dad.call, "POST", f"/doors/{door_id}/openings", {"call_id": call["id"]}, key="one"
                )
                assert (opened.status_code, opened.json()["state"]) == (201, "opened")
                assert len(agent.pulses()) == 1

                reply = await asyncio.to_thread(dad.call, "POST", f"/calls/{call['id']}/hang-up")
                assert reply.status_code == 200
                await eventually(lambda: winner.pc.connectionState == "closed", "the end of the talk's connection")
            shown = await asyncio.to_thread(_pictures, dad, call["id"])
            assert {picture["moment"] for picture in shown} >= {"press", "answer"}
            assert all(picture["url"] for picture in shown)

    run(scene(), within_s=120)


def _pictures(phone, call_id):
    end = time.monotonic() + 30
    while True:
        pictures = phone.get(f"/calls/{call_id}")["pictures"]
        if {"press", "answer", "opening"} <= {p["moment"] for p in pictures if p["url"] or p["missing"]}:
            return pictures
        assert time.monotonic() < end, pictures
        time.sleep(0.1)


def test_a_code_pairs_once_and_a_newer_pairing_replaces_the_station(service: Service, tmp_path):
    async def scene():
        await paired(service, tmp_path / "old")
        with pytest.raises(PairingError):
            await pair(StateFolder(tmp_path / "third"), server=service.origin, code="00000000")
        async with agent_process(tmp_path / "old") as old:
            await old.connected()
            await paired(service, tmp_path / "new")
            async with agent_process(tmp_path / "new") as new:
                await new.connected()
                await state_where(old, lambda s: s["refused"] == "station-unknown", "the refusal")
                assert (await told(new, "/state"))[1]["connected"]

    run(scene(), within_s=90)


def test_refused_presses_leave_the_station_free_for_the_next(service: Service, tmp_path):
    async def scene():
        mum = await asyncio.to_thread(service.phone, "mum")
        await paired(service, tmp_path / "s")
        async with agent_process(tmp_path / "s") as agent:
            await agent.connected()
            for room in ("", "9999", "abc", "1" * 64, "１２０１", "3-2-1201"):
                status, answer = await told(agent, "/press", {"dial": room})
                assert status in {400, 404, 422}, (room, answer)
            call = await pressed(agent, mum)
            status, answer = await told(agent, "/hangup", {})
            assert (status, answer["call"]["end_reason"]) == (200, "visitor_hung_up")
            ended = await asyncio.to_thread(mum.inbox.wait, "call", lambda c: c["state"] == "ended")
            assert ended["id"] == call["id"]

    run(scene(), within_s=90)


@pytest.mark.parametrize(
    ("failpoint", "pulses", "state"),
    [("agent.before_pulse", 0, "failed"), ("agent.after_pulse", 1, "failed"), ("agent.before_ack", 1, "opened")],
)
def test_a_station_killed_in_an_opening_corrects_the_phone_afterwards(
    service: Service, tmp_path, failpoint, pulses, state
):
    async def scene():
        mum = await asyncio.to_thread(service.phone, "mum")
        await paired(service, tmp_path / "s")
        door_id = (await asyncio.to_thread(mum.get, "/doors"))["items"][0]["id"]
        async with agent_process(tmp_path / "s", failpoint=failpoint) as agent:
            await agent.connected()
            asking = asyncio.create_task(
                asyncio.to_thread(mum.call, "POST", f"/doors/{door_id}/openings", {}, key="one")
            )
            await agent.wait_killed()
        opening = (await asking).json()
        assert opening["state"] in {"unanswered", "commanded", state}
        async with agent_process(tmp_path / "s") as agent:
            told_later = await asyncio.to_thread(
                mum.inbox.wait, "opening", lambda o: o["id"] == opening["id"] and o["state"] == state, timeout=30
            )
            assert told_later["door"]["id"] == door_id
            assert len(agent.pulses()) == pulses

    run(scene(), within_s=120)


@contextlib.asynccontextmanager
async def demo_server(folder, port):
    """`gatehouse demo` as a process of its own, killed at the end of the block as a power cut would."""
    with (folder.parent / "server.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "import sys; from backend.cli import main; sys.exit(main(sys.argv[1:]))",
            "demo", "--port", str(port), "--data", str(folder),
            cwd=Path(__file__).parents[3], stdout=log, stderr=log,
        )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(60):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"http://localhost:{port}/healthz") as response:
                        if response.status == 200:
                            break
                assert process.returncode is None, (folder.parent / "server.log").read_text()
                await asyncio.sleep(0.05)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def test_a_server_killed_in_mid_ring_leaves_no_call_behind_and_the_next_press_rings(tmp_path, unused_port):
    """The station finds the restarted server by itself; whichever way the call ended, both agree, and life goes on."""
    origin = f"http://localhost:{unused_port}"

    def joined():
        phone = Phone(origin, "mum")
        invitation = phone.call("POST", "/demo/invitations", {"persona": "mum"}).json()
        phone.join(invitation["code"], invitation["name"])
        return phone.connect()

    async def scene():
        async with demo_server(tmp_path / "data", unused_port):
            mum = await asyncio.to_thread(joined)
            code = await asyncio.to_thread(mum.call, "POST", "/demo/pairing-codes", {"station": "unit"})
            room = code.json()["room"]
            await pair(StateFolder(tmp_path / "s"), server=origin, code=code.json()["code"])
            agent = await stack.enter_async_context(agent_process(tmp_path / "s"))
            await agent.connected()
            call = await pressed(agent, mum, room=room)
        await state_where(agent, lambda s: not s["connected"], "the loss of the server")
        async with demo_server(tmp_path / "data", unused_port):
            await agent.connected()
            mum = await asyncio.to_thread(mum.connect)
            seen = await asyncio.to_thread(mum.get, f"/calls/{call['id']}")
            _, state = await told(agent, "/state")
            if seen["state"] == "ringing":
                assert state["call"]["state"] == "ringing"
            await told(agent, "/hangup", {})
            seen = await asyncio.to_thread(mum.get, f"/calls/{call['id']}")
            assert seen["state"] == "ended"
            again = await pressed(agent, mum, room=room)
            assert again["id"] != call["id"]
            await asyncio.to_thread(mum.close)

    async def all_of_it():
        async with stack:
            await scene()

    stack = contextlib.AsyncExitStack()
    run(all_of_it(), within_s=150)
