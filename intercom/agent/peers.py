"""One peer connection per phone: video while it rings, sound both ways once it has answered, nothing after that.

What aiortc must be protected from stands in `ice` and beside the lines below.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpSender
from aiortc.sdp import candidate_from_sdp

from intercom.agent.audio import Listening, Sound
from intercom.agent.ice import MalformedSignalError, ice_configuration, usable_offer
from intercom.agent.video import RelayedVideo, VideoHub
from intercom.station_hello import problem_body
from intercom.station_protocol import LegState, Signal
from intercom.station_wire import Json

logger = logging.getLogger(__name__)
ANSWER_TIMEOUT_S = 12.0
MAX_CANDIDATES = 128


class Peer:
    """The connection with one phone."""

    def __init__(
        self,
        leg_id: str,
        *,
        configuration: RTCConfiguration,
        video: RelayedVideo,
        hub: VideoHub,
        sound: Sound,
        on_failed: Callable[[str], None],
    ) -> None:
        self.leg_id = leg_id
        self._sound = sound
        self._video = video
        self._microphone: MediaStreamTrack | None = None
        self.listening: Listening | None = None
        self._talking = False
        self.closed = False
        self._described = False
        self._early: list[Json] = []
        self._candidates = 0
        self.pc = RTCPeerConnection(configuration)
        self._audio = self.pc.addTransceiver("audio", direction="sendrecv")
        self._picture = self.pc.addTransceiver(video, direction="sendrecv")
        # The hub speaks VP8 and cannot speak anything else to one phone.
        vp8 = [c for c in RTCRtpSender.getCapabilities("video").codecs if c.mimeType in ("video/VP8", "video/rtx")]
        self._picture.setCodecPreferences(vp8)
        # aiortc would ask its own encoder for the keyframe a phone wants, but packets have none: ask the hub.
        setattr(self._picture.sender, "_send_keyframe", hub.want_keyframe)  # noqa: B010  (typed as a method)

        @self.pc.on("connectionstatechange")
        def changed() -> None:
            logger.debug("leg %s: %s", leg_id, self.pc.connectionState)
            if self.pc.connectionState == "failed" and not self.closed:
                on_failed(leg_id)

    async def answer(self, description: Json) -> Json:
        """Take the phone's offer; the answer carries all of the station's candidates.

        Raises:
            MalformedSignalError: the offer cannot be used.
        """
        offer = usable_offer(description)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self.pc.setRemoteDescription(offer)
                await self.pc.setLocalDescription(await self.pc.createAnswer())
        except Exception as error:
            # aiortc has no closed set of errors for what a stranger may write into an SDP.
            logger.info("leg %s: unusable offer: %s: %s", self.leg_id, type(error).__name__, error)
            raise MalformedSignalError("the offer cannot be used") from error
        self._apply_talking()
        self._described = True
        early, self._early = self._early, []
        for candidate in early:
            await self._add(candidate)
        return {"type": self.pc.localDescription.type, "sdp": self.pc.localDescription.sdp}

    async def add_candidate(self, candidate: Json) -> None:
        """Raises MalformedSignalError. Before the offer came, candidates wait."""
        self._candidates += 1
        if self._candidates > MAX_CANDIDATES:
            raise MalformedSignalError("too many candidates")
        if self._described:
            await self._add(candidate)
        else:
            self._early.append(candidate)

    async def _add(self, wire: Json) -> None:
        text = wire["candidate"].strip()
        if not text:
            return  # no more will come; aiortc needs no word of it
        if re.search(r"\.local ", text):
            return
        try:
            candidate = candidate_from_sdp(text.removeprefix("candidate:"))
            candidate.sdpMid = wire.get("sdpMid")
            candidate.sdpMLineIndex = wire.get("sdpMLineIndex")
            await self.pc.addIceCandidate(candidate)
        except Exception as error:
            # As with offers: any error here means that the candidate is unusable.
            logger.info("leg %s: unusable candidate: %s", self.leg_id, type(error).__name__)
            raise MalformedSignalError("the candidate cannot be used") from error

    def talk(self) -> None:
        """This phone has answered: let it hear the door and be heard."""
        self._talking = True
        if self._described:
            self._apply_talking()

    def _apply_talking(self) -> None:
        """A receiver that is not enabled drops packets before they are decoded; the resident's picture always is,
        because a native station has no screen.
        """
        self._picture.receiver._enabled = False
        self._audio.receiver._enabled = self._talking
        if self._talking and self.listening is None:
            self._microphone = self._sound.microphone()
            self._audio.sender.replaceTrack(self._microphone)
            self.listening = self._sound.listen(self._audio.receiver.track)

    async def packets_sent(self) -> int:
        """RTP packets sent to this phone so far."""
        total = 0
        for sender in (self._audio.sender, self._picture.sender):
            report = await sender.getStats()
            total += sum(stat.packetsSent for stat in report.values() if stat.type == "outbound-rtp")
        return total

    def silence(self) -> None:
        """Send nothing more and decode nothing more from this moment on."""
        self.closed = True
        self._video.stop()
        for transceiver in (self._audio, self._picture):
            transceiver.sender._enabled = transceiver.receiver._enabled = False
        if self._microphone is not None:
            self._microphone.stop()

    async def close(self) -> None:
        """Stop sending at once, then take the connection down."""
        self.silence()
        if self.listening is not None:
            await self.listening.stop()
        await self.pc.close()


class Peers:
    """The peers of the call at the door."""

    def __init__(
        self,
        *,
        hub: VideoHub,
        sound: Sound,
        send: Callable[[Signal], Awaitable[None]],
        on_failed: Callable[[str], None],
        relay_only: bool = False,
    ) -> None:
        self._hub = hub
        self._relay_only = relay_only
        self._sound = sound
        self._send = send
        self._on_failed = on_failed
        self._peers: dict[str, Peer] = {}
        self._early: dict[str, list[Json]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self.ice_servers: tuple[Json, ...] = ()

    def get(self, leg_id: str) -> Peer | None:
        return self._peers.get(leg_id)

    @property
    def legs(self) -> list[str]:
        return list(self._peers)

    async def take(self, signal: Signal, state: Callable[[], LegState | None]) -> None:
        """Handle one signal of one phone; signals of one leg are handled in their order.

        `state` says what the leg is when it comes to it, because the call may have moved on while others were handled.
        """
        async with self._locks.setdefault(signal.leg_id, asyncio.Lock()):
            if state() not in (LegState.RINGING, LegState.ANSWERED):
                return
            try:
                if signal.description is not None:
                    await self._answer(signal, signal.description, state)
                elif signal.candidate is not None:
                    await self._candidate(signal.leg_id, signal.candidate)
            except MalformedSignalError as error:
                if state() not in (LegState.RINGING, LegState.ANSWERED):
                    return
                problem = problem_body("signal-malformed", "Malformed signal", status=400, detail=str(error))
                await self._send(Signal(call_id=signal.call_id, leg_id=signal.leg_id, problem=problem))

    async def _candidate(self, leg_id: str, candidate: Json) -> None:
        peer = self._peers.get(leg_id)
        if peer is not None:
            await peer.add_candidate(candidate)
            return
        early = self._early.setdefault(leg_id, [])
        if len(early) >= MAX_CANDIDATES:
            raise MalformedSignalError("too many candidates before a description")
        early.append(candidate)

    async def _answer(self, signal: Signal, description: Json, state: Callable[[], LegState | None]) -> None:
        self._drop(signal.leg_id)  # a phone that offers again has begun anew
        peer = Peer(
            signal.leg_id,
            configuration=ice_configuration(self.ice_servers, relay_only=self._relay_only),
            video=self._hub.track(),
            hub=self._hub,
            sound=self._sound,
            on_failed=self._on_failed,
        )
        self._peers[signal.leg_id] = peer
        try:
            answer = await peer.answer(description)
        except MalformedSignalError:
            self._drop(signal.leg_id)
            raise
        if peer.closed or state() not in (LegState.RINGING, LegState.ANSWERED):
            self._drop(signal.leg_id)
            return
        if state() is LegState.ANSWERED:
            peer.talk()
        await self._send(Signal(call_id=signal.call_id, leg_id=signal.leg_id, description=answer))
        for candidate in self._early.pop(signal.leg_id, []):
            with suppress(MalformedSignalError):
                await peer.add_candidate(candidate)

    def apply(self, legs: dict[str, LegState]) -> None:
        """Bring the peers in line with the legs: close the ones that are out, let the answered one talk."""
        for leg_id in [*self._peers, *self._early]:
            if legs.get(leg_id) not in (LegState.RINGING, LegState.ANSWERED):
                self._drop(leg_id)
        for leg_id, peer in self._peers.items():
            if legs.get(leg_id) is LegState.ANSWERED:
                peer.talk()

    def _drop(self, leg_id: str) -> None:
        """Silence now; the connection is taken down in the background, uninterrupted (aiortc minds)."""
        self._early.pop(leg_id, None)
        peer = self._peers.pop(leg_id, None)
        if peer is None:
            return
        peer.silence()
        closing = asyncio.get_running_loop().create_task(peer.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def close(self, leg_id: str) -> None:
        """Silence one leg and wait until nothing of any dropped leg is left."""
        self._drop(leg_id)
        await asyncio.gather(*(asyncio.shield(closing) for closing in self._closing), return_exceptions=True)

    async def close_all(self) -> None:
        for leg_id in list(self._peers):
            self._drop(leg_id)
        await asyncio.gather(*self._closing, return_exceptions=True)
        self._early.clear()
        self._locks.clear()

    async def counts(self) -> dict[str, Any]:
        """What is sent and heard, per leg, for the state page and tests."""
        return {
            leg_id: {
                "state": peer.pc.connectionState,
                "packets_sent": await peer.packets_sent(),
                "heard_frames": peer.listening.frames if peer.listening else 0,
                "heard_level": round(peer.listening.level, 4) if peer.listening else 0.0,
            }
            for leg_id, peer in list(self._peers.items())
        }
