"""Deleting production: refused, then by the runbook (docs/runbooks/teardown.md)."""

from __future__ import annotations

from collections.abc import Iterator

from local.deployment import STACK
from local.drills import inventory
from local.drills.first_deployments import protections
from local.drills.releases import GOOD
from local.drills.report import Step, drill
from local.drills.site import Site, wait_until
from local.drills.states import stack_id, states, status

STAYS = ("bucket", "database", "key", "log group", "queue", "table")
"""The kinds with data, which outlive the stack."""
GOES = ("REST API", "alarm", "event source", "function", "NAT gateway", "web ACL")


@drill("teardown", "Deleting production: refused, then by the runbook", GOOD)
def teardown(site: Site) -> Iterator[Step]:
    site.ensure_deployed()
    refused, root = site.destroy(), stack_id(site)
    reported = states(site, root)
    complete = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
    yield Step(
        "cdk destroy",
        "refused; nothing changes",
        "TerminationProtection is enabled" in refused.output
        and all(state.endswith(complete) for state in reported.values())
        and all(protections(site).values()),
        f"exit code {refused.code}; protected: {protections(site)}",
        reported,
    )
    site.lift_termination_protection()
    before = inventory.take(site)
    done, reported = site.destroy(), states(site, root)
    yield Step(
        "lift the termination protection, cdk destroy",
        "DELETE_FAILED: the database stands in the network",
        not done.succeeded and reported[STACK] == reported["Network"] == "DELETE_FAILED",
        done.told,
        reported,
    )
    site.client("cloudformation").delete_stack(
        StackName=STACK, RetainResources=["NetworkNestedStack"]
    )
    wait_until(lambda: "IN_PROGRESS" not in status(site, root))
    reported = states(site, root)
    others = {state for layer, state in reported.items() if layer != "Network"}
    yield Step(
        "delete-stack --retain-resources NetworkNestedStack",
        "deleted; the network stays by itself",
        reported["Network"] == "DELETE_FAILED" and others == {"DELETE_COMPLETE"},
        states=reported,
    )
    after = inventory.take(site)
    yield Step(
        "list what stays",
        "the data, unprotected: " + ", ".join(STAYS),
        all(after[kind] == before[kind] for kind in STAYS) and not any(protections(site).values()),
        ", ".join(f"{len(after[kind])} × {kind}" for kind in STAYS),
    )
    left = [f"{kind}: {name}" for kind in GOES for name in sorted(after[kind])]
    yield Step("list what goes", ", ".join(GOES), not left, ", ".join(left) or "none is left")
    again = site.deploy(GOOD)
    left = inventory.added(inventory.take(site), {kind: after[kind] for kind in STAYS})
    found = status(site)
    yield Step(
        "cdk deploy, the names still taken",
        "fails and rolls back; what stayed is untouched",
        not again.succeeded and found == "ROLLBACK_COMPLETE" and not left,
        f"gone: {', '.join(left)}" if left else again.output[-300:],
        {STACK: found},
    )
