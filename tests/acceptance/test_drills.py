"""The drills (`make drills`), each in an environment of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.drills.cli import DRILLS, perform
from local.drills.report import Drill
from local.drills.site import Site, open_site


@pytest.fixture(params=DRILLS, ids=[drill.name for drill in DRILLS])
def drill(request: pytest.FixtureRequest) -> Drill:
    found: Drill = request.param
    return found


@pytest.fixture
def site(drill: Drill, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("drills"), keeps=drill.keeps) as opened:
        for release in drill.releases:
            opened.prepare(release)
        yield opened


def test_the_drill_goes_as_expected(site: Site, drill: Drill) -> None:
    steps = perform(drill, site)
    assert steps
    assert [step for step in steps if step.failed] == []
