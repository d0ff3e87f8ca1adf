"""What phones may send a station, well formed and not: each is answered or ignored, and the next good offer works."""

import asyncio

import pytest

from intercom.agent.ice import ice_configuration, usable_offer
from intercom.station_protocol import CallState, EndReason, LegState, ServerEvent, StationEvent
from tests.intercom.agent.door import agent_at, run
from tests.intercom.agent.phone import Phone, phone
from tests.intercom.agent.protocol_server import ContractServer, eventually

HEAD = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
AUDIO = "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtpmap:96 opus/48000/2\r\na=sendrecv\r\n"
VIDEO = "m=video 9 UDP/TLS/RTP/SAVPF 97\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=rtpmap:97 VP8/90000\r\na=sendrecv\r\n"


@pytest.mark.parametrize(
    "sdp",
    [
        "hello",
        "v=0",
        HEAD,
        HEAD + AUDIO,
        HEAD + VIDEO + VIDEO,
        HEAD + AUDIO + VIDEO,
        HEAD + AUDIO + VIDEO.replace("VP8", "H264"),
        HEAD + AUDIO.replace(" 96\r", " ninety-six\r") + VIDEO,
        HEAD + AUDIO + VIDEO.replace("m=video 9", "m=video -9"),
        HEAD + "a=group:BUNDLE 0 1 2 3\r\n" + AUDIO + VIDEO,
        HEAD + AUDIO + VIDEO + "a=candidate:1 1 udp x 256.0.0.1 port typ host\r\n",
        HEAD + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
        HEAD + AUDIO + VIDEO + VIDEO.replace("video", "text"),
        "v=0\r\n" + "\x00\ud7ff" * 50,
    ],
)
def test_a_malformed_description_is_answered_with_a_problem_and_the_next_good_one_works(tmp_path, sdp):
    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s") as agent:
            await agent.press("1201")
            async with phone(server) as good:
                await good.send(description={"type": "offer", "sdp": sdp})
                answer = await server.hear(StationEvent.SIGNAL)
                assert answer.problem["type"] == "/problems/signal-malformed"
                assert answer.problem["status"] == 400
                assert agent.peers.legs == []
                await good.connect()
                await eventually(lambda: len(good.timecodes) > 2, "the preview after the good offer")

    run(scene())


@pytest.mark.parametrize(
    "candidate",
    [
        {"candidate": "candidate:rubbish"},
        {"candidate": "candidate:1 1 udp many 10.0.0.1 9 typ host", "sdpMid": "0"},
        {"candidate": "candidate:1 1 udp 1 10.0.0.1 9 typ host"},
        {"candidate": "\u0000" * 100, "sdpMid": "0"},
    ],
)
def test_a_malformed_candidate_is_answered_with_a_problem_and_harms_nothing(tmp_path, candidate):
    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s") as agent:
            await agent.press("1201")
            async with phone(server) as one:
                await one.connect()
                await one.send(candidate=candidate)
                problem = await server.hear(StationEvent.SIGNAL, where=lambda m: m.problem is not None)
                assert problem.problem["type"] == "/problems/signal-malformed"
                await eventually(lambda: len(one.timecodes) > 2, "the preview")

    run(scene())


def test_candidates_may_come_before_the_offer_and_one_by_one(tmp_path):
    """Trickled candidates alone make the connection: the offer goes without any."""

    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s") as agent:
            await agent.press("1201")
            async with phone(server) as one:
                offer = await one.offer()
                lines = offer["sdp"].splitlines(keepends=True)
                candidates = [line.strip()[2:] for line in lines if line.startswith("a=candidate")]
                bare = "".join(line for line in lines if not line.startswith(("a=candidate", "a=end-of-candidates")))
                assert candidates
                await one.send(candidate={"candidate": candidates[0], "sdpMid": "0", "sdpMLineIndex": 0})
                await one.send(description={"type": "offer", "sdp": bare})
                for text in candidates:
                    for index in (0, 1):
                        await one.send(candidate={"candidate": text, "sdpMid": str(index), "sdpMLineIndex": index})
                await one.send(candidate={"candidate": "candidate:1 1 udp 1 a-b.local 9 typ host", "sdpMid": "0"})
                await one.send(candidate={"candidate": ""})
                await one.send(candidate=None)
                await one.take_answer()
                await eventually(lambda: len(one.timecodes) > 2, "the preview")
                assert [m for m in server.heard(StationEvent.SIGNAL) if m.problem] == []

    run(scene())


def test_a_signal_that_overtakes_its_leg_waits_for_it_and_one_of_a_foreign_call_is_ignored(tmp_path):
    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s") as agent:
            call = await agent.press("1201")
            server.call = server.ringing(legs=3)
            server.call = server.next()
            late = server.call.__class__(**{**server.call.__dict__, "id": call.id, "version": 5})
            server.call = late
            early_phone = Phone(server, late.legs[2].id)
            stranger = Phone(server, "f" * 32)
            stranger.call_id = "e" * 32
            try:
                await stranger.send(description=await stranger.offer())
                await early_phone.send(description=await early_phone.offer())
                await server.send(ServerEvent.SIGNAL, {"call_id": call.id, "leg_id": 7})
                await server.send_call(late)
                await early_phone.take_answer()
                await eventually(lambda: len(early_phone.timecodes) > 2, "the preview")
                assert agent.peers.legs == [early_phone.leg_id]
            finally:
                await early_phone.close()
                await stranger.close()

    run(scene())


def test_a_phone_that_offers_again_replaces_its_first_connection(tmp_path):
    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s") as agent:
            await agent.press("1201")
            async with phone(server) as first:
                await first.connect()
                await eventually(lambda: len(first.timecodes) > 2, "the first preview")
                before = agent.peers.get(first.leg_id)
                server.messages.clear()
                async with phone(server) as second:
                    await second.connect()
                    await eventually(lambda: len(second.timecodes) > 2, "the second preview")
                    assert before.closed
                    assert agent.hub.watchers == 1

    run(scene())


@pytest.mark.parametrize("state", [LegState.DECLINED, LegState.ENDED, LegState.COMPLETED_ELSEWHERE])
def test_a_leg_that_is_out_gets_no_peer_and_no_packet(tmp_path, state):
    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s") as agent:
            await agent.press("1201")
            async with phone(server) as one:
                await one.connect()
                await eventually(lambda: len(one.timecodes) > 2, "the preview")
                peer = agent.peers.get(one.leg_id)
                await server.send_call(server.next(legs={one.leg_id: state}))
                await eventually(lambda: peer.closed, "the silence")
                sent = await peer.packets_sent()
                await eventually(lambda: peer.pc.connectionState == "closed", "the closed connection")
                assert await peer.packets_sent() == sent
                assert agent.hub.watchers == 0
                frames = agent.hub.frames_encoded
                async with phone(server) as again:
                    await again.send(description=await again.offer())
                    await server.send_call(server.next())
                    await eventually(lambda: agent.call.current.version == 3, "the next version")
                    await asyncio.gather(*agent._tasks, return_exceptions=True)
                    assert agent.peers.legs == []
                assert agent.hub.frames_encoded <= frames + 1

    run(scene())


def test_a_call_past_its_end_is_ended_by_the_station_if_the_server_says_nothing(tmp_path):
    async def scene():
        async with ContractServer().listening() as server:
            server.on_press = lambda _press: {"call": server.__dict__.setdefault("short", _short(server)).to_wire()}
            async with agent_at(server, tmp_path / "s") as agent:
                await agent.press("1201")
                assert agent.call.active_id is not None
                await eventually(lambda: agent.call.active_id is None, "the end by the clock")
                assert agent.clock.now() >= server.call.expires_at
                await server.send_call(server.next())
                await eventually(lambda: agent.call.current.version == 2, "the next version")
                assert agent.call.active_id is None

    run(scene())


def _short(server):
    server.call = server.ringing(ring_s=0.2)
    return server.call


def test_an_ended_call_closes_everything(tmp_path):
    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s") as agent:
            await agent.press("1201")
            async with phone(server, 0) as one, phone(server, 1) as two:
                await asyncio.gather(one.connect(), two.connect())
                await eventually(lambda: one.timecodes and two.timecodes, "the preview")
                peers = [agent.peers.get(one.leg_id), agent.peers.get(two.leg_id)]
                ended = server.next(state=CallState.ENDED, end_reason=EndReason.NO_ANSWER, ended_at=server.now())
                await server.send_call(ended)
                await eventually(lambda: all(p.pc.connectionState == "closed" for p in peers), "the closed connections")
                assert not agent.peers.legs

    run(scene())


def test_mdns_candidates_are_stripped_and_nothing_else():
    host = "a=candidate:1 1 udp 2113937151 192.0.2.7 51000 typ host\r\n"
    local = "a=candidate:2 1 udp 2113937151 6d5c7ad0-0a1b-4c2d-9e3f-0123456789ab.local 51001 typ host generation 0\r\n"
    offer = {"type": "offer", "sdp": HEAD + AUDIO + local + host + VIDEO + local}
    assert usable_offer(offer).sdp == HEAD + AUDIO + host + VIDEO


def test_an_unusable_ice_server_is_left_out_and_the_list_is_always_explicit():
    good = {"urls": ["turn:192.0.2.1:3478"], "username": "u", "credential": "c"}
    assert ice_configuration(()).iceServers == []
    bad = [{}, {"urls": None}, {"urls": ["http://192.0.2.1"]}, {"urls": [7]}, {"urls": "turn:"}]
    assert [server.urls for server in ice_configuration((*bad, good)).iceServers] == [good["urls"]]
