"""`restore-drill`: whether the backups bring production's records back, and how long it takes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.status import Status

from ops.console import checks, terminal
from ops.console.characters import visible
from ops.console.checks import Check, Verdict, judged
from ops.console.failure import OpsError, explain
from ops.console.settings import JsonOption, YesOption
from ops.console.terminal import escape, progress
from ops.production.action_record import recorded
from ops.production.prices import HOURS, Prices
from ops.production.stack import Production
from ops.restore.comparison import CLOCKS, Comparison, compare, of_history, of_ledger
from ops.restore.scratch import Copy, Database, Store, Table, scratch_name
from reconciliation.history import PaymentHistory
from reconciliation.ledger import FIRST, Ledger

_POLL_SECONDS: Final = 5.0
_LONGEST: Final = 3 * 3600.0
"""Seconds, for each of the two: to be restored, and to be deleted."""
_CLEAN_UP: Final = ".venv/bin/python -m ops restore-drill --clean-up"

Json = dict[str, Any]


def command(
    yes: YesOption = False,
    at: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%SZ"],
            metavar="YYYY-MM-DDTHH:MM:SSZ",
            help="The moment to restore, in UTC. Without: the latest that each store has.",
        ),
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, max=36500, help="How many days of ledger entries are compared.")
    ] = 7,
    clean_up: Annotated[
        bool,
        typer.Option("--clean-up", help="Only delete what an interrupted drill left behind."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Restore history and ledger beside production, compare them with it, and delete them again.

    The table is restored from its point-in-time recovery, the database from its automated
    backups; both under scratch names, in production's network and under its keys. Every history
    item, and the ledger entries of the last days, are compared with the live ones. What is printed
    as the time to recover is measured: from the request until both could be read. Production is
    only read.

    It costs money (named first), takes half an hour or more, and is recorded in the audit bucket.
    Ctrl-C deletes what it can; `--clean-up` finds the rest. Exit code 1: something differs, or is
    left behind.
    """
    production = Production.find()
    drill = Drill.of(production, at and at.replace(tzinfo=UTC), days)
    if clean_up:
        _clean_up(drill, as_json)
        return
    plans = drill.plan()
    if not yes:
        _show_plan(drill, plans, as_json)
        return
    if not as_json:
        _print_plan(drill, plans)
    told = terminal.told()
    names = [plan.copy.name for plan in plans]
    found: list[Check] = []
    with (
        recorded(production, "restore-drill", names=names, at=drill.at and str(drill.at)) as record,
        told.status("restoring") as status,
    ):
        record.outcome["checks"] = []
        for check in drill.run(plans, status, told):
            found.append(check)
            record.outcome["checks"].append(f"{check.what}: {check.found}")
    checks.tell(found, as_json=as_json, names=names)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One store's restore.

    Attributes:
        moment: that it is restored to, in UTC.
        usd: what an hour of it costs, and its making.
    """

    copy: Copy
    moment: datetime
    usd: float


@dataclass(frozen=True, kw_only=True)
class Drill:
    production: Production
    table: Table
    database: Database
    at: datetime | None
    days: int

    @classmethod
    def of(cls, production: Production, at: datetime | None, days: int) -> Drill:
        return cls(
            production=production,
            table=Table.of(production),
            database=Database.of(production),
            at=at,
            days=days,
        )

    @property
    def stores(self) -> tuple[Store, Store]:
        return self.table, self.database

    def plan(self) -> Sequence[Plan]:
        """
        Raises:
            OpsError: a store cannot be restored, or not to that moment.
        """
        now, plans = datetime.now(UTC), []
        for store, price in ((self.table, self._table_usd), (self.database, self._database_usd)):
            earliest, latest = store.window()
            if self.at and not earliest <= self.at <= latest:
                raise OpsError(
                    f"{store.live} can be restored to a moment from "
                    f"{earliest:%Y-%m-%dT%H:%M:%SZ} to {latest:%Y-%m-%dT%H:%M:%SZ}"
                )
            copy = Copy(store=store, name=scratch_name(store, now))
            plans.append(Plan(copy=copy, moment=self.at or latest, usd=price()))
        return plans

    def run(self, plans: Sequence[Plan], status: Status, told: Console) -> Iterator[Check]:
        """What came of it. However it ends, the copies are deleted as far as they can be."""
        copies = [plan.copy for plan in plans]
        try:
            yield from self._restore(plans, status)
            yield from self._compare(plans, status)
        except Exception as error:
            told.print(f"[red]it ends here:[/] {escape(explain(error))}", soft_wrap=True)
            _delete_all(copies, status, told)
            raise
        except BaseException:  # interrupted: whoever stops us does not want to wait
            status.update("interrupted: deleting what was restored")
            _delete_all(copies, status, told, patient=False)
            raise
        left = _delete_all(copies, status, told)
        yield judged(
            "deleted again",
            found=", ".join(copy.name for copy in left) or "nothing is left",
            needed="nothing left" if left else "",
            held=not left,
            mend=f"`{_CLEAN_UP}`",
        )

    def _restore(self, plans: Sequence[Plan], status: Status) -> Iterator[Check]:
        now = datetime.now(UTC)
        # Before anything is made: it answers, and has been woken if nobody asked it for long.
        Ledger.of(self.production).totals(now - CLOCKS, now)
        started = time.monotonic()
        seconds: dict[str, float] = {}
        for plan in reversed(plans):  # the database, which takes longer
            plan.copy.restore(self.at)
        while len(seconds) < len(plans):
            waited = time.monotonic() - started
            if waited > _LONGEST:
                raise OpsError(f"not restored after {_time(waited)}")
            for plan in plans:
                if plan.copy.name not in seconds and _is_restored(plan.copy):
                    seconds[plan.copy.name] = time.monotonic() - started
            states = ", ".join(
                f"{plan.copy.store.what} {plan.copy.state or 'asked for'}" for plan in plans
            )
            status.update(progress(escape(f"restoring, {_time(waited)}: {states}")))
            if len(seconds) < len(plans):
                time.sleep(_POLL_SECONDS)
        for plan in plans:
            taken = _time(seconds[plan.copy.name])
            yield judged(
                f"{plan.copy.store.what} restored",
                found=f"in {taken}, as of {plan.moment:%Y-%m-%d %H:%M:%S}Z",
                held=True,
            )
        # The reader signs in, and the table is read: then production could go on with them.
        table, database = plans
        self._ledger(database).totals(database.moment - CLOCKS, database.moment)
        self._history(table.copy.name).of_payment("none")
        here = " (says nothing of AWS: embedded environment)" if self.production.emulated else ""
        yield Check(
            what="time to recover",
            found=f"{_time(time.monotonic() - started)} until both could be read{here}",
            verdict=Verdict.UNSEEN if self.production.emulated else Verdict.HELD,
        )

    def _compare(self, plans: Sequence[Plan], status: Status) -> Iterator[Check]:
        table, database = plans
        status.update("comparing the history")
        yield _compared(
            "history items",
            compare(
                of_history(self._history(table.copy.name).all_items()),
                of_history(self._history(self.table.live).all_items()),
                table.moment,
            ),
        )
        status.update("comparing the ledger")
        begin = max(database.moment - timedelta(days=self.days), FIRST)
        period = begin, datetime.now(UTC)
        yield _compared(
            f"ledger entries of {self.days} days",
            compare(
                of_ledger(self._ledger(database).entries(*period)),
                of_ledger(Ledger.of(self.production).entries(*period)),
                database.moment,
            ),
        )
        for plan, what in ((table, "key of the table"), (database, "key of the database")):
            store = plan.copy.store
            yield _same(what, store.key(plan.copy.name), store.key(store.live))

    def _history(self, table: str) -> PaymentHistory:
        return PaymentHistory(dynamodb=self.table.dynamodb, table=table)

    def _ledger(self, database: Plan) -> Ledger:
        return Ledger.of(self.production, self.database.address(database.copy.name))

    def _table_usd(self) -> float:
        size: int = self.table.description(self.table.live)["TableSizeBytes"]
        prices = Prices.read().by_name
        reading = 2 * size / 8192 * prices["dynamodb.read"].usd  # not consistently, at half
        return size / 1e9 * prices["restore.dynamodb.gb"].usd + reading

    def _database_usd(self) -> float:
        prices = Prices.read().by_name
        live = self.database.description(self.database.live)
        instance = f"restore.rds.{live['DBInstanceClass']}"
        if instance not in prices:
            raise OpsError(
                f"ops/production/prices.toml has no price of {live['DBInstanceClass']}: "
                f"add {instance}"
            )
        storage = live["AllocatedStorage"] * prices["restore.rds.gp3"].usd / HOURS
        return float(prices[instance].usd + storage)


def _same(what: str, restored: str | None, live: str | None) -> Check:
    if live is None:
        return Check(what=what, found="cannot be seen here", verdict=Verdict.UNSEEN)
    return judged(
        what,
        found=restored or "none",
        needed="" if restored == live else live,
        held=restored == live,
        mend="restore with the live one's key; see its key policy",
    )


def _compared(what: str, found: Comparison) -> Check:
    if found.same and not found.compared:
        nothing = "there was nothing to compare: neither the copy nor production has any"
        return Check(what=what, found=nothing, verdict=Verdict.UNSEEN)
    return judged(
        what,
        found=str(found),
        needed="" if found.same else "all as they are live",
        held=found.same,
        mend="docs/runbooks/restore.md, *It differs*: do not rely on this backup until it is known "
        "why; `python -m ops reconcile` tells whether production's own stores agree",
    )


def _is_restored(copy: Copy) -> bool:
    """While one waits for so long, AWS may fail to answer now and then."""
    try:
        return copy.is_restored()
    except BotoCoreError:
        return False
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
            raise
        return False


def _delete_all(
    copies: Sequence[Copy], status: Status, told: Console, *, patient: bool = True
) -> list[Copy]:
    """Delete, and wait for it if patient; those that are left, which are told."""
    deadline = time.monotonic() + (_LONGEST if patient else 0)
    waiting, left = list(copies), list(copies)
    try:
        while waiting:
            for copy in list(waiting):
                try:
                    if copy.try_to_delete():
                        left.remove(copy)
                    else:
                        continue
                except (BotoCoreError, ClientError) as error:
                    told.print(f"[red]{escape(copy.name)}:[/] {escape(explain(error))}")
                waiting.remove(copy)
            if not waiting or time.monotonic() > deadline:
                break
            states = ", ".join(f"{copy.name} ({copy.state or 'asked for'})" for copy in waiting)
            status.update(progress(escape(f"deleting {states}")))
            time.sleep(_POLL_SECONDS)
    finally:
        for copy in left:
            told.print(
                f"[yellow]not yet deleted:[/] {copy.store.what} {escape(copy.name)}, which costs "
                f"money. Later: `{_CLEAN_UP}`",
                soft_wrap=True,
            )
    return left


def _clean_up(drill: Drill, as_json: bool) -> None:
    copies = [Copy(store=store, name=name) for store in drill.stores for name in store.scratch()]
    names = [copy.name for copy in copies]
    left: list[Copy] = []
    if copies:
        told = terminal.told()
        with (
            recorded(drill.production, "restore-drill --clean-up", names=names),
            told.status("deleting") as status,
        ):
            left = _delete_all(copies, status, told)
    remaining = [copy.name for copy in left]
    deleted = [name for name in names if name not in remaining]
    if as_json:
        typer.echo(json.dumps({"deleted": deleted, "left": remaining}))
    else:
        typer.echo(
            visible("\n".join(f"deleted: {name}" for name in deleted)) or "nothing to delete"
        )
    raise typer.Exit(1 if left else 0)


def _show_plan(drill: Drill, plans: Sequence[Plan], as_json: bool) -> None:
    if as_json:
        restores = [
            {
                "what": plan.copy.store.what,
                "from": plan.copy.store.live,
                "to": plan.copy.name,
                "as_of": plan.moment.isoformat(),
                "usd_of_an_hour": round(plan.usd, 4),
            }
            for plan in plans
        ]
        typer.echo(json.dumps({"done": False, "restores": restores}))
        return
    _print_plan(drill, plans)
    typer.echo("Nothing was done: give --yes to do it.")


def _print_plan(drill: Drill, plans: Sequence[Plan]) -> None:
    out = terminal.out()
    grid = terminal.grid("restored", "from", "as of", "to")
    for plan in plans:
        moment = f"{plan.moment:%Y-%m-%d %H:%M:%S}Z"
        store = plan.copy.store
        grid.add_row(store.what, escape(store.live), moment, escape(plan.copy.name))
    out.print(grid)
    out.print(
        f"Costs about {sum(plan.usd for plan in plans):.2f} USD for the first hour, and "
        f"{plans[1].usd:.2f} USD for each further one (prices of {Prices.read().date}; a database "
        "in one availability zone). Usually done in less than an hour.",
        soft_wrap=True,
    )
    left = [name for store in drill.stores for name in store.scratch()]
    if left:
        out.print(
            f"[yellow]left by an earlier drill:[/] {escape(', '.join(left))}; `{_CLEAN_UP}`",
            soft_wrap=True,
        )


def _time(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
