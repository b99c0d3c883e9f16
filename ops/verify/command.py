"""The command line of `verify`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

import boto3
import typer
from rich.console import Console

from ops.console import checks, terminal
from ops.console.checks import Verdict
from ops.console.failure import OpsError
from ops.production.assembly import STACK
from ops.production.questions import Clients, Question, answers
from ops.production.stack import REGION, Production, Resource
from ops.production.templates import stacks
from ops.verify import (
    compute,
    data,
    events,
    metrics,
    network,
    observability,
    policies,
    roles,
    stack,
    tags,
)
from ops.verify.findings import REQUIREMENTS, WITH_RIGHTS, Finding
from ops.verify.subjects import KINDS, Subjects, discovered, of_stack


def command(
    prefix: Annotated[
        str | None,
        typer.Option(
            metavar="PREFIX",
            show_default=False,
            help="Look at the resources whose names begin so, in an account without the stack: "
            "how far they are from the requirements.",
        ),
    ] = None,
    names: Annotated[
        str,
        typer.Option(
            metavar="KIND=NAME,...",
            show_default=False,
            help=f"Names that the prefix does not tell. Kinds: "
            f"{', '.join(kind.name for kind in KINDS)}.",
        ),
    ] = "",
    drift: Annotated[
        bool,
        typer.Option(help="Have CloudFormation detect drift too; that may take minutes."),
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare what is deployed with the requirements R1 to R18, value by value.

    Asks the live resources: settings, keys, policies, tags, alarms, subscription, roles, drift. The
    deployed templates are asked only for what production was configured with: reserved concurrency,
    throttles and when alarms go off. With --prefix or --names it looks at any resources, made by
    hand or by another stack; then the report is the list of what is to be done to them.

    Whether the metrics behind the alarms have data is seen once payments were made, such as by
    `smoke`, a quarter of an hour ago or earlier. What CloudFormation takes for drift and is none is
    told as such.

    It only reads. Exit code 0: all of it held; 1: something did not, or was not answered: ask
    again; 2: it could not take place (no such stack, no credentials).
    """
    told = terminal.told()
    by_name = prefix is not None or bool(names)
    if by_name:
        session = boto3.Session(region_name=REGION)
        clients = Clients(session)
        account = clients.account()
        with told.status("looking for the resources"):
            subjects = discovered(clients, prefix or "", _named(names))
    else:
        production = _production()
        clients = Clients(production.session)
        account = clients.account()
        with told.status(f"listing the resources of {STACK}"):
            subjects = of_stack(production)
    with told.status("asking for every value") as status:
        asked = [*_everywhere(clients, subjects), *_tags(clients, account, subjects)]
        asked += _roles(clients, subjects)
        if not by_name:
            asked += _of_the_stack(clients, subjects)
        found = [*subjects.missing, *answers(asked, clients)]
        if drift and not by_name:
            status.update("having CloudFormation detect drift")
            found += answers(_drift(clients, subjects), clients)
    order = list(REQUIREMENTS)
    found.sort(key=lambda finding: order.index(finding.requirement))
    if as_json:
        subject = {"stack": STACK} if not by_name else {"prefix": prefix or "", "names": names}
        typer.echo(json.dumps({"account": account, **subject, **checks.as_document(found)}))
    else:
        _show(terminal.out(), found)
    raise typer.Exit(1 if checks.has_problems(found) else 0)


def _production() -> Production:
    try:
        return Production.find()
    except OpsError as error:
        raise OpsError(f"{error} What is in no stack is found with --prefix or --names") from None


def _named(names: str) -> dict[str, str]:
    """
    Raises:
        OpsError: it is not KIND=NAME, or no such kind.
    """
    known = [kind.name for kind in KINDS]
    found = {}
    for each in filter(None, names.split(",")):
        kind, _, name = each.partition("=")
        if kind not in known or not name:
            raise OpsError(f"--names {each!r}: write KIND=NAME; kinds are {', '.join(known)}")
        found[kind] = name
    return found


def _question(
    requirement: str, what: str, ask: Callable[[], Iterable[Finding]]
) -> Question[Finding]:
    unanswered = Finding(
        requirement=requirement,
        what=what,
        found="",
        needed="an answer",
        verdict=Verdict.PROBLEM,
        mend=f"{WITH_RIGHTS}, verify again; if it is gone, deploy it anew",
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
        _question(requirement, what, lambda ask=ask: ask(clients, subjects))  # type: ignore[misc]
        for requirement, what, ask in parts
    ]


def _of_the_stack(clients: Clients, subjects: Subjects) -> list[Question[Finding]]:
    return [
        _question("R1", "stack", lambda: stack.state(clients)),
        _question("R13", "event rules", lambda: events.rules(clients, subjects)),
        _question("R16", "tags of the stack", lambda: tags.of_stack(clients)),
    ]


def _tags(clients: Clients, account: str, subjects: Subjects) -> list[Question[Finding]]:
    by_stack: dict[str, list[Resource]] = {}
    for each in subjects.stack or tags.as_resources(subjects):
        by_stack.setdefault(each.stack, []).append(each)
    return [
        _question(
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
        return [_question("R17", "roles", lambda: roles.without_stack(clients, subjects))]
    own: dict[str, set[str]] = {
        each.name: _own_policies(subjects, each)
        for each in subjects.stack
        if each.type == "AWS::IAM::Role"
    }
    return [
        _question(
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


def _drift(clients: Clients, subjects: Subjects) -> list[Question[Finding]]:
    return [
        _question(
            "R1",
            f"drift of {name}",
            lambda name=name, stack_id=stack_id: stack.drift(clients, name, stack_id, subjects),  # type: ignore[misc]
        )
        for name, stack_id in stacks(subjects.stack).items()
    ]


def _show(console: Console, found: Sequence[Finding]) -> None:
    """A table for each requirement, and the count at the end."""
    for requirement, text in REQUIREMENTS.items():
        if those := [each for each in found if each.requirement == requirement]:
            console.print(f"[bold]{requirement}[/] {text}")
            checks.show(console, those)
            console.print()
    counts: Mapping[Any, int] = {
        verdict: sum(each.verdict is verdict for each in found) for verdict in Verdict
    }
    console.print(
        f"{counts[Verdict.HELD]} held, {counts[Verdict.PROBLEM]} problems, "
        f"{counts[Verdict.UNSEEN]} cannot be seen here"
        + (f", {counts[Verdict.UNANSWERED]} not answered" if counts[Verdict.UNANSWERED] else "")
    )
