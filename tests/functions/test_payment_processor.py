"""Processing: once, whoever asks and however often; queued when the ledger is away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import EndpointConnectionError
from payment_processor.logic import Processor
from payment_processor.outbox import check_balance, measure, sweep

from ledger.posting import Backlog, Entry, OutboxEvent, told_entry
from ledger.session import LedgerBusyError, LedgerRefusedError, LedgerUnavailableError
from payments.attributes import to_item
from payments.history import Payment
from payments.moments import now
from payments.problems import Problem
from payments.states import DECLINED, PaymentRequest, Posting
from tests.functions.conftest import Clock, Metrics
from tests.functions.test_history import REQUEST

BEFORE_EXPIRY = datetime(2026, 1, 31, 8, 14, 59, tzinfo=UTC)
EXPIRY = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)


def posted_at(microseconds: int) -> str:
    return f"1970-01-01T00:00:00.{microseconds:06}Z"


UNREACHABLE = EndpointConnectionError(endpoint_url="https://dynamodb")


class FakeLedger:
    """Entries in memory; every call raises `error` while there is one."""

    def __init__(self, clock: Callable[[], datetime] = now) -> None:
        self.clock = clock
        self.refused: set[str] = set()
        self.error: Exception | None = None
        self.imbalances = 0
        self.entries: dict[str, Entry] = {}
        self.outbox: dict[int, OutboxEvent] = {}

    def post(
        self,
        *,
        transaction_id: str,
        merchant_id: str,
        amount: int,
        currency: str,
        not_after: str | None = None,
    ) -> Entry | None:
        self._check()
        if transaction_id not in self.entries:
            if transaction_id in self.refused or (
                not_after is not None and self.clock() >= datetime.fromisoformat(not_after)
            ):
                self.refused.add(transaction_id)
                return None
            number = len(self.entries) + 1
            terms = {"merchant_id": merchant_id, "amount": amount, "currency": currency}
            self._enter(transaction_id, f"e{number}", number, terms)
        return self._seen(transaction_id)

    def restore(
        self, *, transaction_id: str, entry_id: str, posted_at: str, **terms: Any
    ) -> Entry | None:
        self._check()
        if transaction_id not in self.entries:
            microseconds = datetime.fromisoformat(posted_at).microsecond
            self._enter(transaction_id, entry_id, microseconds, terms)
        return self._seen(transaction_id)

    def _enter(self, transaction_id: str, entry_id: str, at: int, terms: dict[str, Any]) -> None:
        event = {"state": "posted", "entry_id": entry_id, **terms}
        self.outbox[at] = OutboxEvent(at, transaction_id, at, event)
        told = told_entry(entry_id=entry_id, posted_at=posted_at(at), **terms)
        self.entries[transaction_id] = told

    def unbalanced(self, since: float) -> int:
        return self.imbalances

    def backlog(self) -> Backlog:
        self._check()
        oldest = min((event.timestamp for event in self.outbox.values()), default=None)
        return Backlog(len(self.outbox), oldest)

    def undelivered(self, after: int, limit: int) -> list[OutboxEvent]:
        self._check()
        return [event for number, event in sorted(self.outbox.items()) if number > after][:limit]

    def mark_delivered(self, event_ids: Iterable[int]) -> None:
        self._check()
        for number in event_ids:
            del self.outbox[number]

    def _seen(self, transaction_id: str) -> Entry:
        events = [e for e in self.outbox.values() if e.transaction_id == transaction_id]
        return replace(self.entries[transaction_id], undelivered=events)

    def _check(self) -> None:
        if self.error:
            raise self.error


class FakeHistory:
    """Requests and events in memory; recording raises `error` while there is one."""

    def __init__(self, *requests: PaymentRequest) -> None:
        self.error: Exception | None = None
        self.requests = {request.transaction_id: request for request in requests}
        self.events: dict[tuple[str, int], Mapping[str, Any]] = {}
        self.accepted: dict[str, str] = {}

    def find(self, transaction_id: str) -> Payment | None:
        if transaction_id not in self.requests:
            return None
        accepted = transaction_id in self.accepted
        return Payment(self.requests[transaction_id], accepted, self._posting(transaction_id))

    def _posting(self, transaction_id: str) -> Posting | None:
        for (name, timestamp), event in self.events.items():
            if name == transaction_id:
                terms = {k: event[k] for k in ("entry_id", "merchant_id", "amount", "currency")}
                return Posting(timestamp=timestamp, **terms)
        return None

    def record_acceptance(self, transaction_id: str, accepted_at: str) -> None:
        self.accepted.setdefault(transaction_id, accepted_at)

    def record_event(self, transaction_id: str, timestamp: int, event: Mapping[str, Any]) -> bool:
        if self.error:
            raise self.error
        is_new = (transaction_id, timestamp) not in self.events
        self.events.setdefault((transaction_id, timestamp), event)
        return is_new


class World:
    """payment-processor between an approved payment (t1), another (t3) and a declined one (t2)."""

    def __init__(self) -> None:
        declined = replace(REQUEST, transaction_id="t2", state=DECLINED)
        self.clock = Clock(BEFORE_EXPIRY)
        self.ledger = FakeLedger(self.clock)
        self.history = FakeHistory(REQUEST, declined, replace(REQUEST, transaction_id="t3"))
        self.processor = Processor(self.history, self.ledger, self.clock)
        self.queue: list[str] = []

    def refusal(self, transaction_id: str) -> tuple[HTTPStatus, str]:
        with pytest.raises(Problem) as error:
            self.processor.process(transaction_id, pytest.fail)
        return error.value.status, error.value.code

    def posted(self) -> Entry:
        entry = self.processor.process("t1", pytest.fail)
        assert entry is not None
        return entry

    def told(self) -> tuple[object, ...]:
        """What a client is told of it."""
        return told(self.posted())

    def post_but_do_not_mark(self) -> None:
        """The function dies before the ledger hears that the event was delivered."""
        with mock.patch.object(self.ledger, "mark_delivered", side_effect=LedgerUnavailableError):
            self.posted()

    def sweep(self) -> int:
        return sweep(self.ledger, self.history, lambda: True)


@pytest.fixture
def world() -> World:
    return World()


def told(entry: Entry) -> tuple[object, ...]:
    """What a client is told of it."""
    return entry.entry_id, entry.posted_at, entry.postings


def test_an_approved_payment_is_posted_on_its_own_terms(world: World) -> None:
    assert world.posted().postings == [
        {"account": account, "direction": direction, "amount": 1050, "currency": "EUR"}
        for account, direction in (
            ("clearing-receivable/EUR", "debit"),
            ("merchant-payable/acme/EUR", "credit"),
        )
    ]


def test_the_history_is_told_and_the_outbox_emptied(world: World) -> None:
    world.posted()
    ((place, event),) = world.history.events.items()
    assert place == ("t1", 1)
    assert (event["state"], event["amount"], event["currency"]) == ("posted", 1050, "EUR")
    assert world.ledger.outbox == {}


def test_asking_again_gives_the_same_entry_even_after_expiry(world: World) -> None:
    first = world.told()
    assert world.told() == first
    world.clock.now = EXPIRY + timedelta(days=1)
    assert world.told() == first
    assert len(world.history.events) == 1


def test_an_unknown_payment_is_not_found(world: World) -> None:
    assert world.refusal("t0") == (404, "payment_not_found")


def test_a_declined_payment_is_a_conflict(world: World) -> None:
    assert world.refusal("t2") == (409, "payment_declined")
    assert world.ledger.entries == {}


# -- expiry ----------------------------------------------------------------------------------


def test_an_expired_approval_is_a_conflict(world: World) -> None:
    world.clock.now = EXPIRY
    assert world.refusal("t1") == (409, "approval_expired")
    assert world.ledger.entries == {}


def test_the_ledger_is_handed_the_moment_and_decides_by_its_own_clock(world: World) -> None:
    """The posting may be long on its way."""
    world.ledger.clock = Clock(EXPIRY)
    assert world.refusal("t1") == (409, "approval_expired")


def test_expired_once_is_expired_for_good(world: World) -> None:
    """Whoever was told so may have paid in another way."""
    world.clock.now = EXPIRY
    world.refusal("t1")
    # The acceptance of a request that was in time is written only now.
    world.history.record_acceptance("t1", "late")
    world.clock.now = BEFORE_EXPIRY
    assert world.refusal("t1") == (409, "approval_expired")
    with pytest.raises(Problem, match="approval_expired"):
        world.processor.process_queued("t1")
    assert world.ledger.entries == {}


def test_an_expired_approval_is_not_queued(world: World) -> None:
    world.ledger.error = LedgerUnavailableError()
    world.clock.now = EXPIRY
    assert world.refusal("t1") == (503, "service_unavailable")
    assert world.history.accepted == {}


@pytest.mark.parametrize("slow", ["reading the request", "waiting for the ledger"])
def test_the_clock_is_read_after_what_takes_time(world: World, slow: str) -> None:
    """What was in time before may not be now."""
    world.ledger.error = LedgerUnavailableError()
    subject, name = (
        (world.history, "find") if slow == "reading the request" else (world.ledger, "post")
    )
    call = getattr(subject, name)

    def take_time(*arguments: Any, **named: Any) -> Any:
        world.clock.now = EXPIRY
        return call(*arguments, **named)

    setattr(subject, name, take_time)
    assert world.refusal("t1") == (503, "service_unavailable")
    assert world.history.accepted == {}


# -- the queue -------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [LedgerUnavailableError(), LedgerBusyError()])
def test_what_the_ledger_does_not_post_now_is_queued(world: World, error: Exception) -> None:
    world.ledger.error = error
    assert world.processor.process("t1", world.queue.append) is None
    assert world.queue == ["t1"]


def test_what_the_ledger_refuses_for_good_is_not_said_to_be_on_its_way(world: World) -> None:
    world.ledger.error = LedgerRefusedError()
    with pytest.raises(LedgerRefusedError):
        world.processor.process("t1", pytest.fail)
    assert world.history.accepted == {}


def test_without_time_a_payment_is_queued_and_the_ledger_not_asked(world: World) -> None:
    assert world.processor.process("t1", world.queue.append, may_post=lambda: False) is None
    assert world.queue == ["t1"]
    assert world.ledger.entries == {}
    assert set(world.history.accepted) == {"t1"}


def test_acceptance_is_noted_before_the_payment_is_on_the_queue(world: World) -> None:
    world.ledger.error = LedgerUnavailableError()
    noted: list[dict[str, str]] = []
    world.processor.process("t1", lambda _: noted.append(dict(world.history.accepted)))
    assert noted == [{"t1": "2026-01-31T08:14:59.000000Z"}]


def test_a_payment_that_was_queued_in_time_is_never_called_expired(world: World) -> None:
    world.ledger.error = LedgerUnavailableError()
    world.processor.process("t1", world.queue.append)
    world.clock.now = EXPIRY + timedelta(days=1)
    assert world.processor.process("t1", world.queue.append) is None
    assert world.queue == ["t1", "t1"]
    world.ledger.error = None
    assert world.posted().entry_id == "e1"
    assert world.processor.process_queued("t1").entry_id == "e1"


def unreachable(_: str) -> None:
    raise UNREACHABLE


def test_a_payment_whose_way_to_the_queue_was_cut_short_is_not_called_expired_either(
    world: World,
) -> None:
    world.ledger.error = LedgerUnavailableError()
    with pytest.raises(EndpointConnectionError):
        world.processor.process("t1", unreachable)
    world.ledger.error = None
    world.clock.now = EXPIRY
    assert world.posted().entry_id == "e1"


def test_without_the_queue_nothing_is_accepted(world: World) -> None:
    world.ledger.error = LedgerUnavailableError()
    with pytest.raises(EndpointConnectionError):
        world.processor.process("t1", unreachable)


def test_a_message_posts_nothing_that_was_never_accepted_and_has_expired(world: World) -> None:
    world.clock.now = EXPIRY
    with pytest.raises(Problem, match="approval_expired"):
        world.processor.process_queued("t1")
    assert world.ledger.entries == {}


def test_a_message_posts_what_was_never_accepted_while_its_approval_holds(world: World) -> None:
    assert world.processor.process_queued("t1").entry_id == "e1"


# -- a ledger that was restored --------------------------------------------------------------


def test_what_the_history_knows_as_posted_is_neither_posted_again_nor_denied(world: World) -> None:
    before = world.told()
    world.ledger.entries.clear()  # restored to a time before
    assert world.told() == before
    assert world.ledger.entries == {}
    assert len(world.history.events) == 1


def test_a_message_gives_a_restored_ledger_the_very_entry_back(
    world: World, metrics: Metrics
) -> None:
    """Long after its approval expired; and nobody is told of it, or counts it, again."""
    before = world.told()
    events = dict(world.history.events)
    world.ledger.entries.clear()
    world.clock.now = EXPIRY + timedelta(days=1)
    counted = metrics()
    for _ in range(2):
        assert told(world.processor.process_queued("t1")) == before
    assert told(world.ledger.entries["t1"]) == before
    assert (world.history.events, world.ledger.outbox) == (events, {})
    assert counted
    assert metrics() == []


def test_what_the_history_knows_as_posted_needs_no_ledger(world: World) -> None:
    before = world.told()
    world.ledger.error = LedgerUnavailableError()
    assert world.told() == before


# -- telling the history ---------------------------------------------------------------------


def test_a_payment_is_posted_though_its_history_cannot_be_told_now(world: World) -> None:
    world.history.error = UNREACHABLE
    world.posted()
    assert len(world.ledger.outbox) == 1
    world.history.error = None
    assert world.sweep() == 1
    assert (len(world.history.events), world.ledger.outbox) == (1, {})


def test_an_event_delivered_but_not_marked_is_swept_without_a_second_item(world: World) -> None:
    world.post_but_do_not_mark()
    assert len(world.ledger.outbox) == 1
    world.sweep()
    assert (len(world.history.events), world.ledger.outbox) == (1, {})


def test_a_sweep_goes_past_events_that_cannot_be_delivered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(250):
        world.ledger.post(transaction_id=f"x{number}", merchant_id="m", amount=1, currency="EUR")
    record = world.history.record_event

    def choosy(transaction_id: str, timestamp: int, event: Mapping[str, Any]) -> bool:
        if timestamp <= 100:
            raise UNREACHABLE
        return record(transaction_id, timestamp, event)

    monkeypatch.setattr(world.history, "record_event", choosy)
    assert world.sweep() == 150
    assert len(world.ledger.outbox) == 100


@pytest.mark.parametrize(
    "event",
    [
        {"state": "posted"},
        {"state": "posted", "amount": 1, "currency": None},
        {"amount": 0.5},
        {"of": "another kind"},
        {},
    ],
)
def test_an_event_that_cannot_be_delivered_holds_up_nothing_behind_it(
    world: World, monkeypatch: pytest.MonkeyPatch, event: dict[str, Any]
) -> None:
    """Nor its own payment, which is posted."""
    world.ledger.post(transaction_id="x0", merchant_id="m", amount=1, currency="EUR")
    world.ledger.outbox[1] = OutboxEvent(1, "x0", 7, event)
    record = world.history.record_event

    def as_the_table(transaction_id: str, timestamp: int, event: Mapping[str, Any]) -> bool:
        to_item(event)
        return record(transaction_id, timestamp, event)

    monkeypatch.setattr(world.history, "record_event", as_the_table)
    assert world.posted()
    world.ledger.post(transaction_id="t3", merchant_id="m", amount=1, currency="EUR")
    world.sweep()
    assert {transaction for transaction, _ in world.history.events} >= {"t1", "t3"}
    assert set(world.ledger.outbox) <= {1}


def test_a_sweep_stops_when_its_time_is_up(world: World) -> None:
    for number in range(250):
        world.ledger.post(transaction_id=f"x{number}", merchant_id="m", amount=1, currency="EUR")
    assert sweep(world.ledger, world.history, lambda: len(world.history.events) < 120) == 120
    assert len(world.ledger.outbox) == 130


def test_a_payment_is_counted_once_however_often_its_event_is_delivered(
    world: World, metrics: Metrics
) -> None:
    for _ in range(2):
        world.post_but_do_not_mark()
    world.sweep()
    assert metrics() == [("PaymentsProcessed", 1, None), ("AmountProcessed", 1050, "EUR")]


def test_a_posted_payment_is_answered_even_without_time_to_tell_its_history(world: World) -> None:
    entry = world.processor.process("t1", pytest.fail, lambda: False)
    assert entry is not None
    assert (len(world.ledger.outbox), world.history.events) == (1, {})


def test_the_sweep_reports_how_far_the_history_is_behind(
    world: World, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payment_processor.outbox.time", lambda: 61.0)
    measure(world.ledger)
    assert metrics() == [("OutboxBacklog", 0, None), ("OutboxAge", 0, None)]
    for number in range(3):
        world.ledger.post(transaction_id=f"x{number}", merchant_id="m", amount=1, currency="EUR")
    measure(world.ledger)
    assert metrics() == [("OutboxBacklog", 3, None), ("OutboxAge", 60, None)]


def test_the_sweep_reports_entries_that_do_not_balance(world: World, metrics: Metrics) -> None:
    check_balance(world.ledger)
    world.ledger.imbalances = 2
    check_balance(world.ledger)
    assert metrics() == [("LedgerImbalance", 0, None), ("LedgerImbalance", 2, None)]
