"""The server's time as a station knows it, whatever the station's own clock says."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime

from intercom.station_wire import ClockSample, clock_sample, from_ms, to_ms


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class ServerClock:
    """Runs on the monotonic clock, so a step of the station's own clock moves no deadline.

    Of the last samples the one with the shortest round trip counts. Before the first sample the station's own clock is
    all there is.
    """

    def __init__(
        self, *, wall_ms: Callable[[], int] = _wall_ms, monotonic_ms: Callable[[], int] = _monotonic_ms
    ) -> None:
        self.wall_ms = wall_ms
        self.monotonic_ms = monotonic_ms
        self._samples: deque[ClockSample] = deque(maxlen=8)
        self._boot_offset_ms = wall_ms() - monotonic_ms()

    def learn(self, server_time: datetime, *, sent_ms: int, fresh: bool = False) -> None:
        """Take the server's stamp for what left at `sent_ms` by `monotonic_ms`; `fresh` forgets what was known."""
        if fresh:
            self._samples.clear()
        self._samples.append(clock_sample(sent_ms, self.monotonic_ms(), server_ms=to_ms(server_time)))

    def now_ms(self) -> int:
        if not self._samples:
            return self.monotonic_ms() + self._boot_offset_ms
        best = min(self._samples, key=lambda sample: sample.round_trip_ms)
        return self.monotonic_ms() + best.offset_ms

    def now(self) -> datetime:
        return from_ms(self.now_ms())

    @property
    def offset_ms(self) -> int:
        """What must be added to the station's own clock to get the server's."""
        return self.now_ms() - self.wall_ms()
