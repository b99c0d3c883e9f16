"""First deployments that fail: nothing may be left, and nothing in the way of the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from drills import inventory
from drills.releases import GOOD, IN_FIRST_DEPLOYMENTS, failing
from drills.report import Drill, Step
from drills.site import Site
from drills.states import NOTHING, failures, stack_id, states, status
from local.deployment import STACK

GONE = "DELETE_COMPLETE"


def _meet_the_record(site: Site) -> Step:
    """The CDK protects a stack before it creates it, and does not take that back: what is left of
    a failed creation, an empty record, refuses to be replaced until its protection is lifted."""
    refused = site.deploy(GOOD)
    complaint = "cannot be deleted while TerminationProtection is enabled"
    return Step(
        name="cdk deploy, at once",
        expected="refused: the record of the failure is protected (docs/runbooks/deploy.md)",
        held=not refused.succeeded and complaint in refused.output,
        states={STACK: status(site.client("cloudformation"))},
        seen=complaint if complaint in refused.output else refused.output[-500:],
    )


def _again(site: Site) -> Iterator[Step]:
    cloudformation = site.client("cloudformation")
    if status(cloudformation) == NOTHING:
        site.deploy(failing("Network"))
        site.lift_termination_protection()
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
    yield Step(
        name="look at the seal",
        expected="database and table are protected against deletion",
        held=all(protections(site).values()),
        seen=str(protections(site)),
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
        if fault == IN_FIRST_DEPLOYMENTS[0]:
            yield _meet_the_record(site)
        site.lift_termination_protection()

    return run


_WHERE = {"Seal": "in the seal", "AfterSeal": "when all is sealed"}

DRILLS = [
    *(
        Drill(
            name=f"first-{fault.lower()}",
            title=f"A first deployment fails {_WHERE.get(fault, f'in {fault}')}",
            run=_failing_first(fault),
            releases=[failing(fault)] + [GOOD] * (fault == IN_FIRST_DEPLOYMENTS[0]),
        )
        for fault in IN_FIRST_DEPLOYMENTS
    ),
    Drill(
        name="first-again",
        title="The next deployment, without cleaning but for the record's termination protection",
        run=_again,
        releases=[GOOD],
    ),
]
