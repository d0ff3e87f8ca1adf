"""Samples, their medians, and ratios held against what docs/benchmarks.md promises; nothing here asserts a timing."""

import statistics
from dataclasses import dataclass, field


@dataclass
class Samples:
    """Times in milliseconds of one thing."""

    name: str
    ms: list[float] = field(default_factory=list)

    def add(self, began: float, ended: float) -> None:
        self.ms.append((ended - began) * 1000)

    def quantile(self, share: float) -> float:
        ordered = sorted(self.ms)
        return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]

    @property
    def median(self) -> float:
        return statistics.median(self.ms)

    @property
    def p90(self) -> float:
        return self.quantile(0.9)

    def line(self) -> str:
        if not self.ms:
            return f"  {self.name:<66} not measured"
        return f"  {self.name:<66} median {self.median:8.2f} ms   p90 {self.p90:8.2f} ms   n={len(self.ms)}"


@dataclass(frozen=True)
class Verdict:
    """A ratio of medians beside what was promised: `must` has to be reached, `goal` is aimed at."""

    promise: str
    against: str
    ratio: float
    p90_ratio: float
    must: float | None = None
    goal: float | None = None

    @property
    def word(self) -> str:
        if self.goal is not None and self.ratio <= self.goal:
            return "goal reached"
        if self.must is None:
            return "goal missed" if self.goal is not None else "for comparison"
        return "must held" if self.ratio <= self.must else "MUST MISSED"

    def line(self) -> str:
        limits = ", ".join(
            f"{name} <= {limit:g}x" for name, limit in (("must", self.must), ("goal", self.goal)) if limit is not None
        )
        return (
            f"  {self.promise}: {self.ratio:.2f}x {self.against} (p90 {self.p90_ratio:.2f}x)"
            f"{f'   {limits}' if limits else ''}   -> {self.word}"
        )


@dataclass
class Report:
    """What one benchmark found, in print and as data."""

    title: str
    samples: list[Samples] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def judge(
        self, promise: str, ours: Samples, floor: Samples, against: str, *, must: float | None, goal: float | None
    ) -> None:
        if ours.ms and floor.ms:
            self.verdicts.append(
                Verdict(promise, against, ours.median / floor.median, ours.p90 / floor.p90, must, goal)
            )

    def text(self) -> str:
        lines = [f"\n{self.title}", *(sample.line() for sample in self.samples)]
        lines += [verdict.line() for verdict in self.verdicts]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)

    def data(self) -> dict[str, object]:
        return {
            "title": self.title,
            "samples": [
                {"name": s.name, "n": len(s.ms), "median_ms": round(s.median, 3), "p90_ms": round(s.p90, 3)}
                for s in self.samples
                if s.ms
            ],
            "verdicts": [
                {
                    "promise": v.promise,
                    "against": v.against,
                    "ratio": round(v.ratio, 3),
                    "p90_ratio": round(v.p90_ratio, 3),
                    "must": v.must,
                    "goal": v.goal,
                    "verdict": v.word,
                }
                for v in self.verdicts
            ],
            "notes": self.notes,
        }
