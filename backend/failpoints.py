"""Named places where a kill test ends the process: GATEHOUSE_FAILPOINT=name or name:n (the n-th pass)."""

import os
import signal
import threading

_lock = threading.Lock()
_passes: dict[str, int] = {}


def failpoint(name: str) -> None:
    """End this process with SIGKILL here if the environment asks for it; otherwise do nothing."""
    wanted = os.environ.get("GATEHOUSE_FAILPOINT")
    if not wanted:
        return
    target, _, count = wanted.partition(":")
    if target != name:
        return
    with _lock:
        _passes[name] = _passes.get(name, 0) + 1
        if _passes[name] >= int(count or 1):
            os.kill(os.getpid(), signal.SIGKILL)
