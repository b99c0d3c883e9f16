"""Processing: once, whoever asks and however often; queued when the ledger is away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

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
from tests.functions.conftest import Metrics
from tests.functions.test_history import REQUEST

BEFORE_EXPIRY = datetime(2026, 1, 31, 8, 14, 59, tzinfo=UTC)
EXPIRY = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)


def posted_at(microseconds: int) -> str:
    return f"1970-01-01T00:00:00.{microseconds:06}Z"


UNREACHABLE = EndpointConnectionError(endpoint_url="https://dynamodb")


class Clock:
    """Stands still until somebody moves it; the functions' and the ledger's."""

    def __init__(self, moment: datetime = BEFORE_EXPIRY) -> None:
        self.now = moment

    def __call__(self) -> datetime:
        return self.now


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
                terms = (event["entry_id"], event["merchant_id"], event["amount"])
                return Posting(
                    timestamp=timestamp,
                    entry_id=terms[0],
                    merchant_id=terms[1],
                    amount=terms[2],
                    currency=event["currency"],
                )
        return None

    def record_acceptance(self, transaction_id: str, accepted_at: str) -> None:
        self.accepted.setdefault(transaction_id, accepted_at)

    def record_event(self, transaction_id: str, timestamp: int, event: Mapping[str, Any]) -> bool:
        if self.error:
            raise self.error
        is_new = (transaction_id, timestamp) not in self.events
        self.events.setdefault((transaction_id, timestamp), event)
        return is_new


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> FakeLedger:
    return FakeLedger(clock)


@pytest.fixture
def history() -> FakeHistory:
    declined = replace(REQUEST, transaction_id="t2", state=DECLINED)
    return FakeHistory(REQUEST, declined, replace(REQUEST, transaction_id="t3"))


@pytest.fixture
def processor(history: FakeHistory, ledger: FakeLedger, clock: Clock) -> Processor:
    return Processor(history, ledger, clock)


@pytest.fixture
def queue() -> list[str]:
    return []


def refusal(processor: Processor, transaction_id: str) -> tuple[HTTPStatus, str]:
    with pytest.raises(Problem) as error:
        processor.process(transaction_id, pytest.fail)
    return error.value.status, error.value.code


def posted(processor: Processor) -> Entry:
    entry = processor.process("t1", pytest.fail)
    assert entry is not None
    return entry


def told(entry: Entry) -> tuple[object, ...]:
    """What a client is told of it."""
    return entry.entry_id, entry.posted_at, entry.postings


def test_an_approved_payment_is_posted_on_its_own_terms(processor: Processor) -> None:
    assert posted(processor).postings == [
        {
            "account": account,
            "direction": direction,
            "amount": 1050,
            "currency": "EUR",
        }
        for account, direction in (
            ("clearing-receivable/EUR", "debit"),
            ("merchant-payable/acme/EUR", "credit"),
        )
    ]


def test_the_history_is_told_and_the_outbox_emptied(
    processor: Processor, ledger: FakeLedger, history: FakeHistory
) -> None:
    posted(processor)
    ((place, event),) = history.events.items()
    assert place == ("t1", 1)
    assert (event["state"], event["amount"], event["currency"]) == ("posted", 1050, "EUR")
    assert ledger.outbox == {}


def test_asking_again_gives_the_same_entry_even_after_expiry(
    processor: Processor, history: FakeHistory, clock: Clock
) -> None:
    first = told(posted(processor))
    assert told(posted(processor)) == first
    clock.now = EXPIRY + timedelta(days=1)
    assert told(posted(processor)) == first
    assert len(history.events) == 1


def test_an_unknown_payment_is_not_found(processor: Processor) -> None:
    assert refusal(processor, "t0") == (404, "payment_not_found")


def test_a_declined_payment_is_a_conflict(processor: Processor, ledger: FakeLedger) -> None:
    assert refusal(processor, "t2") == (409, "payment_declined")
    assert ledger.entries == {}


# -- expiry ----------------------------------------------------------------------------------


def test_an_expired_approval_is_a_conflict(
    processor: Processor, ledger: FakeLedger, clock: Clock
) -> None:
    clock.now = EXPIRY
    assert refusal(processor, "t1") == (409, "approval_expired")
    assert ledger.entries == {}


def test_the_ledger_is_handed_the_moment_and_decides_by_its_own_clock(
    processor: Processor, ledger: FakeLedger
) -> None:
    """The posting may be long on its way."""
    ledger.clock = Clock(EXPIRY)
    assert refusal(processor, "t1") == (409, "approval_expired")


def test_expired_once_is_expired_for_good(
    processor: Processor, ledger: FakeLedger, history: FakeHistory, clock: Clock
) -> None:
    """Whoever was told so may have paid in another way."""
    clock.now = EXPIRY
    refusal(processor, "t1")
    # The acceptance of a request that was in time is written only now.
    history.record_acceptance("t1", "late")
    clock.now = BEFORE_EXPIRY
    assert refusal(processor, "t1") == (409, "approval_expired")
    with pytest.raises(Problem, match="approval_expired"):
        processor.process_queued("t1")
    assert ledger.entries == {}


def test_an_expired_approval_is_not_queued(
    processor: Processor, ledger: FakeLedger, history: FakeHistory, clock: Clock
) -> None:
    ledger.error = LedgerUnavailableError()
    clock.now = EXPIRY
    assert refusal(processor, "t1") == (503, "service_unavailable")
    assert history.accepted == {}


@pytest.mark.parametrize("slow", ["reading the request", "waiting for the ledger"])
def test_the_clock_is_read_after_what_takes_time(
    processor: Processor, ledger: FakeLedger, history: FakeHistory, clock: Clock, slow: str
) -> None:
    """What was in time before may not be now."""
    ledger.error = LedgerUnavailableError()
    subject, name = (history, "find") if slow == "reading the request" else (ledger, "post")
    call = getattr(subject, name)

    def take_time(*arguments: Any, **named: Any) -> Any:
        clock.now = EXPIRY
        return call(*arguments, **named)

    setattr(subject, name, take_time)
    assert refusal(processor, "t1") == (503, "service_unavailable")
    assert history.accepted == {}


# -- the queue -------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [LedgerUnavailableError(), LedgerBusyError()])
def test_what_the_ledger_does_not_post_now_is_queued(
    processor: Processor, ledger: FakeLedger, queue: list[str], error: Exception
) -> None:
    ledger.error = error
    assert processor.process("t1", queue.append) is None
    assert queue == ["t1"]


def test_what_the_ledger_refuses_for_good_is_not_said_to_be_on_its_way(
    processor: Processor, ledger: FakeLedger, history: FakeHistory
) -> None:
    ledger.error = LedgerRefusedError()
    with pytest.raises(LedgerRefusedError):
        processor.process("t1", pytest.fail)
    assert history.accepted == {}


def test_without_time_a_payment_is_queued_and_the_ledger_not_asked(
    processor: Processor, ledger: FakeLedger, history: FakeHistory, queue: list[str]
) -> None:
    assert processor.process("t1", queue.append, may_post=lambda: False) is None
    assert queue == ["t1"]
    assert ledger.entries == {}
    assert set(history.accepted) == {"t1"}


def test_acceptance_is_noted_before_the_payment_is_on_the_queue(
    processor: Processor, ledger: FakeLedger, history: FakeHistory
) -> None:
    ledger.error = LedgerUnavailableError()
    noted: list[dict[str, str]] = []
    processor.process("t1", lambda _: noted.append(dict(history.accepted)))
    assert noted == [{"t1": "2026-01-31T08:14:59.000000Z"}]


def test_a_payment_that_was_queued_in_time_is_never_called_expired(
    processor: Processor, ledger: FakeLedger, queue: list[str], clock: Clock
) -> None:
    ledger.error = LedgerUnavailableError()
    processor.process("t1", queue.append)
    clock.now = EXPIRY + timedelta(days=1)
    assert processor.process("t1", queue.append) is None
    assert queue == ["t1", "t1"]
    ledger.error = None
    assert posted(processor).entry_id == "e1"
    assert processor.process_queued("t1").entry_id == "e1"


def unreachable(_: str) -> None:
    raise UNREACHABLE


def test_a_payment_whose_way_to_the_queue_was_cut_short_is_not_called_expired_either(
    processor: Processor, ledger: FakeLedger, clock: Clock
) -> None:
    ledger.error = LedgerUnavailableError()
    with pytest.raises(EndpointConnectionError):
        processor.process("t1", unreachable)
    ledger.error = None
    clock.now = EXPIRY
    assert posted(processor).entry_id == "e1"


def test_without_the_queue_nothing_is_accepted(processor: Processor, ledger: FakeLedger) -> None:
    ledger.error = LedgerUnavailableError()
    with pytest.raises(EndpointConnectionError):
        processor.process("t1", unreachable)


def test_a_message_posts_nothing_that_was_never_accepted_and_has_expired(
    processor: Processor, ledger: FakeLedger, clock: Clock
) -> None:
    clock.now = EXPIRY
    with pytest.raises(Problem, match="approval_expired"):
        processor.process_queued("t1")
    assert ledger.entries == {}


def test_a_message_posts_what_was_never_accepted_while_its_approval_holds(
    processor: Processor,
) -> None:
    assert processor.process_queued("t1").entry_id == "e1"


# -- a ledger that was restored --------------------------------------------------------------


def test_what_the_history_knows_as_posted_is_neither_posted_again_nor_denied(
    processor: Processor, ledger: FakeLedger, history: FakeHistory
) -> None:
    before = told(posted(processor))
    ledger.entries.clear()  # restored to a time before
    assert told(posted(processor)) == before
    assert ledger.entries == {}
    assert len(history.events) == 1


def test_a_message_gives_a_restored_ledger_the_very_entry_back(
    processor: Processor, ledger: FakeLedger, history: FakeHistory, clock: Clock, metrics: Metrics
) -> None:
    """Long after its approval expired; and nobody is told of it, or counts it, again."""
    before = told(posted(processor))
    events = dict(history.events)
    ledger.entries.clear()
    clock.now = EXPIRY + timedelta(days=1)
    counted = metrics()
    for _ in range(2):
        assert told(processor.process_queued("t1")) == before
    assert told(ledger.entries["t1"]) == before
    assert (history.events, ledger.outbox) == (events, {})
    assert counted
    assert metrics() == []


def test_what_the_history_knows_as_posted_needs_no_ledger(
    processor: Processor, ledger: FakeLedger
) -> None:
    before = told(posted(processor))
    ledger.error = LedgerUnavailableError()
    assert told(posted(processor)) == before


# -- telling the history ---------------------------------------------------------------------


def test_a_payment_is_posted_though_its_history_cannot_be_told_now(
    processor: Processor, ledger: FakeLedger, history: FakeHistory
) -> None:
    history.error = UNREACHABLE
    posted(processor)
    assert len(ledger.outbox) == 1
    history.error = None
    assert sweep(ledger, history, lambda: True) == 1
    assert (len(history.events), ledger.outbox) == (1, {})


def test_an_event_delivered_but_not_marked_is_swept_without_a_second_item(
    processor: Processor, ledger: FakeLedger, history: FakeHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def died(_: Iterable[int]) -> None:
        raise LedgerUnavailableError

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "mark_delivered", died)
        posted(processor)
    assert len(ledger.outbox) == 1
    sweep(ledger, history, lambda: True)
    assert (len(history.events), ledger.outbox) == (1, {})


def test_a_sweep_goes_past_events_that_cannot_be_delivered(
    ledger: FakeLedger, history: FakeHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(250):
        ledger.post(transaction_id=f"x{number}", merchant_id="m", amount=1, currency="EUR")
    record = history.record_event

    def choosy(transaction_id: str, timestamp: int, event: Mapping[str, Any]) -> bool:
        if timestamp <= 100:
            raise UNREACHABLE
        return record(transaction_id, timestamp, event)

    monkeypatch.setattr(history, "record_event", choosy)
    assert sweep(ledger, history, lambda: True) == 150
    assert len(ledger.outbox) == 100


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
    processor: Processor,
    ledger: FakeLedger,
    history: FakeHistory,
    monkeypatch: pytest.MonkeyPatch,
    event: dict[str, Any],
) -> None:
    """Nor its own payment, which is posted."""
    ledger.post(transaction_id="x0", merchant_id="m", amount=1, currency="EUR")
    ledger.outbox[1] = OutboxEvent(1, "x0", 7, event)
    record = history.record_event

    def as_the_table(transaction_id: str, timestamp: int, event: Mapping[str, Any]) -> bool:
        to_item(event)
        return record(transaction_id, timestamp, event)

    monkeypatch.setattr(history, "record_event", as_the_table)
    assert posted(processor)
    ledger.post(transaction_id="t3", merchant_id="m", amount=1, currency="EUR")
    sweep(ledger, history, lambda: True)
    assert {transaction for transaction, _ in history.events} >= {"t1", "t3"}
    assert set(ledger.outbox) <= {1}


def test_a_sweep_stops_when_its_time_is_up(ledger: FakeLedger, history: FakeHistory) -> None:
    for number in range(250):
        ledger.post(transaction_id=f"x{number}", merchant_id="m", amount=1, currency="EUR")
    assert sweep(ledger, history, lambda: len(history.events) < 120) == 120
    assert len(ledger.outbox) == 130


def test_a_payment_is_counted_once_however_often_its_event_is_delivered(
    processor: Processor,
    ledger: FakeLedger,
    history: FakeHistory,
    metrics: Metrics,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def died(_: Iterable[int]) -> None:
        raise LedgerUnavailableError

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "mark_delivered", died)
        posted(processor)
        posted(processor)
    sweep(ledger, history, lambda: True)
    assert metrics() == [("PaymentsProcessed", 1, None), ("AmountProcessed", 1050, "EUR")]


def test_a_posted_payment_is_answered_even_without_time_to_tell_its_history(
    processor: Processor, ledger: FakeLedger, history: FakeHistory
) -> None:
    entry = processor.process("t1", pytest.fail, lambda: False)
    assert entry is not None
    assert (len(ledger.outbox), history.events) == (1, {})


def test_the_sweep_reports_how_far_the_history_is_behind(
    ledger: FakeLedger, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payment_processor.outbox.time", lambda: 61.0)
    measure(ledger)
    assert metrics() == [("OutboxBacklog", 0, None), ("OutboxAge", 0, None)]
    for number in range(3):
        ledger.post(transaction_id=f"x{number}", merchant_id="m", amount=1, currency="EUR")
    measure(ledger)
    assert metrics() == [("OutboxBacklog", 3, None), ("OutboxAge", 60, None)]


def test_the_sweep_reports_entries_that_do_not_balance(
    ledger: FakeLedger, metrics: Metrics
) -> None:
    check_balance(ledger)
    ledger.imbalances = 2
    check_balance(ledger)
    assert metrics() == [("LedgerImbalance", 0, None), ("LedgerImbalance", 2, None)]
