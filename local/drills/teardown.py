"""Deleting production: refused, then by the runbook (docs/runbooks/teardown.md)."""

from __future__ import annotations

from collections.abc import Iterator

from local.deployment import STACK
from local.drills import inventory
from local.drills.first_deployments import protections
from local.drills.releases import GOOD
from local.drills.report import Drill, Step
from local.drills.site import Site, wait_until
from local.drills.states import stack_id, states, status

STAYS = ("bucket", "database", "key", "log group", "queue", "table")
"""The kinds with data, which outlive the stack."""
GOES = ("REST API", "alarm", "event source", "function", "NAT gateway", "web ACL")


def _destroy(site: Site) -> Iterator[Step]:
    site.ensure_deployed()
    cloudformation = site.client("cloudformation")
    refused = site.destroy()
    root = stack_id(cloudformation)
    reported = states(cloudformation, root)
    yield Step(
        name="cdk destroy",
        expected="refused; nothing changes",
        held="TerminationProtection is enabled" in refused.output
        and all(
            state.endswith(("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"))
            for state in reported.values()
        )
        and all(protections(site).values()),
        states=reported,
        seen=f"exit code {refused.code}; protected: {protections(site)}",
    )
    site.lift_termination_protection()
    before = inventory.take(site)
    done = site.destroy()
    reported = states(cloudformation, root)
    yield Step(
        name="lift the termination protection, cdk destroy",
        expected="DELETE_FAILED: the database stands in the network",
        held=not done.succeeded and reported[STACK] == reported["Network"] == "DELETE_FAILED",
        states=reported,
        seen=done.output[-500:],
    )
    cloudformation.delete_stack(StackName=STACK, RetainResources=["NetworkNestedStack"])
    wait_until(lambda: "IN_PROGRESS" not in status(cloudformation, root))
    reported = states(cloudformation, root)
    yield Step(
        name="delete-stack --retain-resources NetworkNestedStack",
        expected="deleted; the network stays by itself",
        held=reported.pop("Network") == "DELETE_FAILED"
        and set(reported.values()) == {"DELETE_COMPLETE"},
        states=reported,
    )
    after = inventory.take(site)
    kept = {kind: sorted(after[kind]) for kind in STAYS}
    yield Step(
        name="list what stays",
        expected="the data, unprotected: " + ", ".join(STAYS),
        held=all(after[kind] == before[kind] for kind in STAYS)
        and not any(protections(site).values()),
        seen=", ".join(f"{len(names)} × {kind}" for kind, names in kept.items()),
    )
    left = [f"{kind}: {name}" for kind in GOES for name in sorted(after[kind])]
    yield Step(
        name="list what goes",
        expected=", ".join(GOES),
        held=not left,
        seen=", ".join(left) or "none is left",
    )
    again = site.deploy(GOOD)
    left = inventory.added(inventory.take(site), {kind: after[kind] for kind in STAYS})
    yield Step(
        name="cdk deploy, the names still taken",
        expected="fails and rolls back; what stayed is untouched",
        held=not again.succeeded and status(cloudformation) == "ROLLBACK_COMPLETE" and not left,
        states={STACK: status(cloudformation)},
        seen=f"gone: {', '.join(left)}" if left else again.output[-300:],
    )


DRILLS = [
    Drill(
        name="teardown",
        title="Deleting production: refused, then by the runbook",
        run=_destroy,
        releases=[GOOD],
    )
]
