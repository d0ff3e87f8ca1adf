"""Limits: how often somebody may try a thing, and how many messages one socket may send."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from backend.errors import TooManyRequestsError


class RateLimits:
    """Named limits such as `5/minute`, counted for each key; in memory, for one process."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._parsed: dict[str, RateLimitItem] = {}

    def hit(self, limit: str, *key: str) -> None:
        """Count one try.

        Raises:
            TooManyRequestsError: that was one too many; carries `retry_after_s`.
        """
        if self._enabled and not self._limiter.hit(self._item(limit), *key):
            self._refuse(limit, key)

    def check(self, limit: str, *key: str) -> None:
        """Refuse when the limit is used up, without counting: for limits on failures only.

        Raises:
            TooManyRequestsError: as `hit`.
        """
        if self._enabled and not self._limiter.test(self._item(limit), *key):
            self._refuse(limit, key)

    def _item(self, limit: str) -> RateLimitItem:
        return self._parsed.setdefault(limit, parse(limit))

    def _refuse(self, limit: str, key: tuple[str, ...]) -> None:
        window = self._limiter.get_window_stats(self._item(limit), *key)
        wait_s = max(1, round(window.reset_time - time.time()))
        raise TooManyRequestsError("too many tries; wait a moment", retry_after_s=wait_s)


@dataclass
class TokenBucket:
    """Allows `per_s` on average and `burst` at once; not safe to share between threads."""

    per_s: float
    burst: float
    monotonic: Callable[[], float] = time.monotonic
    _tokens: float = field(init=False)
    _filled: float = field(init=False)

    def __post_init__(self) -> None:
        """Start full."""
        self._tokens, self._filled = self.burst, self.monotonic()

    def take(self) -> bool:
        """Use one token; False when there is none."""
        moment = self.monotonic()
        self._tokens = min(self.burst, self._tokens + (moment - self._filled) * self.per_s)
        self._filled = moment
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class SocketLimits:
    """One bucket of messages, and one of refusals, for each socket; a socket that ignores refusals is to be closed."""

    def __init__(self, *, per_s: float, burst: float, enabled: bool = True) -> None:
        self._per_s, self._burst, self._enabled = per_s, burst, enabled
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[TokenBucket, TokenBucket]] = {}

    def allow(self, sid: str) -> bool | None:
        """True: go on; False: refuse this message; None: refuse and close the socket."""
        if not self._enabled:
            return True
        with self._lock:
            good, bad = self._buckets.setdefault(
                sid, (TokenBucket(self._per_s, self._burst), TokenBucket(2 * self._per_s, 2 * self._burst))
            )
            if good.take():
                return True
            return False if bad.take() else None

    def forget(self, sid: str) -> None:
        """The socket is gone."""
        with self._lock:
            self._buckets.pop(sid, None)
