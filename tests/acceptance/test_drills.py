"""The drills (`make drills`), each in an environment of its own, but for those that share one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.drills import (
    alarm_muted,
    database_gone,
    dead_letters,
    first_deployments,
    interruptions,
    key_leaked,
    leftovers,
    table,
    teardown,
    trail_broken,
    updates,
)
from local.drills.report import Drill, perform
from local.drills.site import Site, open_site

DRILLS: list[Drill] = [
    *first_deployments.DRILLS,
    updates.fails_last,
    updates.fails_to_migrate,
    interruptions.interrupted,
    interruptions.two_at_once,
    table.table_gone,
    table.table_wrong,
    database_gone.database_gone,
    teardown.teardown,
    *leftovers.DRILLS,
    alarm_muted.alarm_muted,
    trail_broken.trail_broken,
    dead_letters.dead_letters,
    key_leaked.key_leaked,
]


@pytest.fixture(params=DRILLS, ids=[drill.name for drill in DRILLS])
def drill(request: pytest.FixtureRequest) -> Drill:
    found: Drill = request.param
    return found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("drills")) as opened:
        yield opened


@pytest.fixture
def site(
    drill: Drill, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    if not drill.releases:
        yield request.getfixturevalue("shared")
        return
    with open_site(tmp_path_factory.mktemp("drills"), keeps=drill.keeps) as opened:
        for release in drill.releases:
            opened.prepare(release)
        yield opened


def test_the_drill_goes_as_expected(site: Site, drill: Drill) -> None:
    steps = perform(drill, site)
    assert steps
    assert [step for step in steps if step.failed] == []
