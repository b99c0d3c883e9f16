"""What `reconcile` calls a difference, and which period it looks at."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer
from rich.status import Status
from typer.testing import CliRunner

from ops.cli import app
from ops.console.durations import duration
from ops.console.failure import OpsError
from ops.production.action_record import ActionRecord
from ops.production.stack import Production
from ops.reconcile.command import _period
from ops.reconcile.replay import Replay
from payments.states import EVENTS
from reconciliation.audit_records import IN_GLACIER, AuditRecords, Found
from reconciliation.books import Books, Kind
from reconciliation.comparison import Period, add_audited, check_totals
from reconciliation.history import PaymentHistory, microseconds
from reconciliation.ledger import Ledger
from reconciliation.stores import UnreadableError

AT = 1_000_000
LATER = AT + 1
REQUESTED = {
    "timestamp": 0,
    "decided_at": "2026-03-01T11:00:00Z",
    "expires_at": "2026-03-01T11:15:00Z",
}
NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
TODAY = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def entry(id_: str = "a", debit: int = 5, credit: int = 5, currency: str = "EUR") -> dict[str, Any]:
    return {
        "transaction_id": id_,
        "sums": [{"currency": currency, "debit": debit, "credit": credit}],
        "events": [{"timestamp": AT, "state": "posted", "delivered_at": None}],
    }


def item(
    id_: str = "a", amount: int = 5, state: str = "posted", at: int = AT, currency: str = "EUR"
) -> dict[str, Any]:
    found = {
        "transaction_id": id_,
        "timestamp": at,
        "state": state,
        "amount": amount,
        "currency": currency,
    }
    return found if state == "posted" else {**found, **REQUESTED}


def complete() -> Books:
    """Of one payment, with all its traces."""
    books = Books()
    books.add_entry(entry(), AT)
    books.add_posted(item())
    books.add_approval(item(state="approved"))
    books.add_audited(item())
    return books


def kinds(books: Books) -> list[tuple[str, Kind]]:
    return [(each.transaction_id, each.kind) for each in books.differences(settled=AT + 10)]


def test_a_payment_with_all_its_traces_is_no_difference() -> None:
    assert kinds(complete()) == []


def test_a_record_that_is_twice_in_the_trail_is_no_difference() -> None:
    books = complete()
    books.add_audited(item())
    assert kinds(books) == []
    assert books.sums()[0]["audit"] == {"count": 1, "sum": 5}


@pytest.mark.parametrize(
    ("teller", "other"),
    [
        ("add_posted", {"amount": 6}),
        ("add_audited", {"amount": 6}),
        ("add_approval", {"amount": 6, "state": "approved"}),
        ("add_posted", {"currency": "USD"}),
        ("add_audited", {"currency": "USD"}),
        ("add_approval", {"currency": "USD", "state": "approved"}),
    ],
)
def test_each_store_is_compared_with_the_ledger(teller: str, other: dict[str, Any]) -> None:
    books = Books()
    books.add_entry(entry(), AT)
    getattr(books, teller)(item(**other))
    for name in {"add_posted", "add_audited", "add_approval"} - {teller}:
        getattr(books, name)(item(state="approved" if name == "add_approval" else "posted"))
    assert kinds(books) == [("a", Kind.AMOUNTS)]


def test_a_posting_of_what_was_declined_is_a_difference() -> None:
    books = Books()
    books.add_entry(entry(), AT)
    books.add_posted(item())
    books.add_audited(item())
    books.add_approval(item(state="declined"))
    (found,) = books.differences(settled=AT + 10)
    assert (found.kind, found.detail) == (
        Kind.NO_APPROVAL,
        "posted, 5 EUR; the request is declined",
    )


def malformed(item: dict[str, Any], *missing: str, **other: Any) -> dict[str, Any]:
    return {name: value for name, value in {**item, **other}.items() if name not in missing}


@pytest.mark.parametrize(
    ("amount", "currency"), [("abc", "EUR"), ("120.5", "EUR"), (-5, "EUR"), (10**30, "EUR"), (5, 5)]
)
def test_a_malformed_item_is_named_and_not_added_up(amount: Any, currency: Any) -> None:
    books = Books()
    books.add_entry(entry(), AT)
    books.add_approval(item(state="approved"))
    for add in (books.add_posted, books.add_audited):
        add(item("a"))
        add(malformed(item("b"), amount=amount, currency=currency))
    books.add_entry(entry("b"), AT)
    books.add_approval(item("b", state="approved"))
    (found,) = books.differences(settled=AT + 10)
    assert (found.transaction_id, found.kind) == ("b", Kind.MALFORMED)
    assert f": item {AT}: " in found.detail
    assert f"{'amount' if currency == 'EUR' else 'currency'} is " in found.detail
    assert {"history", "audit trail"} == set(found.detail.partition(":")[0].split(", "))
    sums = {each["currency"]: each["history"]["sum"] for each in books.sums()}
    assert sums["EUR"] == 5
    assert all(type(each) is int for each in sums.values())


def test_a_request_without_a_state_approves_nothing() -> None:
    books = complete()
    books.add_entry(entry("b"), AT)
    books.add_posted(item("b"))
    books.add_audited(item("b"))
    books.add_approval(malformed(item("b", state="approved"), "state", decided_at={}))
    told = {each.kind: each.detail for each in books.differences(settled=AT + 10)}
    assert told == {
        Kind.NO_APPROVAL: "posted, 5 EUR; the request is malformed",
        Kind.MALFORMED: "history: item 0: state is missing; decided_at is {}, which is no moment",
    }


def test_a_malformed_item_that_no_ledger_has_is_told_with_what_it_lacks() -> None:
    books = Books()
    books.add_posted(malformed(item(), "amount", state="done"))
    told = {each.kind: each.detail for each in books.differences(settled=AT + 10)}
    assert told == {
        Kind.NO_APPROVAL: "posted, of a malformed amount; the request is not in the history",
        Kind.NO_LEDGER: "posted, of a malformed amount, say: history",
        Kind.NO_AUDIT: "the history has the item, of a malformed amount",
        Kind.MALFORMED: f"history: item {AT}: state is 'done', which is no state of this item "
        f"({' or '.join(EVENTS)}); amount is missing",
    }


def test_a_malformed_item_in_the_trail_is_told_by_when_it_was_added() -> None:
    period = Period(begin=TODAY, end=NOW)

    def told(created: datetime, **other: Any) -> list[Kind]:
        books, added = Books(), {**item(state="approved"), **other}
        record = {
            "anomaly": False,
            "created_at": created.isoformat(),
            "keys": {name: added[name] for name in ("transaction_id", "timestamp")},
            "item": added,
        }
        add_audited(books, iter([Found("key", created, record)]), period, Status("").update)
        return [each.kind for each in books.differences(settled=microseconds(NOW))]

    assert told(TODAY) == []
    assert told(TODAY, state="odd") == [Kind.MALFORMED]
    assert told(TODAY, timestamp="5.5", state="posted") == [Kind.MALFORMED]
    assert told(NOW, state="odd") == []


def test_a_second_history_item_about_a_payment_is_a_difference() -> None:
    books = complete()
    books.add_posted(item(at=LATER))
    books.add_audited(item(at=LATER))
    assert kinds(books) == [("a", Kind.NO_LEDGER)]


def test_an_entry_without_postings_is_a_difference() -> None:
    books = complete()
    books.add_entry({**entry("b"), "sums": []}, AT)
    assert ("b", Kind.UNBALANCED) in kinds(books)


def test_what_was_posted_lately_may_be_under_way_but_not_be_wrong() -> None:
    books = Books()
    books.add_entry(entry("new"), AT)
    books.add_entry(entry("lopsided", credit=4), AT)
    (found,) = books.differences(settled=AT)
    assert (found.transaction_id, found.kind) == ("lopsided", Kind.UNBALANCED)
    assert books.under_way(settled=AT) == 2
    assert books.under_way(settled=LATER) == 0


def test_what_the_audit_trail_may_yet_tell_is_known() -> None:
    books = Books()
    assert not books.lack_audit()
    books.add_entry(entry(), AT)
    assert books.lack_audit()
    books.add_audited(item())
    assert not books.lack_audit()


class ToldTotals:
    """A ledger that only adds up."""

    def __init__(self, *totals: dict[str, Any]) -> None:
        self._totals = list(totals)

    def totals(self, _begin: datetime, _end: datetime) -> Any:
        return self._totals


def test_entries_that_were_not_shown_are_missed_in_the_totals() -> None:
    books = Books()
    books.add_entry(entry("a", debit=5, credit=4), AT)
    books.add_entry(entry("b", debit=7), AT)
    books.add_entry(entry("c", currency="CHF"), AT)
    books.add_entry({**entry("d"), "sums": []}, AT)
    books.add_entry(entry("later"), LATER)
    chf = {"currency": "CHF", "entries": 1, "debit": 5, "credit": 5}
    eur = {"currency": "EUR", "entries": 2, "debit": 12, "credit": 9}
    end = datetime.fromtimestamp(LATER / 1_000_000, UTC)
    check_totals(books, ToldTotals(chf, eur), TODAY, end)  # type: ignore[arg-type]
    for less in ({"entries": 3}, {"debit": 11}, {"credit": 10}):
        with pytest.raises(UnreadableError, match="do not add up"):
            check_totals(books, ToldTotals(chf, {**eur, **less}), TODAY, end)  # type: ignore[arg-type]
    with pytest.raises(UnreadableError, match="do not add up"):
        check_totals(books, ToldTotals(eur), TODAY, end)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("begin", "end", "last", "expected"),
    [
        (None, None, None, (TODAY - DAY, TODAY)),
        (None, None, timedelta(hours=1), (NOW - timedelta(hours=1), NOW)),
        (None, None, timedelta(days=99_999), (datetime(2000, 1, 1), NOW)),
        (datetime(2026, 1, 5), None, None, (datetime(2026, 1, 5), datetime(2026, 1, 6))),
        (datetime(2026, 3, 1), None, None, (TODAY, NOW)),
        (datetime(2026, 2, 28), datetime(2026, 3, 9), None, (TODAY - DAY, NOW)),
        (datetime(2026, 3, 1), datetime(9999, 12, 31), None, (TODAY, NOW)),
    ],
)
def test_a_period_ends_now_at_the_latest(
    begin: datetime | None, end: datetime | None, last: timedelta | None, expected: tuple[Any, Any]
) -> None:
    begin_, end_ = (each.replace(tzinfo=UTC) for each in expected)
    assert _period(begin, end, last, NOW) == Period(begin=begin_, end=end_)


def test_a_periods_end_does_not_belong_to_it() -> None:
    period = Period(begin=TODAY, end=NOW)
    assert period.has(microseconds(TODAY))
    assert period.has(microseconds(NOW) - 1)
    assert not period.has(microseconds(NOW))
    assert not period.has(microseconds(TODAY) - 1)


@pytest.mark.parametrize("begin", [NOW, NOW + DAY, datetime.max, datetime.min])
def test_a_period_begins_in_the_past_and_not_in_antiquity(begin: datetime) -> None:
    with pytest.raises(typer.BadParameter, match="--from must be in the past"):
        _period(begin.replace(tzinfo=None), None, None, NOW)


@pytest.mark.parametrize("end", [TODAY, TODAY - DAY, datetime.min])
def test_a_period_ends_after_its_begin(end: datetime) -> None:
    with pytest.raises(typer.BadParameter, match="--from must be before --to"):
        _period(TODAY.replace(tzinfo=None), end.replace(tzinfo=None), None, NOW)


def test_a_period_is_given_in_one_way() -> None:
    with pytest.raises(typer.BadParameter, match="--last stands instead of --from and --to"):
        _period(NOW.replace(tzinfo=None), None, DAY, NOW)
    with pytest.raises(typer.BadParameter, match="--to needs --from"):
        _period(None, NOW.replace(tzinfo=None), None, NOW)


def test_durations() -> None:
    assert duration("90m") == timedelta(minutes=90)
    assert duration("12h") == timedelta(hours=12)
    assert duration("7d") == timedelta(days=7)
    for wrong in ("", "1", "h", "0h", "-1h", "1w", "1.5h", "1h30m"):
        with pytest.raises(typer.BadParameter):
            duration(wrong)


# -- an audit trail that could not be read -------------------------------------------------


class Archive:
    """An audit trail of which nothing can be read, and how often it was searched."""

    bucket = "trail"

    def __init__(self, reason: str, objects: int = 1) -> None:
        self.unread: dict[str, str] = {}
        self.searched = 0
        self._found = {f"key-{number}": reason for number in range(objects)}

    def stored_between(self, _begin: datetime, _end: datetime) -> Iterator[Found]:
        self.searched += 1
        self.unread.update(self._found)
        yield from ()


class OnePayment:
    """Ledger and history of a payment; not posted in the history if its item is `lost`."""

    def __init__(self, *, lost: bool = False) -> None:
        self._lost = lost

    def entries(self, begin: datetime, _end: datetime) -> Iterator[dict[str, Any]]:
        yield {**entry(), "posted_at": begin.isoformat()}

    def totals(self, _begin: datetime, _end: datetime) -> list[dict[str, Any]]:
        return [{"currency": "EUR", "entries": 1, "debit": 5, "credit": 5}]

    def items(self, keys: set[tuple[str, int]]) -> list[dict[str, Any]]:
        found = [item(state="approved")]
        return found if self._lost else [*found, item(at=max(at for _, at in keys))]


def reconciled(
    monkeypatch: pytest.MonkeyPatch,
    archive: Archive,
    *options: str,
    lost: bool = False,
    found: Any = None,
) -> tuple[int, str]:
    """Exit code and output."""
    stores = OnePayment(lost=lost)
    for made, stands_in in ((Ledger, stores), (PaymentHistory, stores), (AuditRecords, archive)):
        monkeypatch.setattr(made, "of", lambda _production, answer=stands_in: answer)
    monkeypatch.setattr(Production, "find", lambda: found)
    done = CliRunner().invoke(app, ["reconcile", "--from=2026-01-05", *options])
    return done.exit_code, done.stdout


def test_without_the_audit_trails_objects_no_payment_is_called_unaudited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archive = Archive(IN_GLACIER)
    code, output = reconciled(monkeypatch, archive, "--json")
    document = json.loads(output)
    assert code == 1
    assert document["differences"] == []
    assert not document["held"]
    assert not document["audit_judged"]
    assert "aws s3api restore-object --bucket trail" in " ".join(document["audit_unjudged"])
    assert document["unread_audit_objects"] == {"key-0": IN_GLACIER}
    assert archive.searched == 1  # not for late records: another day to restore


def test_other_differences_are_told_without_the_audit_trail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, output = reconciled(monkeypatch, Archive(IN_GLACIER), "--json", lost=True)
    (found,) = json.loads(output)["differences"]
    assert (code, found["kind"]) == (1, "no history item")


def test_an_audit_trail_that_was_read_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive("", objects=0)
    code, output = reconciled(monkeypatch, archive, "--json")
    document = json.loads(output)
    (found,) = document["differences"]
    assert (code, found["kind"]) == (1, "no audit record")
    assert document["audit_judged"]
    assert document["audit_unjudged"] == []
    assert archive.searched == 2


def test_people_are_told_how_to_restore_what_is_in_glacier(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, output = reconciled(monkeypatch, Archive(IN_GLACIER, objects=60))
    assert code == 1
    assert "Not judged: which payments have no audit record, and" in output
    assert "60 objects of the audit trail were not read." in output
    assert (
        "aws s3api restore-object --bucket trail --key KEY --restore-request "
        """'{"Days": 7, "GlacierJobParameters": {"Tier": "Standard"}}'"""
    ) in output
    assert "create-job" in output
    assert "And 10 more." in output
    assert "No difference." not in output
    _, output = reconciled(monkeypatch, Archive("it is no gzip of JSON: verify the trail"))
    assert "Not judged: " in output
    assert "restore-object" not in output


# -- a ledger that was restored ------------------------------------------------------------


def lost() -> Books:
    """What may be replayed, and what may not, though the ledger lacks each of them."""
    books = complete()
    books.add_posted(item("a", at=LATER))  # the ledger has it, at another time
    for id_ in ("lost", "lost-unaudited", "declined", "other-amount", "changed", "odd"):
        books.add_posted(item(id_, amount=-5 if id_ == "odd" else 5))
        amount, state = ((6, "approved"), (5, "declined"))[id_ == "declined"]
        books.add_approval(item(id_, amount=amount if id_ == "other-amount" else 5, state=state))
        if id_ != "lost-unaudited":
            books.add_audited(item(id_))
    books.add_change("changed", AT, "MODIFY", "of item 5")
    books.add_audited(item("deleted"))
    return books


def test_what_nothing_is_wrong_of_but_that_the_ledger_lacks_it_is_replayed() -> None:
    books = lost()
    found = Replay.of(books.differences(settled=AT + 10), books.absent())
    assert sorted(found.payments) == ["lost", "lost-unaudited"]
    assert set(found.left) == {"a", "changed", "declined", "deleted", "odd", "other-amount"}


class Queue:
    """Takes messages, but for those of some payments."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.batches: list[list[str]] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        assert QueueUrl == "queue"
        ids = {each["Id"]: json.loads(each["MessageBody"])["transaction_id"] for each in Entries}
        assert [list(json.loads(each["MessageBody"])) for each in Entries] == [
            ["transaction_id"]
        ] * len(ids)
        self.batches.append(list(ids.values()))
        failed = [{"Id": id_, "Message": "busy"} for id_, t in ids.items() if t in self.refused]
        return {"Failed": failed} if failed else {}


class Deployed:
    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def client(self, _service: str) -> Queue:
        return self._queue

    def output(self, _key: str) -> str:
        return "queue"


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ActionRecord]]:
    """What was to be done, and the record of it."""
    made: list[tuple[Any, ActionRecord]] = []

    @contextlib.contextmanager
    def recorded(_production: Any, action: str, **details: Any) -> Iterator[ActionRecord]:
        assert action == "reconcile --replay"
        record = ActionRecord(key="operations/key")
        made.append((details, record))
        yield record

    monkeypatch.setattr("ops.reconcile.replay.recorded", recorded)
    return made


def test_a_replay_is_recorded_payment_by_payment(
    records: list[tuple[Any, ActionRecord]],
) -> None:
    queue, ids = Queue(), [str(number) for number in range(25)]
    replay = Replay(payments=ids, left=[])
    replay.queue(Deployed(queue), begin="then")  # type: ignore[arg-type]
    assert [len(batch) for batch in queue.batches] == [10, 10, 5]
    ((details, record),) = records
    assert [each["transaction_id"] for each in details["messages"]] == ids
    assert record.outcome["queued"] == ids
    assert replay.document()["done"]


def test_a_replay_that_is_cut_short_tells_how_far_it_came(
    records: list[tuple[Any, ActionRecord]],
) -> None:
    replay = Replay(payments=[str(number) for number in range(25)], left=[])
    with pytest.raises(OpsError, match=r"19 of 25 payments queued.*Do it again"):
        replay.queue(Deployed(Queue("12")), begin="then")  # type: ignore[arg-type]
    ((_, record),) = records
    assert len(record.outcome["queued"]) == 19
    assert "12" not in record.outcome["queued"]


def test_nothing_to_replay_needs_no_record(records: list[tuple[Any, ActionRecord]]) -> None:
    Replay(payments=[], left=["a"]).queue(Deployed(Queue()))  # type: ignore[arg-type]
    assert records == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "would be queued; nothing was done: give --yes"),
        (("--yes",), "1 payments that the ledger lacks are queued; recorded in the audit bucket"),
    ],
)
def test_a_replay_only_tells_until_it_is_to_be_done(
    monkeypatch: pytest.MonkeyPatch,
    records: list[tuple[Any, ActionRecord]],
    options: tuple[str, ...],
    told: str,
) -> None:
    class Restored(OnePayment):
        """It has no entry any more."""

        def entries(self, begin: datetime, _end: datetime) -> Iterator[dict[str, Any]]:
            yield from ()

        def totals(self, _begin: datetime, _end: datetime) -> list[dict[str, Any]]:
            return []

        def posted_between(self, begin: int, _end: int) -> Iterator[dict[str, Any]]:
            yield item(at=begin)

    queue = Queue()
    monkeypatch.setattr("tests.ops.test_reconcile.OnePayment", Restored)
    code, output = reconciled(
        monkeypatch, Archive("", objects=0), "--replay", *options, found=Deployed(queue)
    )
    assert told in output.replace("\n", " ")
    assert (code, len(queue.batches), len(records)) == ((0, 1, 1) if options else (1, 0, 0))
