"""A first deployment that fails, and an update that fails: two of the drills, all of which are in
the acceptance tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.drills import first_deployments, updates
from local.drills.report import perform
from local.drills.site import Site, open_site

CHOSEN = ("first-observability", "update-fails-last")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("drills")) as opened:
        yield opened


@pytest.mark.parametrize("name", CHOSEN)
def test_it_is_rolled_back_as_one_unit(site: Site, name: str) -> None:
    (drill,) = (
        drill for drill in (*first_deployments.DRILLS, *updates.DRILLS) if drill.name == name
    )
    for release in drill.releases:
        site.prepare(release)
    steps = perform(drill, site)
    assert steps
    assert [step for step in steps if step.failed] == []
