"""Sound at the door: what visitors say goes to the phone, what residents say comes out of the station.

Sound cards are opened only for a talk. A dead sound card makes a silent talk, never a lost one.
"""

from __future__ import annotations

import array
import asyncio
import logging
import math
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
from aiortc import MediaStreamTrack
from aiortc.contrib.media import MediaPlayer, MediaRecorder
from aiortc.mediastreams import MediaStreamError

logger = logging.getLogger(__name__)
RATE_HZ, FRAME_SAMPLES = 48_000, 960
TONE_HZ, TONE_PEAK = 440, 6000


class Tone(MediaStreamTrack):
    """A steady 440 Hz tone, in 20 ms pieces at the pace of the clock."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._started: float | None = None
        self._sent = 0
        # 440 Hz in 48 kHz repeats after 12,000 samples, so pieces can be cut from a doubled table.
        wave = [int(TONE_PEAK * math.sin(math.tau * TONE_HZ * n / RATE_HZ)) for n in range(12_000)]
        self._wave = array.array("h", wave + wave[:FRAME_SAMPLES]).tobytes()

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        now = time.monotonic()
        if self._started is None:
            self._started = now
        await asyncio.sleep(max(0.0, self._started + self._sent / RATE_HZ - now))
        frame = av.AudioFrame(format="s16", layout="mono", samples=FRAME_SAMPLES)
        start = self._sent % 12_000 * 2
        frame.planes[0].update(self._wave[start : start + FRAME_SAMPLES * 2])
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, self._sent, Fraction(1, RATE_HZ)
        self._sent += FRAME_SAMPLES
        return frame


def level_of(frame: av.AudioFrame) -> float:
    """The root mean square of a 16-bit frame, from 0 to 1."""
    samples = array.array("h", bytes(frame.planes[0])[: frame.samples * len(frame.layout.channels) * 2])
    return math.sqrt(sum(sample * sample for sample in samples) / max(1, len(samples))) / 32768


class Listening:
    """Takes a resident's sound: measures how loud it is and plays it if there is a loudspeaker."""

    def __init__(self, track: MediaStreamTrack, *, speaker: str | None) -> None:
        self._track = track
        self._speaker = speaker
        self.frames = 0
        self.level = 0.0
        self._task = asyncio.get_running_loop().create_task(self._listen())

    async def _listen(self) -> None:
        recorder: Any = None
        try:
            if self._speaker is not None:
                meter = _Metered(self._track, self._measure)
                recorder = MediaRecorder(self._speaker, format="alsa")
                recorder.addTrack(meter)
                await recorder.start()
                await meter.ended
                return
        except (av.FFmpegError, OSError, ValueError) as error:
            logger.warning("the loudspeaker cannot be opened: %s", error)
        finally:
            if recorder is not None:
                await recorder.stop()
        try:
            while True:
                self._measure(await self._track.recv())
        except MediaStreamError:
            return

    def _measure(self, frame: Any) -> None:
        self.frames += 1
        self.level = max(level_of(frame), self.level * 0.9)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class _Metered(MediaStreamTrack):
    """Passes a track on and lets a meter see it."""

    kind = "audio"

    def __init__(self, track: MediaStreamTrack, measure: Callable[[Any], None]) -> None:
        super().__init__()
        self._track = track
        self._measure = measure
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def recv(self) -> Any:
        try:
            frame = await self._track.recv()
        except MediaStreamError:
            if not self.ended.done():
                self.ended.set_result(None)
            raise
        self._measure(frame)
        return frame


class Sound:
    """The station's microphone and loudspeaker, as named by `--audio`: `none`, `test`, `file:PATH`, `device:NAME`."""

    def __init__(self, text: str) -> None:
        """Raises ValueError for a source that does not exist."""
        self._kind, _, self._name = text.partition(":")
        if self._kind not in ("none", "test", "file", "device") or (self._kind in ("file", "device")) != bool(
            self._name
        ):
            raise ValueError(f"unknown sound {text!r}: none, test, file:PATH or device:NAME")

    def microphone(self) -> MediaStreamTrack | None:
        """A fresh track for one talk; None when there is nothing to hear."""
        try:
            if self._kind == "file":
                return MediaPlayer(self._name, loop=True).audio
            if self._kind == "device":
                return MediaPlayer(self._name, format="alsa").audio
        except (av.FFmpegError, OSError) as error:
            logger.warning("the microphone cannot be opened: %s", error)
            return None
        return Tone() if self._kind == "test" else None

    def listen(self, track: MediaStreamTrack) -> Listening:
        """Play (or at least take) what a resident says."""
        return Listening(track, speaker=self._name if self._kind == "device" else None)
