"""Identifiers: sortable by time and made without a central counter (UUID version 7, RFC 9562)."""

import secrets
import threading
import time

_MOST = 2**12 - 1


_lock = threading.Lock()
_last = (0, 0)


def new_id() -> str:
    """A fresh identifier: 32 hexadecimal characters; each sorts after all that this process made before it."""
    value = _next_tick() << 64 | 0x2 << 62 | secrets.randbits(62)
    return f"{value:032x}"


def _next_tick() -> int:
    """The upper 64 bits: milliseconds, the version, and a counter that orders what one millisecond makes."""
    global _last  # noqa: PLW0603 - the one place that knows the last tick
    moment = time.time_ns() // 1_000_000
    with _lock:
        millisecond, counter = _last
        if moment > millisecond:
            millisecond, counter = moment, secrets.randbits(11)
        elif counter == _MOST:
            millisecond, counter = millisecond + 1, 0
        else:
            counter += 1
        _last = (millisecond, counter)
    return millisecond << 16 | 0x7 << 12 | counter


def new_digits(count: int) -> str:
    """A random code of `count` decimal digits from the system's CSPRNG."""
    return f"{secrets.randbelow(10**count):0{count}d}"
