"""Identifiers: sortable by time and made without a central counter (UUID version 7, RFC 9562)."""

import secrets
import time


def new_id() -> str:
    """A fresh identifier: 32 hexadecimal characters, later ones sort after earlier ones (to the millisecond)."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return f"{value:032x}"


def new_digits(count: int) -> str:
    """A random code of `count` decimal digits from the system's CSPRNG."""
    return f"{secrets.randbelow(10**count):0{count}d}"
