"""First deployments that fail where CloudFormation keeps what complete nested stacks retain: what
is left is taken away by the operator's tool, and the next deployment succeeds.

Where it deletes that, nothing is left: `first_deployments`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from local.deployment import STACK
from local.drills import inventory
from local.drills.first_deployments import again
from local.drills.releases import GOOD, IN_FIRST_DEPLOYMENTS, failing
from local.drills.report import Drill, Step
from local.drills.site import Site
from local.drills.states import NOTHING, stack_id, states, status

_KEEPS_DATA = ("Compute", "Observability", "Seal", "AfterSeal")
"""Where a failure finds the data complete: then the network cannot go either."""


def _failing_first(fault: str) -> Callable[[Site], Iterator[Step]]:
    def run(site: Site) -> Iterator[Step]:
        cloudformation = site.client("cloudformation")
        before = inventory.take(site)
        done = site.deploy(failing(fault))
        reported = states(cloudformation, stack_id(cloudformation))
        expected = "ROLLBACK_FAILED" if fault in _KEEPS_DATA else "ROLLBACK_COMPLETE"
        yield Step(
            name="cdk deploy",
            expected=f"fails; {STACK} {expected}",
            held=not done.succeeded and reported[STACK] == expected,
            states=reported,
            seen=done.output[-300:],
        )
        there = _left(site)
        names = {each["name"] for each in there["left"]}
        if fault in _KEEPS_DATA:
            yield from _refuses_what_is_not_empty(site)
        evidence = {each["evidence"] for each in there["left"] if each["kind"] == "database"}
        yield Step(
            name="python -m ops leftovers",
            expected="lists what is left, all of it empty; changes nothing",
            held=all(each["proven"] for each in there["left"])
            and (fault not in _KEEPS_DATA or {"payments-ledger", "payment-transactions"} <= names)
            and bool(names) == bool(inventory.added(before, inventory.take(site))),
            seen=f"{len(names)} are left; database: {evidence or 'none'}",
        )
        yield _remove(site, bool(names))
        left = inventory.added(before, inventory.take(site))
        yield Step(
            name="list what exists",
            expected="nothing more than before the deployment",
            held=not left and status(cloudformation) in (NOTHING, "ROLLBACK_COMPLETE"),
            seen=", ".join(left) or "nothing is left",
        )

    return run


def _refuses_what_is_not_empty(site: Site) -> Iterator[Step]:
    table = site.client("dynamodb")
    key = {"transaction_id": {"S": "drill"}, "timestamp": {"N": "1"}}
    table.put_item(TableName="payment-transactions", Item=key)
    before = inventory.take(site)
    refused = _remove_command(site)
    yield Step(
        name="write one item, python -m ops leftovers --remove",
        expected="refused: nothing is touched",
        held=refused.code == 1 and inventory.take(site) == before,
        seen=refused.output[-300:],
    )
    table.delete_item(TableName="payment-transactions", Key=key)


def _remove(site: Site, anything: bool) -> Step:
    snapshots = _snapshots(site)
    databases = site.client("rds").describe_db_instances()["DBInstances"]
    done = _remove_command(site)
    made = _snapshots(site) - snapshots
    return Step(
        name="python -m ops leftovers --remove",
        expected="takes it away, with a final snapshot of the database" if anything else "nothing",
        held=done.succeeded and len(made) == len(databases) and not _left(site)["left"],
        seen=", ".join(sorted(made)) if done.succeeded else done.output[-500:],
    )


def _remove_command(site: Site) -> Any:
    record = str(site.directory / "leftovers.jsonl")
    return site.operate(GOOD, "leftovers", "--remove", "--yes", "--json", "--record", record)


def _left(site: Site) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(site.operate(GOOD, "leftovers", "--json").output)
    return told


def _snapshots(site: Site) -> set[str]:
    found = site.client("rds").describe_db_snapshots()["DBSnapshots"]
    return {each["DBSnapshotIdentifier"] for each in found}


DRILLS = [
    *(
        Drill(
            name=f"kept-{fault.lower()}",
            title=f"A first deployment fails ({fault}), and CloudFormation keeps what is retained",
            run=_failing_first(fault),
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
