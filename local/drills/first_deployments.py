"""First deployments that fail: nothing may be left, and nothing in the way of the next."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

from local.deployment import STACK
from local.drills import inventory
from local.drills.releases import GOOD, IN_FIRST_DEPLOYMENTS, failing
from local.drills.report import Drill, Step
from local.drills.site import Site
from local.drills.states import NOTHING, failures, stack, stack_id, states, status

GONE = "DELETE_COMPLETE"


def again(site: Site) -> Iterator[Step]:
    if status(site) == NOTHING:
        site.deploy(failing("Network"))
    found = status(site)
    held = found == "ROLLBACK_COMPLETE"
    yield Step("before", "the record of a failure, and nothing else", held, states={STACK: found})
    done, reported = site.deploy(GOOD), states(site)
    yield Step(
        "cdk deploy",
        "succeeds; CREATE_COMPLETE everywhere",
        done.succeeded and len(reported) == 5 and set(reported.values()) == {"CREATE_COMPLETE"},
        done.told,
        reported,
    )
    protected = {"stack": bool(stack(site)["EnableTerminationProtection"]), **protections(site)}
    yield Step(
        "look at what protects it",
        "stack, database and table are protected against deletion",
        all(protected.values()),
        str(protected),
    )


def protections(site: Site) -> dict[str, bool]:
    """Whether the ledger's database and the history's table are protected against deletion."""
    (database,) = site.client("rds").describe_db_instances()["DBInstances"]
    table = site.client("dynamodb").describe_table(TableName="payment-transactions")["Table"]
    return {
        "database": bool(database["DeletionProtection"]),
        "table": bool(table.get("DeletionProtectionEnabled")),
    }


def _failing_first(site: Site, fault: str) -> Iterator[Step]:
    found = status(site)
    yield Step(
        "before",
        "nothing is deployed, or the empty record of a failure",
        found in (NOTHING, "ROLLBACK_COMPLETE"),
        states={STACK: found},
    )
    before = inventory.take(site)
    begin = datetime.now(UTC)
    done = site.deploy(failing(fault))
    root = stack_id(site)
    reported, reasons = states(site, root), failures(site, begin)
    nested = {state for layer, state in reported.items() if layer != STACK}
    yield Step(
        "cdk deploy",
        "fails; ROLLBACK_COMPLETE, all that was made is deleted",
        not done.succeeded and reported[STACK] == "ROLLBACK_COMPLETE" and nested == {GONE},
        reasons[0] if reasons else done.told,
        reported,
    )
    yield inventory.compared(site, before, "nothing more than before")
    told = site.operate(GOOD, "leftovers")
    held = told.code == 0
    yield Step("python -m ops leftovers", "nothing is left", held, told.output[-300:])
    shared = {
        group["logGroupName"]: group.get("kmsKeyId", "no key")
        for group in site.client("logs").describe_log_groups()["logGroups"]
        if group["logGroupName"] in inventory.OF_THE_ACCOUNT
    }
    yield Step(
        "look at the account's log groups",
        "left as others use them, without the key that is gone",
        shared == dict.fromkeys(inventory.OF_THE_ACCOUNT, "no key"),
        str(shared),
    )
    protected = stack(site, root)["EnableTerminationProtection"]
    yield Step(
        "look at the record",
        "not protected: the next `cdk deploy` replaces it by itself",
        protected is False,
        f"termination protection: {protected}",
    )


_WHERE = {"Seal": "in the seal", "AfterSeal": "when all is sealed"}

DRILLS = [
    *(
        Drill(
            name=f"first-{fault.lower()}",
            title=f"A first deployment fails {_WHERE.get(fault, f'in {fault}')}",
            run=partial(_failing_first, fault=fault),
            releases=[failing(fault), GOOD],
        )
        for fault in IN_FIRST_DEPLOYMENTS
    ),
    Drill(
        name="first-again",
        title="The next deployment, without any cleaning",
        run=again,
        releases=[GOOD],
    ),
]
