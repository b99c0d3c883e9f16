"""The command line of `leftovers`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import boto3
import typer

from ops.console import terminal
from ops.console.confirmation import confirm
from ops.console.environment import stack_name
from ops.console.settings import AssemblyOption, JsonOption
from ops.console.terminal import escape
from ops.leftovers.proof import proven
from ops.leftovers.removal import (
    AFTER_STACKS,
    BEFORE_STACKS,
    KEY_DAYS,
    ORDER,
    Journal,
    Removal,
    refuse_where_deployed,
)
from ops.leftovers.search import Leftover, everything
from ops.production.needs import needed
from ops.production.questions import Clients
from ops.production.stack import REGION, described


def command(
    remove: Annotated[
        bool, typer.Option("--remove", help="Take it away. Without: only tell what there is.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --remove: do not ask.")] = False,
    record: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            show_default=False,
            help="With --remove: where each action is recorded, a JSON line before and one after "
            "it. Without: leftovers-MOMENT.jsonl in this folder.",
        ),
    ] = None,
    assembly: AssemblyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what a failed first deployment has left, and take it away.

    Finds it by CloudFormation's tags and by name, stacks that wait for a review and network
    interfaces that functions gave up too. Of each it proves that it holds no business: no item,
    no message, no object, no entry, and that its stack was never complete.

    --remove takes it away: protection is lifted, a database leaves a final snapshot, keys are
    scheduled for deletion only. If anything is not proven empty, nothing is touched. It can be run
    again whenever it was cut off.

    Exit code 0: nothing is left; 1: something is; 2: it could not be looked at, or removed.
    """
    told, output = terminal.told(), terminal.out()
    clients = Clients(boto3.Session(region_name=REGION))
    operator = clients("sts").get_caller_identity()["Arn"]
    stack = described(clients("cloudformation"), stack_name())
    refuse_where_deployed(stack["StackStatus"] if stack else "")
    with told.status("reading the names from the templates"):
        names = needed(assembly, []).names

    def search() -> list[Leftover]:
        found = proven(clients, everything(clients, names))
        return sorted(found, key=lambda each: (ORDER.index(each.kind), each.name))

    with told.status("looking for what is left"):
        found = search()
    unproven = [each for each in found if not each.proven]
    if not remove or unproven or not found:
        if as_json:
            typer.echo(json.dumps(_document(found, [])))
        else:
            _show(found, remove=remove)
        raise typer.Exit(1 if found else 0)
    if not as_json:
        _show(found, remove=True)
    confirm(f"Take away these {len(found)}?", yes)
    moment = datetime.now(UTC)
    done: list[str] = []

    def tell(what: str) -> None:
        done.append(what)
        told.print(f"[green]✔[/] {escape(what)}", soft_wrap=True)

    journal = Journal(record or Path(f"leftovers-{moment:%Y%m%dT%H%M%SZ}.jsonl"), operator, tell)
    removal = Removal(clients=clients, journal=journal)
    with told.status("removing"):
        removal.remove(found, (*BEFORE_STACKS, "stack"))
        # The deletion of a stack retains more.
        removal.remove(search(), (*BEFORE_STACKS, *AFTER_STACKS))
        left = search()
    if as_json:
        typer.echo(json.dumps({**_document(left, done), "record": str(journal.path)}))
    else:
        output.print(
            f"{len(done)} actions, recorded in {escape(str(journal.path))}; {len(left)} are left. "
            f"The final snapshot can be read while its key exists: {KEY_DAYS} days.",
            soft_wrap=True,
        )
    raise typer.Exit(1 if left else 0)


def _document(found: Sequence[Leftover], done: Sequence[str]) -> dict[str, object]:
    return {"stack": stack_name(), "left": [asdict(each) for each in found], "done": list(done)}


def _show(found: Sequence[Leftover], *, remove: bool) -> None:
    output = terminal.out()
    if not found:
        output.print("Nothing is left.")
        return
    grid = terminal.grid("", "what", "name", "found by", "empty of business?")
    for each in found:
        mark = "[green]✔[/]" if each.proven else "[red]✘[/]"
        cells = (each.kind, each.name, each.found, each.evidence)
        grid.add_row(mark, *map(escape, cells))
    output.print(grid)
    if unproven := sum(not each.proven for each in found):
        output.print(
            f"{unproven} of {len(found)} are not proven empty: nothing is removed while they are "
            "there (docs/runbooks/deploy.md, When a deployment fails)."
        )
    elif not remove:
        output.print(
            f"All {len(found)} are proven empty. To take them away: .venv/bin/python -m ops "
            "leftovers --remove",
            soft_wrap=True,
        )
