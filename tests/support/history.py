"""Checks what phones saw of a call against the one-winner model: a register that the first answer fills, once.

Each observation is an interval [began, ended] on one clock and what came back. The order of overlapping observations
is free (Herlihy and Wing's linearizability, for this one register); what the model forbids is two winners, none, a
loser told of somebody who did not win, and a loser refused before the winner's own attempt had begun.
"""

import threading
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """What an answer came to, as the phone knows it."""

    WON = "won"
    LOST = "lost"
    OVER = "over"
    UNKNOWN = "unknown"
    """The acknowledgement was dropped: it may have won or lost."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One phone's one attempt to answer one call."""

    call_id: str
    phone: str
    began: float
    ended: float
    outcome: Outcome
    winner: str | None = None
    """Whom the service named, for a loser."""


@dataclass
class History:
    """Attempts, from any thread."""

    attempts: list[Attempt] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, attempt: Attempt) -> None:
        with self._lock:
            self.attempts.append(attempt)

    def of(self, call_id: str) -> list[Attempt]:
        with self._lock:
            return [attempt for attempt in self.attempts if attempt.call_id == call_id]

    def violations(self) -> list[str]:
        """Everything that one winner for each call cannot explain."""
        with self._lock:
            by_call: dict[str, list[Attempt]] = {}
            for attempt in self.attempts:
                by_call.setdefault(attempt.call_id, []).append(attempt)
        return [f"call {call_id}: {found}" for call_id, made in by_call.items() for found in _violations_of(made)]


def _violations_of(attempts: list[Attempt]) -> list[str]:
    found = []
    winners = {attempt.phone for attempt in attempts if attempt.outcome == Outcome.WON}
    if len(winners) > 1:
        return [f"{len(winners)} phones won: {', '.join(sorted(winners))}"]
    unsure = {attempt.phone for attempt in attempts if attempt.outcome == Outcome.UNKNOWN}
    named = {attempt.winner for attempt in attempts if attempt.outcome == Outcome.LOST}
    possible = winners or unsure
    if len(named) > 1:
        found.append(f"losers were told of different winners: {', '.join(sorted(map(str, named)))}")
    found += [f"a loser was told that {name} won, who did not" for name in named if name not in possible]
    if not winners and not unsure:
        found.append("nobody won")
    answering = winners or {name for name in named if name is not None}
    first_began = min((a.began for a in attempts if a.phone in answering), default=None)
    for attempt in attempts:
        if attempt.outcome != Outcome.LOST:
            continue
        if attempt.phone in winners:
            found.append(f"{attempt.phone} won and was told that it lost")
        if first_began is not None and attempt.ended < first_began:
            found.append(f"{attempt.phone} was told that it lost before the winner had begun")
    found += [
        f"{a.phone} was told that a call was over that nobody had ended" for a in attempts if a.outcome == Outcome.OVER
    ]
    return found
