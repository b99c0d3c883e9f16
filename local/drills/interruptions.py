"""Deployments that are cut off, and two at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from local.deployment import STACK
from local.drills.releases import GOOD, QUICKER, Release
from local.drills.report import Step, drill
from local.drills.site import Running, Site, wait_until
from local.drills.states import states, status
from local.drills.updates import MIGRATES

UPDATED = "UPDATE_COMPLETE"


@drill("interrupted", "A deployment is interrupted, and run again", GOOD, MIGRATES)
def interrupted(site: Site) -> Iterator[Step]:
    site.ensure_deployed()
    with _migrations_held_up(site):
        running = site.start_deploying(MIGRATES)
        _wait_until_it_updates(site, running)
        running.kill()
        reported = states(site)
        yield Step(
            "kill the CDK (SIGKILL) in the middle of an update",
            "CloudFormation goes on without it",
            reported[STACK] == "UPDATE_IN_PROGRESS",
            states=reported,
        )
        yield _overlap(site, MIGRATES, "cdk deploy again, at once", is_the_same=True)
    _wait_until_it_rests(site)
    done, reported = site.deploy(MIGRATES), states(site)
    yield Step(
        "cdk deploy again, when that has ended",
        "finds nothing left to do",
        done.succeeded and "(no changes)" in done.output and reported[STACK] == UPDATED,
        _said(done.output),
        reported,
    )


@drill("two-at-once", "Two deployments at once", GOOD, MIGRATES, QUICKER)
def two_at_once(site: Site) -> Iterator[Step]:
    site.ensure_deployed()
    with _migrations_held_up(site):
        first = site.start_deploying(MIGRATES)
        _wait_until_it_updates(site, first)
        yield _overlap(site, QUICKER, "cdk deploy of another release meanwhile")
    done = first.wait()
    _wait_until_it_rests(site)
    reported = states(site)
    held = done.succeeded and reported[STACK] == UPDATED
    yield Step("the first one", "goes on, and succeeds", held, _said(done.output), reported)


def _overlap(site: Site, release: Release, name: str, *, is_the_same: bool = False) -> Step:
    """A deployment while an update runs: CloudFormation refuses to make its change set. If it is
    the same release, the CDK may find the template there already, and not try."""
    second, reported = site.deploy(release), states(site)
    refused = not second.succeeded and "can not be updated" in second.output
    left_alone = is_the_same and second.succeeded and "(no changes)" in second.output
    return Step(
        name,
        "refused: is in UPDATE_IN_PROGRESS state and can not be updated"
        + ("; or nothing done: no changes" if is_the_same else ""),
        (refused or left_alone) and reported[STACK] == "UPDATE_IN_PROGRESS",
        _said(second.output),
        reported,
    )


def _wait_until_it_rests(site: Site) -> None:
    """Until no operation runs on the root or a nested stack."""
    wait_until(lambda: "IN_PROGRESS" not in " ".join(states(site).values()), seconds=120)


@contextlib.contextmanager
def _migrations_held_up(site: Site) -> Iterator[None]:
    """Let an update with migrations last until the end of the block, a minute at most: as if
    another migrator were at work (lambda_code/ledger_schema/migrator.py, LOCK)."""
    with contextlib.closing(site.find().ledger()) as connection:
        connection.run("SELECT pg_advisory_lock(4242001)")
        yield


def _wait_until_it_updates(site: Site, running: Running) -> None:
    wait_until(lambda: running.ended or status(site) == "UPDATE_IN_PROGRESS", seconds=120)


def _said(output: str) -> str:
    """The last words of the CDK, without its list of outputs."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    words = [line for line in lines if line.startswith(("✅", "❌", "‣")) or "_PROGRESS" in line]
    return " ".join(words[-3:] or lines[-3:])[:400]
