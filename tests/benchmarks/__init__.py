"""Figures beside floors and peers, measured in one run: `python -m tests.benchmarks` (docs/benchmarks.md)."""
