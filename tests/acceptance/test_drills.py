"""The drills (`make drills`), one after the other: each finds what the one before has left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.drills.cli import DRILLS, perform
from local.drills.report import Drill
from local.drills.site import Site, open_site


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    keeps: bool = request.param
    with open_site(tmp_path_factory.mktemp("drills"), keeps=keeps) as opened:
        here = [drill for drill in DRILLS if drill.keeps == keeps]
        for release in (release for drill in here for release in drill.releases):
            opened.prepare(release)
        yield opened


@pytest.mark.parametrize(
    ("site", "drill"),
    [(drill.keeps, drill) for drill in DRILLS],
    ids=[drill.name for drill in DRILLS],
    indirect=["site"],
)
def test_the_drill_goes_as_expected(site: Site, drill: Drill) -> None:
    steps = perform(drill, site)
    assert steps
    assert [step for step in steps if step.failed] == []
