"""`plan` and `deploy`: what a deployment would do, and the deployment itself."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import boto3
import typer

from ops.console import ending, files, settings
from ops.console import terminal as console
from ops.console.failure import OpsError
from ops.console.settings import JsonOption
from ops.plan import presentation
from ops.plan.marks import impossible, objections
from ops.plan.model import Report
from ops.plan.review import Deployed, look, review
from ops.production.assembly import Assembly, at_hand
from ops.production.stack import REGION

# The report itself goes to the output, all else to the error output.
told = console.told()


Allowed = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-replacement",
        metavar="LOGICAL_ID",
        help="A stateful resource that may be replaced or removed; may be repeated.",
    ),
]


def plan(
    context: settings.SettingsOption = None,
    assembly: settings.AssemblyOption = None,
    allow_replacement: Allowed = None,
    as_json: JsonOption = False,
    save: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, show_default=False, help="Write the plan there, too: for deploy --plan."
        ),
    ] = None,
) -> None:
    """Show what a deployment would add, change, replace and remove, in all stacks.

    Changes nothing: templates and packages are uploaded, and the change set that is read is
    deleted again. Marks what interrupts the database by its live values, and warns of what would
    fail. Exit code 0: no objection; 1: a stateful resource would be replaced or removed without
    being named, or AWS would refuse the change (the network replaced, less storage); 2: it cannot
    be told.
    """
    with _assembly(assembly, context) as wanted:
        now = look(wanted)
        report = _report(wanted, now)
        if save:
            files.write(save, _saved(wanted, now, report))
    if as_json:
        document = presentation.as_document(report, allow_replacement or ())
        typer.echo(json.dumps(document))
        refused = bool(document["refused"])
    else:
        presentation.show(console.out(), report)
        refused = _refused(report, allow_replacement)
    raise typer.Exit(1 if refused else 0)


def deploy(
    context: settings.SettingsOption = None,
    assembly: settings.AssemblyOption = None,
    allow_replacement: Allowed = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask: for pipelines.")] = False,
    shown: Annotated[
        Path | None,
        typer.Option(
            "--plan",
            exists=True,
            dir_okay=False,
            show_default=False,
            help="What `plan --save` wrote, and was approved: deploy that, or nothing.",
        ),
    ] = None,
    remember: Annotated[
        bool, typer.Option("--remember", help="Write the settings of -c into cdk.json, if it went.")
    ] = False,
) -> None:
    """Show what would change, ask, and deploy exactly that.

    Refuses when a stateful resource would be replaced or removed, unless it is named; and what
    AWS would not do, such as replacing the network, whatever is named. With --plan, refuses
    whatever differs from the plan that was shown before.
    """
    with _assembly(assembly, context) as wanted:
        before = look(wanted)
        report = _report(wanted, before)
        presentation.show(console.out(), report)
        if _refused(report, allow_replacement):
            raise typer.Exit(1)
        if shown and shown.read_text(encoding="utf-8") != _saved(wanted, before, report):
            raise OpsError(
                f"this is not what {shown} shows: another assembly, another change, or "
                f"{wanted.stack} was deployed since. Make a plan anew, and have it approved"
            )
        if report.changes and not yes:
            if not sys.stdin.isatty():
                raise OpsError("there is no terminal to ask on: say --yes to deploy")
            if not typer.confirm(f"Deploy {wanted.stack}?"):
                told.print("Nothing was deployed.")
                raise typer.Exit(1)
        if look(wanted) != before:
            raise OpsError(
                f"{wanted.stack} was changed by somebody else since the report was made: "
                "look at a new one"
            )
        # Without changes too: the command line also settles outputs and termination protection.
        try:
            wanted.deploy()
        except ending.Stopped:
            told.print("A deployment that had begun goes on in CloudFormation.")
            raise
    if remember and context:
        settings.remember(context)
        told.print("cdk.json has the settings now: keep it with the code.")


# -- steps -------------------------------------------------------------------------------


@contextlib.contextmanager
def _assembly(folder: Path | None, context: list[str] | None) -> Iterator[Assembly]:
    """The assembly to report on and to deploy; one made for this run goes with it."""
    settings.not_both(folder, context)
    if folder is None:
        # In a second, before what takes half a minute and would be in vain.
        boto3.client("sts", region_name=REGION).get_caller_identity()
    with contextlib.ExitStack() as stack:
        with told.status("synthesizing"):
            made = stack.enter_context(at_hand(folder, context or ()))
        yield made


def _report(assembly: Assembly, now: Deployed) -> Report:
    with told.status("asking CloudFormation what would change"):
        return review(assembly, now)


def _saved(assembly: Assembly, now: Deployed, report: Report) -> str:
    """All that must be the same when the plan is carried out: what is deployed, onto what, and what
    that changes."""
    what = {"template": assembly.template_url("account"), "onto": now.version}
    return json.dumps(what | presentation.as_document(report), indent=1, sort_keys=True)


def _refused(report: Report, allowed: list[str] | None) -> bool:
    """Whether the deployment is refused, and if so, say why."""
    refused, remarks = objections(report, allowed or ()), impossible(report)
    if refused:
        presentation.show_objections(console.out(), refused)
    if remarks:
        presentation.show_impossible(console.out(), remarks)
    return bool(refused or remarks)
