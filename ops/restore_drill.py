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
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table as Grid

from ops import checks
from ops.action_record import recorded
from ops.checks import Check, Verdict
from ops.failure import OpsError, explain
from ops.ledger import Ledger
from ops.payment_history import PaymentHistory
from ops.production import Production
from ops.report.costs import HOURS, Prices
from ops.restore_comparison import CLOCKS, Comparison, compare, of_history, of_ledger
from ops.restores import Database, Store, Table, is_restored, scratch_name, try_to_delete

_POLL_SECONDS: Final = 5.0
_LONGEST: Final = timedelta(hours=3)
"""For each of the two: to be restored, and to be deleted."""
_CLEAN_UP: Final = "python -m ops restore-drill --clean-up"

Json = dict[str, Any]


def command(
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it. Without: only tell what would be done.")
    ] = False,
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
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
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
    told = Console(stderr=True, highlight=False)
    names = [plan.name for plan in plans]
    with recorded(production, "restore-drill", names=names, at=at and at.isoformat()) as record:
        with told.status("restoring") as status:
            found = list(drill.run(plans, status, told))
        record.outcome["checks"] = [f"{each.what}: {each.found}" for each in found]
    if as_json:
        typer.echo(json.dumps({"names": names, **checks.as_document(found)}))
    else:
        checks.show(Console(highlight=False), found)
    raise typer.Exit(1 if checks.has_problems(found) else 0)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One store's restore.

    Attributes:
        name: of the scratch copy.
        moment: that it is restored to.
        usd: what an hour of it costs, and its making.
    """

    store: Store
    name: str
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
        now, usd = datetime.now(UTC), (self._table_usd(), self._database_usd())
        plans = []
        for store, price in zip(self.stores, usd, strict=True):
            latest = store.latest()
            if self.at and self.at > latest:
                raise OpsError(
                    f"{store.live} can be restored to {latest:%Y-%m-%dT%H:%M:%SZ} at the latest"
                )
            moment = self.at or latest
            plans.append(Plan(store=store, name=scratch_name(store, now), moment=moment, usd=price))
        return plans

    def run(self, plans: Sequence[Plan], status: Status, told: Console) -> Iterator[Check]:
        """What came of it. However it ends, the copies are deleted as far as they can be."""
        try:
            yield from self._restore(plans, status)
            yield from self._compare(plans, status)
        except Exception:
            _delete_all(plans, status, told)
            raise
        except BaseException:  # interrupted: whoever stops us does not want to wait
            status.update("interrupted: deleting what was restored")
            _delete_all(plans, status, told, patient=False)
            raise
        left = _delete_all(plans, status, told)
        yield Check(
            what="deleted again",
            found=", ".join(plan.name for plan in left) or "nothing is left",
            needed="nothing left" if left else "",
            verdict=Verdict.PROBLEM if left else Verdict.HELD,
            mend=f"`{_CLEAN_UP}`" if left else "",
        )

    def _restore(self, plans: Sequence[Plan], status: Status) -> Iterator[Check]:
        started = time.monotonic()
        seconds: dict[str, float] = {}
        for plan in plans:
            plan.store.restore(plan.name, self.at)
        while len(seconds) < len(plans):
            waited = timedelta(seconds=int(time.monotonic() - started))
            for plan in plans:
                if plan.name not in seconds and is_restored(plan.store, plan.name, waited):
                    seconds[plan.name] = time.monotonic() - started
            if waited > _LONGEST:
                raise OpsError(f"not restored after {waited}")
            status.update(
                f"restoring, {waited}: "
                + ", ".join(
                    f"{plan.store.what} {'is there' if plan.name in seconds else 'on its way'}"
                    for plan in plans
                )
            )
            if len(seconds) < len(plans):
                time.sleep(_POLL_SECONDS)
        for plan in plans:
            yield Check(
                what=f"{plan.store.what} restored",
                found=f"in {_time(seconds[plan.name])}, as of {plan.moment:%Y-%m-%d %H:%M:%S}Z",
                verdict=Verdict.HELD,
            )
        # The reader signs in, and the table is read: then production could go on with them.
        self._ledger(plans).totals(plans[1].moment - CLOCKS, plans[1].moment)
        PaymentHistory(dynamodb=self.table.dynamodb, table=plans[0].name).of_payment("none")
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
                of_history(self._history(table.name)),
                of_history(self._history(self.table.live)),
                table.moment,
            ),
        )
        status.update("comparing the ledger")
        end = datetime.now(UTC)
        period = end - timedelta(days=self.days), end
        yield _compared(
            f"ledger entries of {self.days} days",
            compare(
                of_ledger(self._ledger(plans).entries(*period)),
                of_ledger(Ledger.of(self.production).entries(*period)),
                database.moment,
            ),
        )
        yield _same(
            "key of the table",
            *(
                self.table.description(name).get("SSEDescription", {}).get("KMSMasterKeyArn")
                for name in (table.name, self.table.live)
            ),
        )
        yield _same(
            "key of the database",
            *(
                self.database.description(name).get("KmsKeyId")
                for name in (database.name, self.database.live)
            ),
        )

    def _history(self, table: str) -> Iterator[Json]:
        return PaymentHistory(dynamodb=self.table.dynamodb, table=table).all_items()

    def _ledger(self, plans: Sequence[Plan]) -> Ledger:
        return Ledger.of(self.production, self.database.address(plans[1].name))

    def _table_usd(self) -> float:
        size: int = self.table.description(self.table.live)["TableSizeBytes"]
        prices = Prices.read().by_name
        reading = 2 * size / 4096 * prices["dynamodb.read"].usd
        return size / 1e9 * prices["restore.dynamodb.gb"].usd + reading

    def _database_usd(self) -> float:
        prices = Prices.read().by_name
        live = self.database.description(self.database.live)
        instance = f"restore.rds.{live['DBInstanceClass']}"
        if instance not in prices:
            raise OpsError(
                f"ops/report/prices.toml has no price of {live['DBInstanceClass']}: add {instance}"
            )
        storage = live["AllocatedStorage"] * prices["restore.rds.gp3"].usd / HOURS
        return float(prices[instance].usd + storage)


def _same(what: str, restored: str | None, live: str | None) -> Check:
    if live is None:
        return Check(what=what, found="cannot be seen here", verdict=Verdict.UNSEEN)
    return Check(
        what=what,
        found=restored or "none",
        needed="" if restored == live else live,
        verdict=Verdict.HELD if restored == live else Verdict.PROBLEM,
        mend="" if restored == live else "restore with the live one's key; see its key policy",
    )


def _compared(what: str, found: Comparison) -> Check:
    return Check(
        what=what,
        found=str(found),
        needed="" if found.same else "all as they are live",
        verdict=Verdict.HELD if found.same else Verdict.PROBLEM,
        mend=""
        if found.same
        else "docs/runbooks/database.md: do not rely on this backup until it is known why; "
        "`python -m ops reconcile` tells whether production's own stores agree",
    )


def _delete_all(
    plans: Sequence[Plan], status: Status, told: Console, *, patient: bool = True
) -> list[Plan]:
    """Delete, and wait for it if patient; those that are left, which are told."""
    deadline = time.monotonic() + (_LONGEST.total_seconds() if patient else 0)
    waiting, left = list(plans), list(plans)
    try:
        while waiting:
            for plan in list(waiting):
                try:
                    if try_to_delete(plan.store, plan.name):
                        left.remove(plan)
                    else:
                        continue
                except (BotoCoreError, ClientError) as error:
                    told.print(f"[red]{escape(plan.name)}:[/] {escape(explain(error))}")
                waiting.remove(plan)
            if not waiting or time.monotonic() > deadline:
                break
            status.update("deleting " + ", ".join(plan.name for plan in waiting))
            time.sleep(_POLL_SECONDS)
    finally:
        for plan in left:
            told.print(
                f"[yellow]not yet deleted:[/] {plan.store.what} {escape(plan.name)}, which costs "
                f"money. Later: `{_CLEAN_UP}`",
                soft_wrap=True,
            )
    return left


def _clean_up(drill: Drill, as_json: bool) -> None:
    plans = [
        Plan(store=store, name=name, moment=datetime.now(UTC), usd=0)
        for store in drill.stores
        for name in store.scratch()
    ]
    names = [plan.name for plan in plans]
    left: list[Plan] = []
    if plans:
        told = Console(stderr=True, highlight=False)
        with (
            recorded(drill.production, "restore-drill --clean-up", names=names),
            told.status("deleting") as status,
        ):
            left = _delete_all(plans, status, told)
    remaining = [plan.name for plan in left]
    deleted = [name for name in names if name not in remaining]
    if as_json:
        typer.echo(json.dumps({"deleted": deleted, "left": remaining}))
    else:
        typer.echo("\n".join(f"deleted: {name}" for name in deleted) or "nothing to delete")
    raise typer.Exit(1 if left else 0)


def _show_plan(drill: Drill, plans: Sequence[Plan], as_json: bool) -> None:
    if as_json:
        restores = [
            {
                "what": plan.store.what,
                "from": plan.store.live,
                "to": plan.name,
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
    out = Console(highlight=False)
    grid = Grid(box=box.SIMPLE_HEAD)
    for column in ("restored", "from", "as of", "to"):
        grid.add_column(column, overflow="fold")
    for plan in plans:
        moment = f"{plan.moment:%Y-%m-%d %H:%M:%S}Z"
        grid.add_row(plan.store.what, escape(plan.store.live), moment, escape(plan.name))
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
