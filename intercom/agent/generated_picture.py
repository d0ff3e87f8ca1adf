"""The generated picture: an entrance with a visitor who sways, and the timecode strip of `timecode` on top."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import av

from intercom.agent.timecode import Timecode, call_hash, draw_strip

WIDTH, HEIGHT, FRAMES_PER_S = 640, 480, 20

Colour = tuple[int, int, int]
WALL: Colour = (88, 122, 134)
LEAF: Colour = (54, 132, 124)
FLOOR: Colour = (70, 128, 128)
DOOR: Colour = (40, 134, 122)
LAMP: Colour = (225, 90, 146)
COAT: Colour = (112, 142, 110)
SKIN: Colour = (170, 112, 148)
HAIR: Colour = (30, 128, 130)


@dataclass
class Canvas:
    """A YUV 4:2:0 picture that rectangles and ellipses can be drawn on, row by row."""

    y: bytearray = field(default_factory=lambda: bytearray(WIDTH * HEIGHT))
    u: bytearray = field(default_factory=lambda: bytearray(WIDTH * HEIGHT // 4))
    v: bytearray = field(default_factory=lambda: bytearray(WIDTH * HEIGHT // 4))

    def copy(self) -> Canvas:
        return Canvas(bytearray(self.y), bytearray(self.u), bytearray(self.v))

    def span(self, row: int, left: int, right: int, colour: Colour) -> None:
        left, right = max(0, left), min(WIDTH, right)
        if not 0 <= row < HEIGHT or left >= right:
            return
        self.y[row * WIDTH + left : row * WIDTH + right] = bytes((colour[0],)) * (right - left)
        if row % 2 == 0:
            start, end = row // 2 * (WIDTH // 2) + left // 2, row // 2 * (WIDTH // 2) + right // 2
            self.u[start:end] = bytes((colour[1],)) * (end - start)
            self.v[start:end] = bytes((colour[2],)) * (end - start)

    def rectangle(self, left: int, top: int, right: int, bottom: int, *, colour: Colour) -> None:
        for row in range(top, bottom):
            self.span(row, left, right, colour)

    def ellipse(self, x: int, y: int, half_width: int, half_height: int, *, colour: Colour) -> None:
        for row in range(y - half_height, y + half_height):
            reach = int(half_width * math.sqrt(max(0.0, 1 - ((row + 0.5 - y) / half_height) ** 2)))
            self.span(row, x - reach, x + reach, colour)


def _entrance() -> Canvas:
    canvas = Canvas()
    for row in range(HEIGHT):
        shade = row * 40 // HEIGHT
        canvas.span(row, 0, WIDTH, (WALL[0] + 40 - shade, WALL[1], WALL[2]))
    canvas.rectangle(0, 390, WIDTH, HEIGHT, colour=FLOOR)
    canvas.rectangle(440, 90, 590, 400, colour=LEAF)
    canvas.rectangle(452, 102, 578, 400, colour=DOOR)
    canvas.ellipse(466, 260, 6, 6, colour=LAMP)
    canvas.ellipse(400, 96, 22, 26, colour=LAMP)
    canvas.rectangle(40, 300, 120, 400, colour=LEAF)
    canvas.ellipse(80, 260, 70, 62, colour=LEAF)
    return canvas


class GeneratedPicture:
    """A camera that needs no camera."""

    def __init__(self, *, call_id: Callable[[], str | None], now_ms: Callable[[], int]) -> None:
        self._call_id = call_id
        self._now_ms = now_ms
        self._entrance: Canvas | None = None

    def frames(self, stop: threading.Event) -> Iterator[av.VideoFrame]:
        due = time.monotonic()
        while not stop.is_set():
            yield self.draw()
            due = max(due + 1 / FRAMES_PER_S, time.monotonic() - 1)
            stop.wait(max(0.0, due - time.monotonic()))

    def draw(self) -> av.VideoFrame:
        """The picture of this moment."""
        if self._entrance is None:
            self._entrance = _entrance()
        now_ms = self._now_ms()
        canvas = self._entrance.copy()
        x = 260 + int(70 * math.sin(now_ms / 1000 * math.tau / 6))
        canvas.ellipse(x, 420, 92, 170, colour=COAT)
        canvas.ellipse(x, 214, 44, 54, colour=SKIN)
        canvas.ellipse(x, 186, 46, 30, colour=HAIR)
        draw_strip(canvas.y, WIDTH, width=WIDTH, code=Timecode(call_hash(self._call_id()), now_ms))
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane, data in zip(frame.planes, (canvas.y, canvas.u, canvas.v), strict=True):
            plane.update(bytes(data))
        return frame
