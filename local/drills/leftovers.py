"""First deployments that fail where CloudFormation keeps what complete nested stacks retain: what
is left is taken away by the operator's tool, and the next deployment succeeds.

Where it deletes that, nothing is left: `first_deployments`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from local.deployment import STACK
from local.drills import inventory
from local.drills.first_deployments import again
from local.drills.releases import GOOD, IN_FIRST_DEPLOYMENTS, failing
from local.drills.report import Drill, Step
from local.drills.site import Done, Site
from local.drills.states import NOTHING, states, status

_KEEPS_DATA = ("Compute", "Observability", "Seal", "AfterSeal")
"""Where a failure finds the data complete: then the network cannot go either."""


def _failing_first(site: Site, fault: str) -> Iterator[Step]:
    before = inventory.take(site)
    done = site.deploy(failing(fault))
    reported = states(site)
    expected = "ROLLBACK_FAILED" if fault in _KEEPS_DATA else "ROLLBACK_COMPLETE"
    held = not done.succeeded and reported[STACK] == expected
    yield Step("cdk deploy", f"fails; {STACK} {expected}", held, done.output[-300:], reported)
    left = _left(site)
    if fault in _KEEPS_DATA:
        yield from _refuses_what_is_not_empty(site)
    names = {each["name"] for each in left}
    evidence = {each["evidence"] for each in left if each["kind"] == "database"}
    yield Step(
        "python -m ops leftovers",
        "lists what is left, all of it empty; changes nothing",
        all(each["proven"] for each in left)
        and (fault not in _KEEPS_DATA or {"payments-ledger", "payment-transactions"} <= names)
        and bool(names) == bool(inventory.added(before, inventory.take(site))),
        f"{len(names)} are left; database: {evidence or 'none'}",
    )
    yield _remove(site, bool(names))
    yield inventory.compared(site, before, "nothing more than before the deployment")
    found = status(site)
    held = found in (NOTHING, "ROLLBACK_COMPLETE")
    yield Step("look at the stack", "none, or the empty record of a failure", held, found)


def _refuses_what_is_not_empty(site: Site) -> Iterator[Step]:
    table = site.client("dynamodb")
    key = {"transaction_id": {"S": "drill"}, "timestamp": {"N": "1"}}
    table.put_item(TableName="payment-transactions", Item=key)
    before = inventory.take(site)
    refused = _remove_command(site)
    yield Step(
        "write one item, python -m ops leftovers --remove",
        "refused: nothing is touched",
        refused.code == 1 and inventory.take(site) == before,
        refused.output[-300:],
    )
    table.delete_item(TableName="payment-transactions", Key=key)


def _remove(site: Site, anything: bool) -> Step:
    snapshots = _snapshots(site)
    databases = site.client("rds").describe_db_instances()["DBInstances"]
    done = _remove_command(site)
    made = _snapshots(site) - snapshots
    return Step(
        "python -m ops leftovers --remove",
        "takes it away, with a final snapshot of the database" if anything else "nothing",
        done.succeeded and len(made) == len(databases) and not _left(site),
        ", ".join(sorted(made)) if done.succeeded else done.told,
    )


def _remove_command(site: Site) -> Done:
    record = str(site.directory / "leftovers.jsonl")
    return site.operate(GOOD, "leftovers", "--remove", "--yes", "--json", "--record", record)


def _left(site: Site) -> list[dict[str, Any]]:
    left: list[dict[str, Any]] = site.operate(GOOD, "leftovers", "--json").document["left"]
    return left


def _snapshots(site: Site) -> set[str]:
    found = site.client("rds").describe_db_snapshots()["DBSnapshots"]
    return {each["DBSnapshotIdentifier"] for each in found}


DRILLS = [
    *(
        Drill(
            name=f"kept-{fault.lower()}",
            title=f"A first deployment fails ({fault}), and CloudFormation keeps what is retained",
            run=partial(_failing_first, fault=fault),
            releases=[failing(fault), GOOD],
            keeps=True,
        )
        for fault in IN_FIRST_DEPLOYMENTS
    ),
    Drill(
        name="kept-again",
        title="The next deployment, after `leftovers --remove`",
        run=again,
        releases=[GOOD],
        keeps=True,
    ),
]
