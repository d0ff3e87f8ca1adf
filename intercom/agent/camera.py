"""Where pictures come from: the generated one, a file, a device or an RTSP address; open only while somebody looks."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import av

from intercom.agent.generated_picture import GeneratedPicture

logger = logging.getLogger(__name__)
WIDTH_LIMIT = 640
OPEN_TIMEOUT_S, READ_TIMEOUT_S = 5.0, 5.0
LONGEST_PAUSE_S = 10.0


class CameraError(Exception):
    """The camera cannot be opened or gives no more pictures."""


class FrameSource(Protocol):
    """Something that gives pictures at its own pace, called in a thread of its own."""

    def frames(self, stop: threading.Event) -> Iterator[av.VideoFrame]:
        """Pictures until `stop` is set; raises CameraError when there are no more."""


class AvSource:
    """What FFmpeg can open: a file (again and again, at its own speed), a V4L2 device, an RTSP address."""

    def __init__(self, url: str, *, kind: str) -> None:
        self.url = url
        self.kind = kind

    def frames(self, stop: threading.Event) -> Iterator[av.VideoFrame]:
        options = {"rtsp": {"rtsp_transport": "tcp"}, "device": {"framerate": "20"}}.get(self.kind, {})
        form = "v4l2" if self.kind == "device" else None
        try:
            while not stop.is_set():
                with av.open(self.url, format=form, options=options, timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S)) as box:
                    if not box.streams.video:
                        raise CameraError("no video in it")
                    shown = 0
                    for frame in self._paced(box, stop):
                        shown += 1
                        yield _fitted(frame)
                    if shown == 0 or self.kind != "file":
                        raise CameraError("no more pictures")
        except (av.FFmpegError, OSError) as error:
            raise CameraError(str(error)) from error

    def _paced(self, box: av.container.InputContainer, stop: threading.Event) -> Iterator[av.VideoFrame]:
        started: float | None = None
        for frame in box.decode(video=0):
            if stop.is_set():
                return
            if self.kind == "file" and frame.time is not None:
                if started is None:
                    started = time.monotonic() - frame.time
                stop.wait(max(0.0, min(1.0, started + frame.time - time.monotonic())))
            yield frame


def _fitted(frame: av.VideoFrame) -> av.VideoFrame:
    """At most 640 wide, even sides, the pixel format VP8 takes."""
    width = min(frame.width, WIDTH_LIMIT) // 2 * 2
    height = round(frame.height * width / frame.width) // 2 * 2
    return frame.reformat(width=width, height=height, format="yuv420p")


def source_from(text: str, *, call_id: Callable[[], str | None], now_ms: Callable[[], int]) -> FrameSource:
    """The source named by `--camera`: `test`, `file:PATH`, `device:PATH` or an rtsp:// address.

    Raises:
        ValueError: no such source.
    """
    if text == "test":
        return GeneratedPicture(call_id=call_id, now_ms=now_ms)
    for kind in ("file", "device"):
        if text.startswith(f"{kind}:") and len(text) > len(kind) + 1:
            return AvSource(text.removeprefix(f"{kind}:"), kind=kind)
    if text.startswith(("rtsp://", "rtsps://")):
        return AvSource(text, kind="rtsp")
    raise ValueError(f"unknown camera {text!r}: test, file:PATH, device:PATH or rtsp://...")


class Camera:
    """Runs its source in a thread while it is held; survives a camera that fails and comes back."""

    def __init__(self, source: FrameSource, *, loop: asyncio.AbstractEventLoop) -> None:
        self._source = source
        self._loop = loop
        self._holders = 0
        self._stop: threading.Event | None = None
        self._thread: threading.Thread | None = None
        self._waiters: list[asyncio.Future[av.VideoFrame | None]] = []
        self.on_frame: Callable[[av.VideoFrame], None] | None = None
        """Called with each picture in the camera's thread."""
        self.failed = False

    @property
    def running(self) -> bool:
        return self._stop is not None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the camera on; the last one to leave turns it off."""
        self._holders += 1
        if self._stop is None:
            self._stop = threading.Event()
            before = self._thread
            self._thread = threading.Thread(target=self._run, args=(self._stop, before), name="camera", daemon=True)
            self._thread.start()
        try:
            yield
        finally:
            self._holders -= 1
            if self._holders == 0:
                self._stop.set()
                self._stop = None

    async def next_frame(self, *, timeout_s: float) -> av.VideoFrame | None:
        """The next picture the camera gives; None when it fails or gives none in time. Hold the camera meanwhile."""
        waiter: asyncio.Future[av.VideoFrame | None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                return await waiter
        except TimeoutError:
            return None

    def _tell(self, frame: av.VideoFrame | None) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(frame)

    def _run(self, stop: threading.Event, before: threading.Thread | None) -> None:
        if before is not None:
            before.join()  # a device can be opened only once
        pause_s = 0.5
        while not stop.is_set():
            try:
                for frame in self._source.frames(stop):
                    if stop.is_set():
                        return
                    self.failed, pause_s = False, 0.5
                    if self.on_frame is not None:
                        self.on_frame(frame)
                    if self._waiters:
                        self._loop.call_soon_threadsafe(self._tell, frame)
            except CameraError as error:
                if not self.failed:
                    logger.warning("the camera failed: %s", error)
            except Exception:
                # One broken picture must not leave the door without a camera for good.
                logger.exception("the camera failed")
            if stop.is_set():
                return
            self.failed = True
            self._loop.call_soon_threadsafe(self._tell, None)
            stop.wait(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    def close(self) -> None:
        """Wait for the thread to end; nobody may hold the camera any more."""
        if self._stop is not None:
            self._stop.set()
            self._stop = None
        if self._thread is not None:
            self._thread.join(timeout=READ_TIMEOUT_S + 1)
