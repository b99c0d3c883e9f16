"""First deployments that fail: nothing may be left, and nothing in the way of the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from local.deployment import STACK
from local.drills import inventory
from local.drills.releases import GOOD, IN_FIRST_DEPLOYMENTS, failing
from local.drills.report import Drill, Step
from local.drills.site import Site
from local.drills.states import NOTHING, failures, stack_id, states, status

GONE = "DELETE_COMPLETE"


def again(site: Site) -> Iterator[Step]:
    cloudformation = site.client("cloudformation")
    if status(cloudformation) == NOTHING:
        site.deploy(failing("Network"))
    found = status(cloudformation)
    yield Step(
        name="before",
        expected="the record of a failure, and nothing else",
        held=found == "ROLLBACK_COMPLETE",
        states={STACK: found},
    )
    done = site.deploy(GOOD)
    reported = states(cloudformation, stack_id(cloudformation))
    yield Step(
        name="cdk deploy",
        expected="succeeds; CREATE_COMPLETE everywhere",
        held=done.succeeded
        and len(reported) == 5
        and set(reported.values()) == {"CREATE_COMPLETE"},
        states=reported,
        seen="" if done.succeeded else done.output[-500:],
    )
    stack = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
    protected = {"stack": bool(stack["EnableTerminationProtection"]), **protections(site)}
    yield Step(
        name="look at what protects it",
        expected="stack, database and table are protected against deletion",
        held=all(protected.values()),
        seen=str(protected),
    )


def protections(site: Site) -> dict[str, bool]:
    """Whether the ledger's database and the history's table are protected against deletion."""
    (database,) = site.client("rds").describe_db_instances()["DBInstances"]
    table = site.client("dynamodb").describe_table(TableName="payment-transactions")["Table"]
    return {
        "database": bool(database["DeletionProtection"]),
        "table": bool(table.get("DeletionProtectionEnabled")),
    }


def _failing_first(fault: str) -> Callable[[Site], Iterator[Step]]:
    def run(site: Site) -> Iterator[Step]:
        cloudformation = site.client("cloudformation")
        found = status(cloudformation)
        yield Step(
            name="before",
            expected="nothing is deployed, or the empty record of a failure",
            held=found in (NOTHING, "ROLLBACK_COMPLETE"),
            states={STACK: found},
        )
        before = inventory.take(site)
        begin = datetime.now(UTC)
        done = site.deploy(failing(fault))
        root = stack_id(cloudformation)
        reported = states(cloudformation, root)
        nested = {layer: state for layer, state in reported.items() if layer != STACK}
        reasons = list(failures(cloudformation, root, begin))
        yield Step(
            name="cdk deploy",
            expected="fails; ROLLBACK_COMPLETE, all that was made is deleted",
            held=not done.succeeded
            and reported[STACK] == "ROLLBACK_COMPLETE"
            and set(nested.values()) == {GONE},
            states=reported,
            seen=reasons[0] if reasons else done.output[-500:],
        )
        left = inventory.added(before, inventory.take(site))
        yield Step(
            name="list what exists",
            expected="nothing more than before",
            held=not left,
            seen=", ".join(left) or f"{len(before)} kinds of resources: nothing is left",
        )
        told = site.operate(GOOD, "leftovers")
        yield Step(
            name="python -m ops leftovers",
            expected="nothing is left",
            held=told.code == 0,
            seen=told.output[-300:],
        )
        groups = site.client("logs").describe_log_groups()["logGroups"]
        shared = {
            group["logGroupName"]: group.get("kmsKeyId", "no key")
            for group in groups
            if group["logGroupName"] in inventory.OF_THE_ACCOUNT
        }
        yield Step(
            name="look at the account's log groups",
            expected="left as others use them, without the key that is gone",
            held=shared == dict.fromkeys(inventory.OF_THE_ACCOUNT, "no key"),
            seen=str(shared),
        )
        record = cloudformation.describe_stacks(StackName=root)["Stacks"][0]
        yield Step(
            name="look at the record",
            expected="not protected: the next `cdk deploy` replaces it by itself",
            held=record["EnableTerminationProtection"] is False,
            seen=f"termination protection: {record['EnableTerminationProtection']}",
        )

    return run


_WHERE = {"Seal": "in the seal", "AfterSeal": "when all is sealed"}

DRILLS = [
    *(
        Drill(
            name=f"first-{fault.lower()}",
            title=f"A first deployment fails {_WHERE.get(fault, f'in {fault}')}",
            run=_failing_first(fault),
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
