"""The drills (`make drills`), one after the other: each finds what the one before has left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.drills.cli import DRILLS, perform
from local.drills.report import Drill
from local.drills.site import Site, open_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("drills")) as opened:
        for release in (release for drill in DRILLS for release in drill.releases):
            opened.prepare(release)
        yield opened


@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)
def test_the_drill_goes_as_expected(site: Site, drill: Drill) -> None:
    steps = perform(drill, site)
    assert steps
    assert [step for step in steps if step.failed] == []
