"""`reconcile`: ledger against history against audit trail, for a period."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.status import Status

from ops.console import terminal
from ops.console.durations import duration, in_days
from ops.console.settings import JsonOption
from ops.console.terminal import escape
from ops.production.stack import Production
from ops.reconcile.replay import Replay
from reconciliation.audit_records import IN_GLACIER
from reconciliation.books import Difference
from reconciliation.comparison import GRACE, Period, Stores, compare
from reconciliation.ledger import FIRST

_TIMES: Final = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ"]
_SHOWN: Final = 50
"""Differences in the table; JSON has all."""
_RESTORE: Final = (
    "aws s3api restore-object --bucket {bucket} --key KEY --restore-request "
    """'{{"Days": 7, "GlacierJobParameters": {{"Tier": "Standard"}}}}'"""
)


def command(
    begin: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=_TIMES,
            metavar="TIME",
            show_default=False,
            help="Begin of the period (UTC), such as 2026-01-31 or 2026-01-31T08:30. "
            "Default: yesterday.",
        ),
    ] = None,
    end: Annotated[
        datetime | None,
        typer.Option(
            "--to",
            formats=_TIMES,
            metavar="TIME",
            show_default=False,
            help="Its end, which does not belong to it. Default: a day after --from, or now.",
        ),
    ] = None,
    last: Annotated[
        timedelta | None,
        typer.Option(
            parser=duration,
            metavar="DURATION",
            show_default=False,
            help="Instead of both: the period up to now, such as 30m, 12h or 7d.",
        ),
    ] = None,
    grace: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="What was posted so recently may lack its traces: it is counted, not told.",
        ),
    ] = round(GRACE.total_seconds()),
    scan: Annotated[
        bool,
        typer.Option(
            "--scan",
            help="Read all of the history too, to find items that neither ledger nor audit trail "
            "know. DynamoDB charges the whole table: about 0.02 USD a GB.",
        ),
    ] = False,
    replay: Annotated[
        bool,
        typer.Option(
            "--replay",
            help="Of a ledger that was restored: queue what it lacks and the history has. With "
            "--yes; without, only tell. Implies --scan.",
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --replay: do it, and record it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare what ledger, history and audit trail say of the payments posted in a period.

    payments-reconciliation does so by itself, every night for the day before.

    Tells counts and sums by currency, and each difference by payment: posted, but not in the
    history, or the other way round; other amounts; without approval; not audited; items that were
    changed or deleted, or are not what an item must be; debits that are not credits.

    The ledger is read through its read-only function, the history by the keys that ledger and audit
    trail name (its table knows payments, not periods; see --scan), the audit trail by its hours. A
    million payments take some minutes and about 0.30 USD.

    Audit objects are in Glacier from their 90th day on. Until those of the period are restored,
    what is not audited, changed or deleted cannot be told; the rest is.

    --replay is for a ledger that was restored to a time before (docs/runbooks/restore.md): a
    payment of which nothing is wrong but that the ledger lacks it goes to the retry queue, and gets
    its entry back, under its id and at its time. Interrupted, or in doubt: once more. A payment is
    posted once, however often it is queued.

    Exit code 0: no difference, or all of them queued; 1: differences, or audit objects that cannot
    be read; 2: one of the three could not be read at all.
    """
    if yes and not replay:
        raise typer.BadParameter("--yes belongs to --replay")
    period = _period(begin, end, last, datetime.now(UTC))
    production = Production.find()
    told = terminal.told()
    with told.status("reading the ledger") as status:
        reconciled = reconcile(
            production, period, timedelta(seconds=grace), status, scan=scan or replay
        )
        lacking = Replay.of(reconciled.differences, reconciled.absent)
        if yes:
            status.update(f"queueing {len(lacking.payments)} payments")
            lacking.queue(production, begin=str(period.begin), end=str(period.end))
    if as_json:
        document = reconciled.document()
        typer.echo(json.dumps({**document, "replay": lacking.document()} if replay else document))
    else:
        _show(terminal.out(), reconciled)
        if replay:
            _show_replay(terminal.out(), lacking)
    mended = (
        yes
        and not reconciled.unread
        and len(lacking.payments) == len({each.transaction_id for each in reconciled.differences})
    )
    raise typer.Exit(0 if reconciled.held or mended else 1)


@dataclass(frozen=True, kw_only=True)
class Reconciled:
    """What came of it.

    Attributes:
        sums: reconciliation.books.Books.sums.
        under_way: payments that may yet get their traces.
        bucket: the audit trail's.
        absent: reconciliation.books.Books.absent.
        unread: objects of it, with the reason. While there are any, nobody knows which payments
            have no audit record, and none is told.
    """

    period: Period
    grace: timedelta
    sums: list[dict[str, Any]]
    differences: list[Difference]
    under_way: int
    absent: set[str]
    bucket: str
    unread: dict[str, str]
    scanned: bool

    @property
    def held(self) -> bool:
        return not self.differences and not self.unread

    @property
    def unjudged(self) -> list[str]:
        """What to know, and to do, about audit objects that were not read; a sentence a line."""
        if not self.unread:
            return []
        told = [
            "Not judged: which payments have no audit record, and which history items were changed "
            f"or deleted. {len(self.unread):,} objects of the audit trail were not read."
        ]
        archived = sum(reason == IN_GLACIER for reason in self.unread.values())
        if archived:
            told += [
                f"{archived:,} of them are in Glacier. Restore each, which takes up to 5 hours, "
                "and reconcile again:",
                _RESTORE.format(bucket=self.bucket),
                "--json tells all keys. For many, an S3 Batch Operations job restores a list of "
                "keys (aws s3control create-job, operation S3InitiateRestoreObject).",
            ]
        return told

    def document(self) -> dict[str, Any]:
        return {
            "held": self.held,
            "from": self.period.begin.isoformat(),
            "to": self.period.end.isoformat(),
            "grace_seconds": round(self.grace.total_seconds()),
            "history_scanned": self.scanned,
            "sums": self.sums,
            "under_way": self.under_way,
            "differences": [asdict(each) for each in self.differences],
            "audit_judged": not self.unread,
            "audit_unjudged": self.unjudged,
            "unread_audit_objects": self.unread,
        }


def reconcile(
    production: Production, period: Period, grace: timedelta, status: Status, *, scan: bool = False
) -> Reconciled:
    """
    Raises:
        UnreadableError, botocore's errors: something could not be read.
    """
    stores = Stores.of(production)
    found = compare(stores, period, status.update, grace=grace, scan=scan)
    return Reconciled(
        period=period,
        grace=grace,
        sums=found.books.sums(),
        differences=list(found.differences()),
        under_way=found.books.under_way(found.settled),
        absent=found.books.absent(),
        bucket=stores.audit.bucket,
        unread=found.unread,
        scanned=scan,
    )


def _period(
    begin: datetime | None, end: datetime | None, last: timedelta | None, now: datetime
) -> Period:
    if last is not None:
        if begin or end:
            raise typer.BadParameter("--last stands instead of --from and --to")
        return Period(begin=max(now - last, FIRST), end=now)
    if begin is None and end is not None:
        raise typer.BadParameter("--to needs --from")
    if begin is None:
        today = datetime.combine(now.date(), time(), UTC)
        return Period(begin=today - timedelta(days=1), end=today)
    begin = begin.replace(tzinfo=UTC)
    if not FIRST <= begin < now:
        raise typer.BadParameter(f"--from must be in the past, and not before {FIRST.date()}")
    end = end.replace(tzinfo=UTC) if end else begin + timedelta(days=1)
    if begin >= end:
        raise typer.BadParameter("--from must be before --to")
    return Period(begin=begin, end=min(end, now))


def _show_replay(console: Console, lacking: Replay) -> None:
    count = f"{len(lacking.payments):,} payments that the ledger lacks"
    if lacking.record:
        console.print(f"{count} are queued; recorded in the audit bucket: {escape(lacking.record)}")
        console.print("Once the retry queue is empty, reconcile again.")
    elif lacking.payments:
        console.print(f"{count} would be queued; nothing was done: give --yes to do it")
    else:
        console.print("There is nothing to queue: the ledger lacks no payment of the history.")
    if lacking.left:
        console.print(
            f"[red]{len(lacking.left):,} are left[/], of which more is wrong: see above, and "
            "docs/runbooks/business.md#history-changed"
        )


def _show(console: Console, reconciled: Reconciled) -> None:
    period = reconciled.period
    console.print(f"Posted from {period.begin:%Y-%m-%d %H:%M:%S} to {period.end:%Y-%m-%d %H:%M:%S}")
    stores = ("ledger", "history", "audit trail")
    table = terminal.grid("currency", *stores, right=stores)
    for told in reconciled.sums:
        cells = [told[name] for name in ("ledger", "history", "audit")]
        currency = escape(told["currency"] or "none")
        table.add_row(currency, *(f"{c['count']:,}: {c['sum']:,}" for c in cells))
    if reconciled.sums:
        console.print(table)
        console.print("Payments: sums in minor units.")
    else:
        console.print("No payment was posted then. The last hour's: --last 1h")
    if reconciled.under_way:
        console.print(
            f"{reconciled.under_way} posted in the last {reconciled.grace.seconds} s may yet get "
            "their traces (--grace)."
        )
    for key, reason in list(reconciled.unread.items())[:_SHOWN]:
        console.print(f"[red]✘[/] {escape(key)}: {escape(reason)}")
    if len(reconciled.unread) > _SHOWN:
        console.print(f"And {len(reconciled.unread) - _SHOWN:,} more.")
    for line in reconciled.unjudged:
        console.print(escape(line), soft_wrap=True)
    if reconciled.differences:
        found = terminal.grid("payment", "difference")
        found.columns[0].no_wrap = True
        for each in reconciled.differences[:_SHOWN]:
            id_ = escape(each.transaction_id)
            found.add_row(id_, f"[red]{each.kind}[/]: {escape(each.detail)}")
        console.print(found)
        more = len(reconciled.differences) - _SHOWN
        if more > 0:
            console.print(f"And {more:,} more: --json tells all.")
        trail = in_days(datetime.now(UTC) - reconciled.period.begin)
        console.print(
            f"What happened to one of them: .venv/bin/python -m ops payment ID --trail {trail}",
            soft_wrap=True,
        )
    elif reconciled.held:
        console.print("[green]✔[/] No difference.")
