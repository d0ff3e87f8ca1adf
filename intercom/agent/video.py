"""One VP8 encoder for all phones: a picture is encoded once and its packets are relayed to everyone who looks.

An encoder per phone costs 5 % of a core each, relayed packets 0.4 % (docs/benchmarks.md). The price is that one phone's
loss asks for a keyframe that all get; keyframes are therefore at most four a second.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from fractions import Fraction
from typing import TypeAlias

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av.video.frame import PictureType
from av.video.stream import VideoStream

from intercom.agent.camera import Camera
from intercom.station_protocol import MAX_PICTURE_BYTES

logger = logging.getLogger(__name__)
CLOCK_HZ = 90_000
BITS_PER_S = 800_000
KEYFRAME_EVERY_FRAMES = 40  # 2 s at 20 pictures a second
KEYFRAME_PAUSE_S = 0.25
QUEUE_PACKETS = 60

EncodedPacket: TypeAlias = "av.Packet[VideoStream]"


class Vp8Encoder:
    """Encodes pictures of one size; used in the camera's thread only."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        codec = av.VideoCodecContext.create("libvpx", "w")
        codec.width, codec.height = width, height
        codec.pix_fmt = "yuv420p"
        codec.bit_rate = BITS_PER_S
        codec.time_base = Fraction(1, CLOCK_HZ)
        codec.framerate = Fraction(20)
        codec.gop_size = KEYFRAME_EVERY_FRAMES
        codec.qmin, codec.qmax = 2, 50
        codec.thread_count = 1
        codec.options = {
            "deadline": "realtime",
            "cpu-used": "-6",
            "lag-in-frames": "0",
            "error-resilient": "1",
            "minrate": str(BITS_PER_S // 4),
            "maxrate": str(BITS_PER_S),
            "bufsize": str(BITS_PER_S),
        }
        self._codec = codec

    def encode(self, frame: av.VideoFrame, *, pts: int, keyframe: bool) -> list[EncodedPacket]:
        frame.pts, frame.time_base = pts, Fraction(1, CLOCK_HZ)
        frame.pict_type = PictureType.I if keyframe else PictureType.NONE
        return list(self._codec.encode(frame))


class VideoHub:
    """Fans the encoder's packets out to the phones' tracks; idle when nobody looks."""

    def __init__(self, camera: Camera, *, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tracks: set[RelayedVideo] = set()
        self._watched = threading.Event()
        self._keyframe_wanted = threading.Event()
        self._last_keyframe = 0.0
        self._started = time.monotonic()
        self.encoder: Vp8Encoder | None = None
        self.encoders_made = 0
        self.frames_encoded = 0
        camera.on_frame = self._encode

    @property
    def watchers(self) -> int:
        return len(self._tracks)

    def track(self) -> RelayedVideo:
        """A track for one phone; it joins when its connection first asks for a packet."""
        return RelayedVideo(self)

    def want_keyframe(self) -> None:
        """The next picture shall be complete: a phone joined or lost one."""
        self._keyframe_wanted.set()

    def join(self, track: RelayedVideo) -> None:
        self._tracks.add(track)
        self._watched.set()
        self.want_keyframe()

    def leave(self, track: RelayedVideo) -> None:
        self._tracks.discard(track)
        if not self._tracks:
            self._watched.clear()

    def _encode(self, frame: av.VideoFrame) -> None:
        """In the camera's thread."""
        if not self._watched.is_set():
            self.encoder = None
            return
        if self.encoder is None or (self.encoder.width, self.encoder.height) != (frame.width, frame.height):
            self.encoder = Vp8Encoder(frame.width, frame.height)
            self.encoders_made += 1
        now = time.monotonic()
        keyframe = self._keyframe_wanted.is_set() and now - self._last_keyframe >= KEYFRAME_PAUSE_S
        if keyframe:
            self._keyframe_wanted.clear()
            self._last_keyframe = now
        packets = self.encoder.encode(frame, pts=int((now - self._started) * CLOCK_HZ), keyframe=keyframe)
        self.frames_encoded += 1
        if packets:
            self._loop.call_soon_threadsafe(self._deliver, packets)

    def _deliver(self, packets: list[EncodedPacket]) -> None:
        for track in list(self._tracks):
            for packet in packets:
                track.offer(packet)


class RelayedVideo(MediaStreamTrack):
    """One phone's share of the hub: begins with a complete picture, and after a jam begins again with one."""

    kind = "video"

    def __init__(self, hub: VideoHub) -> None:
        super().__init__()
        self._hub = hub
        self._packets: asyncio.Queue[EncodedPacket | None] = asyncio.Queue()
        self._joined = False
        self._needs_keyframe = True

    def offer(self, packet: EncodedPacket) -> None:
        if self._needs_keyframe and not packet.is_keyframe:
            return
        self._needs_keyframe = False
        if self._packets.qsize() >= QUEUE_PACKETS:
            while not self._packets.empty():
                self._packets.get_nowait()
            self._needs_keyframe = True
            self._hub.want_keyframe()
            return
        self._packets.put_nowait(packet)

    async def recv(self) -> EncodedPacket:
        if self.readyState != "live":
            raise MediaStreamError
        if not self._joined:
            self._joined = True
            self._hub.join(self)
        packet = await self._packets.get()
        if packet is None:
            raise MediaStreamError
        return packet

    def stop(self) -> None:
        """No packet leaves after this, not even one already waiting."""
        super().stop()
        self._hub.leave(self)
        while not self._packets.empty():
            self._packets.get_nowait()
        self._packets.put_nowait(None)


def jpeg_of(frame: av.VideoFrame) -> bytes:
    """A JPEG within the protocol's limit; coarser when it must be."""
    for quantizer in (4, 8, 16, 31):
        codec = av.VideoCodecContext.create("mjpeg", "w")
        codec.width, codec.height = frame.width, frame.height
        codec.pix_fmt = "yuvj420p"
        codec.time_base = Fraction(1, 20)
        codec.options = {"qmin": str(quantizer), "qmax": str(quantizer)}
        picture = frame.reformat(format="yuvj420p")
        picture.pts, picture.pict_type = 0, PictureType.NONE
        data = b"".join(bytes(packet) for packet in codec.encode(picture))
        if len(data) <= MAX_PICTURE_BYTES:
            break
    return data
