"""A plugin of pytest-xdist: how tests are shared out between workers (`-p tests.workers -n 2`).

What stands on one server, deployment or synthesis goes to one worker; other files go alone.
"""

from __future__ import annotations

import gc

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

_TOGETHER = (
    "tests/e2e/test_failing_deployments",
    "tests/e2e/test_ops_",
    "tests/e2e/",
    "tests/integration/money/",
    "tests/integration/local/",
    "tests/integration/ledger/",
    "tests/templates/test_bundle",
    "tests/templates/test_config",
    "tests/templates/test_permission_matrix",
    "tests/templates/test_wiring",
    "tests/templates/",
    # In an emulator of their own, which keeps what a rolled-back stack retains.
    "tests/acceptance/test_drills.py::test_the_drill_goes_as_expected[kept-",
    "tests/acceptance/test_drills",
    "tests/acceptance/test_money",
    "tests/acceptance/test_runtimes",
    "tests/acceptance/",
)


class _ByWhatTheyStandOn(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((group for group in _TOGETHER if nodeid.startswith(group)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _ByWhatTheyStandOn(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish() -> None:
    """What was imported stays: whoever collects garbage need not look at it again and again."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Nor at all that is left when the process ends, which takes seconds."""
    gc.freeze()
