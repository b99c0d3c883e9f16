"""`payment`: one payment's whole story, as a time line."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from ops.console import checks, terminal
from ops.console.durations import duration
from ops.console.settings import JsonOption
from ops.console.terminal import escape
from ops.payment.story import Story, gather
from ops.production.stack import Production
from payments.identifiers import UUID_PATTERN

_TRAIL: Final = timedelta(days=2)
"""Yesterday and today: what `reconcile` looks at."""


def _identifier(text: str) -> str:
    found = text.strip().lower()
    if re.fullmatch(UUID_PATTERN, found) is None:
        raise typer.BadParameter(f"{text} is no transaction id, as /validate answers it (a UUID)")
    return found


def command(
    transaction_id: Annotated[
        str,
        typer.Argument(parser=_identifier, metavar="ID", help="As /validate answered it."),
    ],
    trail: Annotated[
        timedelta | None,
        typer.Option(
            parser=duration,
            metavar="DURATION",
            show_default=False,
            help="How long before now the audit trail is searched for changes, and for a payment "
            "that nothing else knows, such as 12h or 30d. Default: 2d.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what happened to one payment, and where it is now.

    Reads its history, its ledger entry, the queues, the operators' own records, the audit trail and
    the functions' logs, and puts what they say in the order of time (UTC). Each history item is
    compared with the ledger, the request and the audit trail. What these credentials may not read
    is said, and the rest told. Never shows the payment method's token.

    The audit trail knows hours, not payments: it is searched around all known events, and for
    --trail before now. A day may have 86,400 objects, which take some minutes and 0.03 USD.

    Messages on the retry queue are only counted: to receive one would put off its next try. The
    dead-letter queue is read, 200 messages at most, and shown again at once.

    Exit code 0: the payment is known and in order; 1: it is unknown, was given up, lacks a trace
    that it should have left, or what is known of it contradicts itself; 2: the question could not
    be asked, or history or ledger could not be read.
    """
    production = Production.find()
    told = terminal.told()
    with told.status("reading") as status:
        story = gather(
            production,
            transaction_id,
            trail or _TRAIL,
            lambda source: status.update(f"reading: {source}"),
        )
    judged = story.judged()
    found = [judged, *story.gaps(), *story.looked_at]
    if as_json:
        typer.echo(json.dumps(_document(story, found)))
    else:
        _show(terminal.out(), story, found)
    if checks.has_problems(found):
        raise typer.Exit(1)
    raise typer.Exit(2 if judged.verdict is checks.Verdict.UNSEEN else 0)


def _document(story: Story, found: list[checks.Check]) -> dict[str, Any]:
    events = [{**asdict(event), "at": event.at.isoformat()} for event in story.events]
    return {
        "transaction_id": story.transaction_id,
        "state": found[0].found,
        "events": events,
        **checks.as_document(found),
        "held": found[0].verdict is checks.Verdict.HELD and not checks.has_problems(found),
    }


def _show(console: Console, story: Story, found: list[checks.Check]) -> None:
    console.print(f"Payment {story.transaction_id}: [bold]{escape(found[0].found)}[/]")
    if story.events:
        table = terminal.grid("time (UTC)", "source", "what")
        table.columns[0].no_wrap, table.columns[1].max_width = True, 17
        day = None
        for event in story.events:
            if event.at.date() != day:
                day = event.at.date()
                table.add_row(f"[bold]{day}[/]", "", "")
            clock = f"{event.at:%H:%M:%S.%f}"[:-3]
            table.add_row(clock, escape(event.source), escape(event.text))
        console.print(table)
    checks.show(console, found)
