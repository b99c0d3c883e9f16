"""The long tests stand on what the others do; some have something to tell at the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.deployment import production  # noqa: F401
from tests.integration.money.conftest import stores  # noqa: F401

Tell = Callable[[str], None]


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Have a line stand at the end of the session's output, from whichever worker."""
    return lambda line: record_property("told", line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, line in report.user_properties:
                if name == "told":
                    terminalreporter.write_line(f"{report.nodeid}: {line}")
