"""What the tests of the money tell at the end of a session."""

from __future__ import annotations

import pytest

from tests.tally import tally


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
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
