"""The command line of `verify`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import boto3
import typer
from rich.console import Console

from ops.console import checks, terminal
from ops.console.checks import Verdict
from ops.console.environment import stack_name
from ops.console.failure import OpsError
from ops.console.settings import JsonOption
from ops.inspection import events, tags
from ops.inspection.findings import REQUIREMENTS, Finding, problem
from ops.inspection.subjects import KINDS, Subjects, discovered, must_exist, named, of_stack
from ops.inspection.survey import of_live, question
from ops.production.lost import DATABASE, GONE, TABLE, WAYS_BACK, lost
from ops.production.questions import Clients, answers
from ops.production.stack import REGION, Production
from ops.production.templates import stacks
from ops.verify import stack


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
    problems: Annotated[
        bool, typer.Option("--problems", help="Leave out what holds; the counts are of all.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare what is deployed with the requirements R1 to R18, value by value.

    Asks the live resources: settings, keys, policies, tags, alarms, subscription, roles, drift. The
    deployed templates are asked only for what production was configured with: reserved concurrency,
    throttles and when alarms go off. With --prefix or --names it looks at any resources, made by
    hand or by another stack; then the report is the list of what is to be done to them.

    Whether the metrics behind the alarms have data is seen once payments were made, such as by
    `smoke`, a quarter of an hour ago or earlier. What CloudFormation takes for drift and is none is
    told as such.

    It only reads. Exit code 0: all of it held; 1: something did not; 2: it could not take place (no
    such stack, no credentials), or all held but what AWS did not answer: ask again.
    """
    told = terminal.told()
    by_name = prefix is not None or bool(names)
    if by_name:
        session = boto3.Session(region_name=REGION)
        clients = Clients(session)
        account = clients.account()
        with told.status("looking for the resources"):
            subjects = discovered(clients, prefix or "", named(names))
        must_exist(subjects, prefix or "", named(names), f"account {account}, {REGION}")
    else:
        try:
            production = Production.find()
        except OpsError as error:
            elsewhere = "What is in no stack is found with --prefix or --names"
            raise OpsError(f"{error} {elsewhere}") from None
        clients = Clients(production.session)
        account = clients.account()
        with told.status(f"listing the resources of {stack_name()}"):
            subjects = _without_what_is_gone(clients, of_stack(production))
    with told.status("asking for every value") as status:
        asked = of_live(clients, account, subjects)
        if not by_name:
            asked += [
                question("R1", "stack", stack.state, clients),
                question("R13", "event rules", events.rules, clients, subjects),
                question("R16", "tags of the stack", tags.of_stack, clients),
            ]
        found = [*subjects.missing, *answers(asked, clients)]
        if drift and not by_name:
            status.update("having CloudFormation detect drift")
            drifts = [
                question("R1", f"drift of {name}", stack.drift, clients, name, id_, subjects)
                for name, id_ in stacks(subjects.stack).items()
            ]
            found += answers(drifts, clients)
    order = list(REQUIREMENTS)
    found.sort(key=lambda finding: order.index(finding.requirement))
    if as_json:
        subject = (
            {"stack": stack_name()} if not by_name else {"prefix": prefix or "", "names": names}
        )
        typer.echo(json.dumps({"account": account, **subject, **checks.as_document(found)}))
    else:
        _show(terminal.out(), found, every=not problems)
    raise typer.Exit(checks.exit_code(found))


def _without_what_is_gone(clients: Clients, subjects: Subjects) -> Subjects:
    """A store that is gone is told once, and not asked for the values that it had."""
    gone = {each.type: each for each in lost(clients, subjects.stack)}
    missing = [
        problem(
            requirement, f"{what} {gone[type_].name}", found=GONE, needed="there",
            mend=WAYS_BACK[type_],
        )
        for type_, requirement, what in ((DATABASE, "R4", "database"), (TABLE, "R9", "table"))
        if type_ in gone
    ]  # fmt: skip
    return replace(
        subjects,
        database="" if DATABASE in gone else subjects.database,
        table="" if TABLE in gone else subjects.table,
        missing=[*subjects.missing, *missing],
        stack=[each for each in subjects.stack if each not in gone.values()],
    )


def _show(console: Console, found: Sequence[Finding], *, every: bool) -> None:
    """A table for each requirement, and the count at the end."""
    shown = [each for each in found if every or checks.has_problems([each])]
    for requirement, text in REQUIREMENTS.items():
        if those := [each for each in shown if each.requirement == requirement]:
            console.print(f"[bold]{requirement}[/] {text}")
            checks.show(console, those)
            console.print()
    problems = sum(each.verdict is Verdict.PROBLEM for each in found)
    console.print(checks.counted(found, "problem" if problems == 1 else "problems"))
