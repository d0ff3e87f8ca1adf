"""A phone for tests of the agent: offers as a page does, decodes what the door shows, counts every packet it gets."""

from __future__ import annotations

import array
import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from intercom.agent.audio import Tone
from intercom.agent.timecode import Timecode, read_strip
from intercom.station_protocol import ServerEvent, Signal, StationEvent
from tests.intercom.agent.protocol_server import ContractServer


def strip_of(frame: Any) -> Timecode | None:
    """The timecode of a decoded frame."""
    plane = frame.reformat(format="yuv420p").planes[0]
    luma, stride = bytes(plane), plane.line_size
    return read_strip(lambda x, y: luma[y * stride + x], frame.width)


def tone_strength(samples: array.array[int], hertz: float, *, rate: int = 48_000) -> float:
    """How much of the samples' power is at one frequency, from 0 to 1 (Goertzel)."""
    step = 2 * math.cos(math.tau * hertz / rate)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + step * last - before
    power = before**2 + last**2 - step * before * last
    total = sum(sample * sample for sample in samples) * len(samples) / 2
    return power / total if total else 0.0


class MediaPhone:
    """The media half of a phone; how it signals is another's affair."""

    def __init__(self, configuration: RTCConfiguration | None = None) -> None:
        self.pc = RTCPeerConnection(configuration or RTCConfiguration(iceServers=[]))
        self.timecodes: list[Timecode] = []
        self.unreadable = 0
        self.heard = array.array("h")
        self.rtp_packets = 0
        self._tasks: list[asyncio.Task[None]] = []
        self.audio = self.pc.addTransceiver("audio", direction="sendrecv")
        self.video = self.pc.addTransceiver("video", direction="sendrecv")
        for transceiver in (self.audio, self.video):
            self._count_packets(transceiver.receiver)

        @self.pc.on("track")
        def on_track(track: Any) -> None:
            watch = self._watch(track) if track.kind == "video" else self._listen(track)
            self._tasks.append(asyncio.create_task(watch))

    def _count_packets(self, receiver: Any) -> None:
        handle = receiver._handle_rtp_packet

        async def counted(packet: Any, arrival_time_ms: int) -> None:
            self.rtp_packets += 1
            await handle(packet, arrival_time_ms)

        receiver._handle_rtp_packet = counted

    async def _watch(self, track: Any) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                code = strip_of(await track.recv())
                if code is None:
                    self.unreadable += 1
                else:
                    self.timecodes.append(code)

    async def _listen(self, track: Any) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                channels = len(frame.layout.channels)
                self.heard.extend(array.array("h", bytes(frame.planes[0])[: frame.samples * channels * 2])[::channels])

    async def offer(self) -> dict[str, str]:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return {"type": "offer", "sdp": self.pc.localDescription.sdp}

    def speak(self) -> None:
        """The resident's microphone is on."""
        self.audio.sender.replaceTrack(Tone())

    async def close(self) -> None:
        await self.pc.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Phone(MediaPhone):
    """One leg's other end at the contract server."""

    def __init__(self, server: ContractServer, leg_id: str, configuration: RTCConfiguration | None = None) -> None:
        assert server.call is not None
        self.server, self.call_id, self.leg_id = server, server.call.id, leg_id
        super().__init__(configuration)

    async def send(self, **parts: Any) -> None:
        await self.server.send(ServerEvent.SIGNAL, {"call_id": self.call_id, "leg_id": self.leg_id, **parts})

    async def connect(self) -> None:
        """Offer, take the answer, and wait for the connection."""
        await self.send(description=await self.offer())
        await self.take_answer()

    async def take_answer(self) -> None:
        answer: Signal = await self.server.hear(
            StationEvent.SIGNAL, where=lambda m: m.leg_id == self.leg_id and m.description is not None
        )
        assert answer.description is not None
        await self.pc.setRemoteDescription(RTCSessionDescription(**answer.description))


@contextlib.asynccontextmanager
async def phone(server: ContractServer, leg: int = 0) -> AsyncIterator[Phone]:
    """A phone on the given leg of the current call."""
    assert server.call is not None
    one = Phone(server, server.call.legs[leg].id)
    try:
        yield one
    finally:
        await one.close()
