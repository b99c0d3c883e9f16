"""A first deployment that fails, and an update that fails: two of the drills, all of which are in
the acceptance tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.drills import first_deployments, updates
from local.drills.report import Drill, perform
from local.drills.site import Site, open_site

CHOSEN = [
    *(each for each in first_deployments.DRILLS if each.name == "first-observability"),
    updates.fails_last,
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("drills")) as opened:
        yield opened


@pytest.mark.parametrize("drill", CHOSEN, ids=lambda drill: drill.name)
def test_it_is_rolled_back_as_one_unit(site: Site, drill: Drill) -> None:
    for release in drill.releases:
        site.prepare(release)
    steps = perform(drill, site)
    assert steps
    assert [step for step in steps if step.failed] == []
