"""What is asked of resources: of a stack's, and of those that are in none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ops.console.checks import Verdict
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
from ops.inspection.findings import WITH_RIGHTS, Finding
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
    requirement: str, what: str, ask: Callable[[], Iterable[Finding]]
) -> Question[Finding]:
    unanswered = Finding(
        requirement=requirement,
        what=what,
        found="",
        needed="an answer",
        verdict=Verdict.PROBLEM,
        mend=f"{WITH_RIGHTS}, verify again; if it is gone, no deployment by itself brings it back",
    )
    return Question(unanswered=unanswered, ask=ask)


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
    return [
        question(requirement, what, lambda ask=ask: ask(clients, subjects))  # type: ignore[misc]
        for requirement, what, ask in parts
    ]


def _tags(clients: Clients, account: str, subjects: Subjects) -> list[Question[Finding]]:
    by_stack: dict[str, list[Resource]] = {}
    for each in subjects.stack or tags.as_resources(subjects):
        by_stack.setdefault(each.stack, []).append(each)
    return [
        question(
            "R16",
            f"tags of {name or 'the resources'}",
            lambda name=name, those=those: tags.of_resources(  # type: ignore[misc]
                clients, account, name or "those", those, subjects.tags
            ),
        )
        for name, those in by_stack.items()
    ]


def _roles(clients: Clients, subjects: Subjects) -> list[Question[Finding]]:
    if not subjects.stack:
        return [question("R17", "roles", lambda: roles.without_stack(clients, subjects))]
    own: dict[str, set[str]] = {
        each.name: _own_policies(subjects, each)
        for each in subjects.stack
        if each.type == "AWS::IAM::Role"
    }
    return [
        question(
            "R17",
            f"role {name}",
            lambda name=name, policies=policies: roles.of_role(clients, name, policies),  # type: ignore[misc]
        )
        for name, policies in own.items()
    ]


def _own_policies(subjects: Subjects, role: Resource) -> set[str]:
    """The ARNs of those that building_blocks/role.py makes for this role, not for others."""
    return {
        each.name
        for each in subjects.stack
        if (each.stack, each.type) == (role.stack, "AWS::IAM::ManagedPolicy")
        and each.construct == f"{role.construct}Policy"
    }
