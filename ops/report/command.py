"""The command line of `report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ops.console import files, terminal
from ops.console.settings import AssemblyOption, JsonOption
from ops.console.terminal import escape
from ops.production.assembly import at_hand
from ops.production.stack import Production


def command(
    output: Annotated[
        Path, typer.Option("--output", "-o", dir_okay=False, help="The HTML file to write.")
    ] = Path("report.html"),
    assembly: AssemblyOption = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Ask AWS too: states of stacks, alarms and subscriptions, and what `verify` "
            "finds stand beside what the templates say.",
        ),
    ] = False,
    requests: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="API calls a month, for the part of costs."),
    ] = 1_000_000,
    as_json: JsonOption = False,
) -> None:
    """Write one HTML file as evidence for an audit.

    Requirements with what fulfils and tests them and the PCI DSS requirements they serve, a
    picture of the architecture, permissions, keys, network rules, alarms, accepted findings,
    costs, retention of logs, and all resources. The file needs nothing but a browser, and can be
    printed. It holds no secret; with --live it names the account.

    Exit code 0: the evidence is complete; 1: something lacks evidence, or with --live does not
    hold, and the report's summary says what; 2: it could not be made.
    """
    # Imported where they are needed: the other commands need not wait for them.
    from ops.report.facts import collect
    from ops.report.live import look
    from ops.report.page import render

    told = terminal.told()
    # First: whoever has the wrong credentials need not wait for the templates.
    production = Production.find() if live else None
    begins = "reading the templates" if assembly else "synthesizing; that takes about a minute"
    with told.status(begins) as status, at_hand(assembly) as made:
        status.update("collecting")
        facts = collect(made, requests)
        if production:
            status.update("asking AWS")
        seen = look(production) if production else None
        text = render(facts, seen)
    output.parent.mkdir(parents=True, exist_ok=True)
    files.write(output, text)
    problems = [*facts.problems, *(seen.problems if seen else ())]
    if as_json:
        document = {
            "file": str(output),
            "bytes": output.stat().st_size,
            "complete": not problems,
            "problems": problems,
            "requirements": len(facts.requirements),
            "resources": len(facts.built.resources),
            "monthly_usd": {
                "idle": facts.costs.idle,
                "by_traffic": facts.costs.by_traffic,
                "total": facts.costs.total,
                "requests": requests,
            },
        }
        typer.echo(json.dumps(document))
    else:
        for problem in problems:
            told.print(f"[red]✘[/] {escape(problem)}", soft_wrap=True)
        size = output.stat().st_size // 1024
        terminal.out().print(f"{escape(str(output))} ({size} KiB)", soft_wrap=True)
    raise typer.Exit(1 if problems else 0)
