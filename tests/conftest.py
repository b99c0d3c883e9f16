"""How property tests run, what a set-up that fails reports, and what the tests of the money tell at
the end of a session."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.set_up import SetUpError, tell_once
from tests.tally import tally

# No test fails for the time it takes: machines are shared, and the first draw of any text in a
# fresh checkout takes seconds, because hypothesis makes its table of characters then.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


# What two workers share out (pytest-xdist): what stands on one server, deployment or synthesis
# stays together. Those that take longest come first, so that the others fill what is left.
_TOGETHER = (
    "acceptance/test_drills",
    "e2e/test_failing_deployments",
    "integration/money",
    "integration/local",
    "integration/ledger",
    "integration/functions",
    "templates",
)
_DEPLOYED = "production"  # a fixture: the one deployment


def _group(item: pytest.Item) -> str:
    if _DEPLOYED in getattr(item, "fixturenames", ()):
        return _DEPLOYED
    file = item.path.relative_to(Path(__file__).parent).with_suffix("").as_posix()
    return next((group for group in _TOGETHER if file.startswith(group)), file)


def _place(group: str) -> int:
    order = (_DEPLOYED, *_TOGETHER)
    return order.index(group) if group in order else len(order)


@pytest.hookimpl(tryfirst=True)  # before the workers write the groups into the names
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.pluginmanager.hasplugin("xdist"):
        return
    groups = {item: _group(item) for item in items}
    items.sort(key=lambda item: _place(groups[item]))
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.excinfo and isinstance(call.excinfo.value, SetUpError):
        tell_once(report, call.excinfo.value)
    return report


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
