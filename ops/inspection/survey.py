"""What is asked of resources: of a stack's, and of those that are in none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from ops.inspection import (
    compute,
    data,
    events,
    metrics,
    network,
    observability,
    policies,
    roles,
    tags,
)
from ops.inspection.findings import WITH_RIGHTS, Finding, problem
from ops.inspection.subjects import Subjects
from ops.production.questions import Clients, Question
from ops.production.stack import Resource


def of_live(clients: Clients, account: str, subjects: Subjects) -> list[Question[Finding]]:
    """All that live resources can be asked, in a stack or in none."""
    return [
        *_everywhere(clients, subjects),
        *_tags(clients, account, subjects),
        *_roles(clients, subjects),
    ]


def question(
    requirement: str, what: str, ask: Callable[..., Iterable[Finding]], *about: Any
) -> Question[Finding]:
    """What is asked by `ask` with the arguments behind it."""
    mend = f"{WITH_RIGHTS}, verify again; if it is gone, no deployment by itself brings it back"
    unanswered = problem(requirement, what, found="", needed="an answer", mend=mend)
    return Question(unanswered=unanswered, ask=partial(ask, *about))


def _everywhere(clients: Clients, subjects: Subjects) -> list[Question[Finding]]:
    """What is asked of a stack and of resources without one."""
    parts: Sequence[tuple[str, str, Callable[[Clients, Subjects], Iterable[Finding]]]] = (
        ("R2", "subnets", network.subnets),
        ("R3", "security groups", network.rules),
        ("R4", "database", data.database),
        ("R5", "functions", compute.functions),
        ("R5", "event source mappings", events.mappings),
        ("R7", "API", compute.api),
        ("R9", "table", data.table),
        ("R10", "bucket", data.bucket),
        ("R11", "queue", data.queue),
        ("R12", "dashboard", observability.dashboard),
        ("R13", "alerts topic", observability.alerts),
        ("R14", "alarms", observability.alarms),
        ("R14", "metrics behind the alarms", metrics.behind_alarms),
        ("R15", "log groups", observability.logs),
        ("R17", "roles of the functions", roles.of_functions),
        ("R17", "policies of the functions", policies.of_functions),
        ("R18", "keys", data.keys),
    )
    return [question(*part, clients, subjects) for part in parts]


def _tags(clients: Clients, account: str, subjects: Subjects) -> list[Question[Finding]]:
    by_stack: dict[str, list[Resource]] = {}
    for each in subjects.stack or tags.as_resources(subjects):
        by_stack.setdefault(each.stack, []).append(each)
    ask = partial(tags.of_resources, clients, account)
    return [
        question(
            "R16", f"tags of {name or 'the resources'}", ask, name or "those", those, subjects.tags
        )
        for name, those in by_stack.items()
    ]


def _roles(clients: Clients, subjects: Subjects) -> list[Question[Finding]]:
    if not subjects.stack:
        return [question("R17", "roles", roles.without_stack, clients, subjects)]
    return [
        question(
            "R17", f"role {e.name}", roles.of_role, clients, e.name, _own_policies(subjects, e)
        )
        for e in subjects.stack
        if e.type == "AWS::IAM::Role"
    ]


def _own_policies(subjects: Subjects, role: Resource) -> set[str]:
    """The ARNs of those that building_blocks/role.py makes for this role, not for others."""
    return {
        each.name
        for each in subjects.stack
        if (each.stack, each.type) == (role.stack, "AWS::IAM::ManagedPolicy")
        and each.construct == f"{role.construct}Policy"
    }
