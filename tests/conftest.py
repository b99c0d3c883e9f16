"""How property tests run, the synthesis that many tests read, what a set-up that fails reports, and
what the tests of the money tell at the end of a session."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.set_up import SetUpError, tell_once
from tests.synthesis import _begin_to_synthesize, synthesis, synthesized  # noqa: F401
from tests.tally import tally

# No test fails for the time it takes: machines are shared, and the first draw of any text in a
# fresh checkout takes seconds, because hypothesis makes its table of characters then.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.excinfo and isinstance(call.excinfo.value, SetUpError):
        tell_once(report, call.excinfo.value)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    _tell_scenarios(terminalreporter)
    if not tally.schedules:
        return
    terminalreporter.section("money")
    for kind, number in tally.schedules.items():
        terminalreporter.write_line(f"{number} schedules: {kind}")
    terminalreporter.write_line(
        f"{tally.faults} external calls disturbed; invariants checked {tally.checks} times"
    )
    for note in tally.notes:
        terminalreporter.write_line(note)


def _tell_scenarios(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests/templates/test_alarm_scenarios.py has recorded, of whichever worker."""
    told: list[Any] = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == "scenario"
    ]
    if told:
        terminalreporter.section("alarms: who is told, after how many minutes")
    for scenario, alerts in told:
        terminalreporter.write_line(f"{scenario}: {alerts}")
