"""The command line of `replay-history`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final

import typer
from rich.console import Console

from ops.console import terminal
from ops.console.failure import OpsError, or_none
from ops.console.settings import JsonOption, YesOption
from ops.console.terminal import escape
from ops.production.action_record import recorded
from ops.production.lost import TABLE, told
from ops.production.stack import Production
from ops.replay_history.replay import Replay, Replayed
from reconciliation.ledger import FIRST

_SHOWN: Final = 20


def command(
    begin: Annotated[
        datetime,
        typer.Option(
            "--from",
            formats=["%Y-%m-%dT%H:%M:%SZ"],
            metavar="YYYY-MM-DDTHH:MM:SSZ",
            help="The moment that the table was restored to (UTC), or any earlier one.",
        ),
    ],
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put back into a restored history what audit trail and ledger have of it since a moment.

    Adds each item that the audit trail has and the table lacks, as it was; and the posting of an
    entry that only the ledger knows. Nothing that is there is changed, so that it may be
    interrupted and repeated. What somebody changed or deleted comes back as the functions wrote
    it; what is malformed, or claims an entry that the ledger does not have, does not.

    Every item that is added is audited, and the action recorded in the audit bucket. Exit code 1:
    something was not put back, and is told.
    """
    production = Production.find()
    moment = begin.replace(tzinfo=UTC)
    if not FIRST <= moment < datetime.now(UTC):
        raise typer.BadParameter("--from must be in the past")
    _require_audited_table(production)
    with terminal.told().status("") as status:
        replay = Replay.of(production, moment, yes=yes, status=status)
        if yes:
            with recorded(production, "replay-history", begin=moment.isoformat()) as record:
                try:
                    replay.run()
                finally:
                    record.outcome.update(replay.found.document())
        else:
            replay.run()
    if as_json:
        typer.echo(json.dumps({"done": yes, **replay.found.document()}))
    else:
        _show(terminal.out(), replay.found, yes=yes)
    raise typer.Exit(0 if replay.found.complete else 1)


def _require_audited_table(production: Production) -> None:
    dynamodb, name = production.client("dynamodb"), production.output("TransactionsTableName")
    look = partial(dynamodb.describe_table, TableName=name)
    found = or_none(look, "ResourceNotFoundException")
    if found is None:
        raise OpsError(told(name, TABLE))
    if not found["Table"].get("StreamSpecification", {}).get("StreamEnabled"):
        raise OpsError(
            f"{name} has no stream: what is put into it would not be audited. "
            "docs/runbooks/table-lost.md, *Its settings*, switches it on"
        )


def _show(console: Console, found: Replayed, *, yes: bool) -> None:
    console.print(f"{found.read:,} items of the audit trail read.")
    lacking = ", ".join(f"{count:,} {escape(state)}" for state, count in found.lacking.items())
    console.print(f"{'Put back' if yes else 'Lacking'}: {lacking or 'nothing'}.")
    if found.untold:
        console.print(
            f"{found.untold:,} postings are still in the outbox: payment-processor delivers them."
        )
    for title, those in (
        ("not put back", found.refused),
        (
            "its request is in neither; ask the client to send it to /validate again",
            dict.fromkeys(found.without_request, "posted"),
        ),
        ("an object that was not read", found.unread),
    ):
        for name, reason in list(those.items())[:_SHOWN]:
            console.print(f"[red]✘[/] {title}: {escape(name)}: {escape(reason)}", soft_wrap=True)
        if len(those) > _SHOWN:
            console.print(f"And {len(those) - _SHOWN:,} more: --json tells all.")
    if not yes and found.lacking:
        console.print("Nothing was done: give --yes to do it.")
