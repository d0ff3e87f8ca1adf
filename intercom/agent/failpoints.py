"""Named places where a test lets the process die as if its power were cut (GATEHOUSE_FAILPOINT="name" or "name:n")."""

from __future__ import annotations

import os
import signal

_passes: dict[str, int] = {}


def failpoint(name: str) -> None:
    """Kill this process without any clean-up at the n-th pass (the first without n) when the environment asks."""
    wanted, _, nth = os.environ.get("GATEHOUSE_FAILPOINT", "").partition(":")
    if wanted != name:
        return
    _passes[name] = _passes.get(name, 0) + 1
    if _passes[name] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
