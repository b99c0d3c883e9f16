"""`python -m local.drills`: the command line."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from local.drills import (
    database_gone,
    first_deployments,
    interruptions,
    leftovers,
    table,
    teardown,
    updates,
)
from local.drills.report import Drill, Step, as_document, show
from local.drills.site import Site, SiteError, open_site
from ops.console import ending
from ops.console import terminal as console
from ops.console.terminal import escape

DRILLS: list[Drill] = [
    *first_deployments.DRILLS,
    *updates.DRILLS,
    *interruptions.DRILLS,
    *table.DRILLS,
    *database_gone.DRILLS,
    *teardown.DRILLS,
    *leftovers.DRILLS,
]
"""In this order: the first ones of each site find nothing deployed."""

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def drill(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", show_default=False)
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Name the drills, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--directory",
            file_okay=False,
            show_default=False,
            help="Keep the logs of the CDK and of the emulator here.",
        ),
    ] = None,
) -> None:
    """Let deployments of PaymentsProd go wrong in the embedded environment, and tell what
    CloudFormation reports. All drills, or those that are named; exit code 0 if all was as expected.
    """
    output, errors = console.out(), console.told()
    if listed:
        for each in DRILLS:
            output.print(f"{each.name:<24} {each.title}", soft_wrap=True)
        return
    known = {each.name for each in DRILLS}
    if unknown := [name for name in names or () if name not in known]:
        errors.print(f"[red]error:[/] no drill is called {escape(', '.join(unknown))}: see --list")
        raise typer.Exit(2)
    chosen = [each for each in DRILLS if not names or each.name in names]
    documents = []
    held = True
    with contextlib.ExitStack() as stack:
        place = directory or Path(stack.enter_context(_temporary()))
        for keeps in sorted({each.keeps for each in chosen}):
            here = [each for each in chosen if each.keeps == keeps]
            with contextlib.ExitStack() as opened:
                with errors.status("starting the emulator"):
                    site = opened.enter_context(
                        open_site(
                            (place / ("keeps" if keeps else "deletes")).absolute(), keeps=keeps
                        )
                    )
                for release in (release for each in here for release in each.releases):
                    site.prepare(release)
                for each in here:
                    begin = time.monotonic()
                    with errors.status(each.title):
                        steps = perform(each, site)
                    seconds = time.monotonic() - begin
                    held = held and not any(step.failed for step in steps)
                    if as_json:
                        documents.append(as_document(each, steps, seconds))
                    else:
                        show(output, each, steps, seconds)
    if as_json:
        typer.echo(json.dumps(documents, indent=2))
    raise typer.Exit(0 if held else 1)


def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="payments-drills-")


def perform(drill: Drill, site: Site) -> list[Step]:
    """A drill's steps; one that could not go on says so in its last."""
    steps: list[Step] = []
    try:
        steps.extend(drill.run(site))
    except (SiteError, BotoCoreError, ClientError) as error:
        steps.append(Step(name="go on", expected="possible", held=False, seen=str(error)))
    return steps


def main() -> int:
    """Run the command line; the exit code."""
    return ending.run(partial(app, prog_name="python -m local.drills"), explain=_explained)


def _explained(error: Exception) -> str:
    return str(error) if isinstance(error, SiteError | OSError) else ending.unexpected(error)
