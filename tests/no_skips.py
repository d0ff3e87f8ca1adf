"""Pytest plugin (`-p tests.no_skips`): a skipped or expected-to-fail test fails the run.

A skip hides on the very machine where the thing it covers is broken: a missing browser or relay is a failure here.
"""

import pytest


class SkipWatch:
    """Collects every skip and every expected failure, in tests and in collection alike."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notes a test that was skipped, or marked as expected to fail (whether or not it then passed)."""
        if report.skipped or hasattr(report, "wasxfail"):
            self.skipped.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Notes a whole module that skipped itself (importorskip)."""
        if report.skipped:
            self.skipped.append(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turns an otherwise green run red."""
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Names the offenders above the closing line."""
        if self.skipped:
            terminalreporter.section("skipped tests are not allowed here", red=True)
            for nodeid in self.skipped:
                terminalreporter.line(nodeid)


def pytest_configure(config: pytest.Config) -> None:
    """Registers the watch once per run."""
    config.pluginmanager.register(SkipWatch(), "gatehouse-no-skips")
