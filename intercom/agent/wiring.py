"""Which file belongs to which relay number, for locks, door contacts and exit buttons on GPIO files."""

from __future__ import annotations

from pathlib import Path


def relay_path(pattern: str, number: int) -> Path | None:
    """The GPIO file of relay `number`: `{relay}` in the pattern is the number.

    A pattern without it is relay 1 alone; another number is not wired (never the wrong door).
    """
    if "{relay}" in pattern:
        return Path(pattern.replace("{relay}", str(number)))
    return Path(pattern) if number == 1 else None
