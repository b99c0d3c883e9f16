"""The report for people, and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table

from change_report.marks import is_security, loss, objections
from change_report.model import Action, Change, Report, Source
from command_line.console import escape

_STYLES = {
    Action.REMOVED: "bold red",
    Action.REPLACED: "bold red",
    Action.MAY_BE_REPLACED: "red",
    Action.CHANGED: "yellow",
    Action.ADDED: "green",
}


def as_document(report: Report, allowed: Collection[str] = ()) -> dict[str, Any]:
    """The report as a JSON object; `refused` has the logical ids that are objected to."""
    return {
        "stack": report.stack,
        "first_deployment": report.first,
        "changes": [_as_document(change) for change in report.changes],
        "unconfirmed": [_as_document(change) for change in report.unconfirmed],
        "refused": [change.logical_id for change in objections(report, allowed)],
    }


def _as_document(change: Change) -> dict[str, Any]:
    return {**asdict(change), "security": is_security(change), "loses": loss(change)}


def show(console: Console, report: Report) -> None:
    """Print the report."""
    if report.first:
        _show_first(console, report)
        return
    if not report.changes:
        console.print(f"{report.stack}: no resource changes")
    else:
        for stack, changes in groupby(report.changes, key=lambda change: change.stack):
            console.print(f"[bold]{escape(stack)}[/]")
            console.print(_table(changes))
        console.print(", ".join(_counts(report)))
    if report.by_templates():
        console.print(
            "[dim]~ by comparing the templates: the endpoint's change sets leave nested stacks "
            "out[/]"
        )
    if report.unconfirmed:
        names = ", ".join(change.logical_id for change in report.unconfirmed)
        console.print(
            f"[dim]CloudFormation lists {len(report.unconfirmed)} more, which depend on outputs "
            f"that it does not know yet; nothing behind them changes: {escape(names)}[/]"
        )


def show_objections(console: Console, refused: Collection[Change]) -> None:
    """Say what would be lost, and how to insist."""
    for change in refused:
        console.print(f"[bold red]✘[/] {escape(change.logical_id)} {escape(_ending(change))}")
    options = " ".join(f"--allow-replacement {change.logical_id}" for change in refused)
    console.print("Refused. If that is what you want, name what may be lost:")
    console.print(f"  {escape(options)}", soft_wrap=True)


def _ending(change: Change) -> str:
    verb = change.action if change.action is Action.MAY_BE_REPLACED else f"would be {change.action}"
    fate = "left behind, outside of the stack" if change.kept else "lost"
    return f"({change.resource_type}) {verb}; {fate}: {loss(change)}"


def _show_first(console: Console, report: Report) -> None:
    console.print(f"{report.stack} is not deployed yet: everything is [green]added[/]")
    for stack, number in Counter(change.stack for change in report.changes).items():
        console.print(f"  {number:4} resources  {escape(stack)}")


def _table(changes: Iterable[Change]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True)
    for change in changes:
        by_templates = "[dim]~[/]" if change.source is Source.TEMPLATES else ""
        differing = f": {', '.join(change.properties)}" if change.properties else ""
        marks = ["[magenta]security[/]"] if is_security(change) else []
        marks += ["[bold red]stateful[/]"] if loss(change) else []
        table.add_row(
            f"[{_STYLES[change.action]}]{change.action}[/]{by_templates}",
            f"{escape(change.logical_id)}\n[dim]{escape(change.resource_type + differing)}[/]",
            "\n".join(marks),
        )
    return table


def _counts(report: Report) -> Iterator[str]:
    counted = Counter(change.action for change in report.changes)
    for action in Action:
        if counted[action]:
            yield f"[{_STYLES[action]}]{counted[action]} {action}[/]"
    security = sum(is_security(change) for change in report.changes)
    if security:
        yield f"[magenta]{security} of security[/]"
