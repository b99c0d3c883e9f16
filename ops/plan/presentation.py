"""The report for people, and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table

from ops.console.terminal import escape
from ops.plan.marks import impossibility, impossible, is_security, loss, objections, remarked
from ops.plan.model import Action, Change, Remark, Report, Source, Weight

_STYLES = {
    Action.REMOVED: "bold red",
    Action.REPLACED: "bold red",
    Action.MAY_BE_REPLACED: "red",
    Action.CHANGED: "yellow",
    Action.ADDED: "green",
}

_REMARK_STYLES = {
    Weight.IMPOSSIBLE: "bold red",
    Weight.FAILS: "bold red",
    Weight.INTERRUPTS: "bold yellow",
    Weight.UNSEEN: "dim",
}


def as_document(report: Report, allowed: Collection[str] = ()) -> dict[str, Any]:
    """The report as a JSON object; `refused` has the logical ids that are objected to."""
    ended = [change.logical_id for change in objections(report, allowed)]
    return {
        "stack": report.stack,
        "first_deployment": report.first,
        "changes": [_as_document(change) for change in report.changes],
        "unconfirmed": [_as_document(change) for change in report.unconfirmed],
        "remarks": [asdict(remark) for remark in report.remarks],
        "refused": list(
            dict.fromkeys([*ended, *(remark.logical_id for remark in impossible(report))])
        ),
    }


def _as_document(change: Change) -> dict[str, Any]:
    return {
        **asdict(change),
        "security": is_security(change),
        "loses": loss(change),
        "impossible": impossibility(change),
    }


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
            console.print(_table(changes, report))
        console.print(", ".join(_counts(report)))
    for remark in report.remarks:
        style = _REMARK_STYLES[remark.weight]
        console.print(
            f"[{style}]{remark.weight}[/] {escape(remark.logical_id)}: {escape(remark.text)}"
        )
    if report.by_templates():
        console.print(
            "[dim]~ by comparing the templates: the endpoint's change sets leave nested stacks "
            "out[/]"
        )
    if report.unconfirmed:
        names = ", ".join(change.logical_id for change in report.unconfirmed)
        console.print(
            f"[dim]CloudFormation lists {len(report.unconfirmed)} more, which depend on values "
            f"that it does not know yet; nothing behind them changes: {escape(names)}[/]"
        )


def show_objections(console: Console, refused: Collection[Change]) -> None:
    """Say what would be lost, and how to insist, where that is of use."""
    for change in refused:
        console.print(f"[bold red]✘[/] {escape(change.logical_id)} {escape(_ending(change))}")
    named = [change.logical_id for change in refused if impossibility(change) is None]
    if len(named) < len(refused):
        console.print("Refused. What cannot succeed cannot be allowed either.")
    if named:
        options = " ".join(f"--allow-replacement {logical_id}" for logical_id in named)
        console.print("Refused. If that is what you want, name what may be lost:")
        console.print(f"  {escape(options)}", soft_wrap=True)


def show_impossible(console: Console, remarks: Collection[Remark]) -> None:
    """Say of what is refused whatever is allowed; the remarks themselves are in the report."""
    names = ", ".join(dict.fromkeys(remark.logical_id for remark in remarks))
    console.print(f"Refused: AWS would not do it (see above: {escape(names)}).")


def _ending(change: Change) -> str:
    reason = impossibility(change)
    if reason is not None:
        return f"({change.resource_type}) would be {change.action}, which cannot succeed: {reason}"
    verb = change.action if change.action is Action.MAY_BE_REPLACED else f"would be {change.action}"
    fate = "left behind, outside of the stack" if change.kept else "lost"
    return f"({change.resource_type}) {verb}; {fate}: {loss(change)}"


def _show_first(console: Console, report: Report) -> None:
    console.print(f"{report.stack} is not deployed yet: everything is [green]added[/]")
    for stack, number in Counter(change.stack for change in report.changes).items():
        console.print(f"  {number:4} resources  {escape(stack)}")


def _table(changes: Iterable[Change], report: Report) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True)
    for change in changes:
        by_templates = "[dim]~[/]" if change.source is Source.TEMPLATES else ""
        differing = f": {', '.join(change.properties)}" if change.properties else ""
        marks = ["[magenta]security[/]"] if is_security(change) else []
        if loss(change):
            marks += [f"[bold red]{'impossible' if impossibility(change) else 'stateful'}[/]"]
        marks += [
            f"[{style}]{weight}[/]"
            for weight, style in _REMARK_STYLES.items()
            if remarked(report, change, weight)
        ]
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
