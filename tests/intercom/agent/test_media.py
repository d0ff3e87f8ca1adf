"""The door's picture and sound on real peer connections: while it rings, after the answer, and never after the end."""

import asyncio

from intercom.agent.timecode import call_hash
from intercom.station_protocol import CallState, EndReason, StationEvent
from tests.intercom.agent.door import agent_at, run
from tests.intercom.agent.phone import phone, tone_strength
from tests.intercom.agent.protocol_server import ContractServer, eventually


def test_every_ringing_phone_sees_the_door_from_one_encoder_and_only_the_answering_one_talks(tmp_path):
    async def scene():
        async with ContractServer().listening() as server, agent_at(server, tmp_path / "s") as agent:
            call = await agent.press("1201")
            async with phone(server, 0) as winner, phone(server, 1) as loser:
                winner.speak()  # a phone that sends sound while it rings is not heard
                await asyncio.gather(winner.connect(), loser.connect())
                await eventually(lambda: len(winner.timecodes) > 10 and len(loser.timecodes) > 10, "the preview")
                for shown in (winner, loser):
                    assert {code.call_hash for code in shown.timecodes} == {call_hash(call.id)}
                    stamps = [code.ms for code in shown.timecodes]
                    assert stamps == sorted(stamps)
                    assert shown.unreadable == 0
                    assert len(shown.heard) == 0
                assert agent.hub.encoders_made == 1
                assert agent.hub.watchers == 2
                counts = await agent.peers.counts()
                assert all(count["heard_frames"] == 0 for count in counts.values())

                loser_peer = agent.peers.get(loser.leg_id)
                await server.answered(winner.leg_id)
                await eventually(lambda: agent.peers.get(loser.leg_id) is None, "the end of the loser's peer")
                await eventually(lambda: loser_peer.pc.connectionState == "closed", "the closed connection")
                packets = loser.rtp_packets
                sent = await loser_peer.packets_sent()
                seen = len(winner.timecodes)
                await eventually(lambda: len(winner.heard) > 48_000, "sound at the phone")
                assert tone_strength(winner.heard[-24_000:], 440) > 0.5
                peer = agent.peers.get(winner.leg_id)
                await eventually(
                    lambda: peer.listening.frames > 25 and peer.listening.level > 0.05, "sound at the door"
                )
                await eventually(lambda: len(winner.timecodes) > seen + 10, "more of the picture")
                assert loser.rtp_packets == packets
                assert await loser_peer.packets_sent() == sent
                assert agent.hub.encoders_made == 1
                assert agent.hub.watchers == 1

                await server.send_call(
                    server.next(state=CallState.ENDED, end_reason=EndReason.RESIDENT_HUNG_UP, ended_at=server.now())
                )
                await eventually(lambda: not agent.peers.legs, "the end of all peers")
                await eventually(lambda: not agent.camera.running, "the camera's rest")
            pictures = server.heard(StationEvent.PICTURE)
            assert {p.moment.value for p in pictures} == {"press", "answer"}
            assert all(p.jpeg is not None and p.call_id == call.id for p in pictures)

    run(scene())
