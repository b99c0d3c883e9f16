"""Processing: once, whoever asks and however often; queued when the ledger is away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from payment_processor.logic import Processor
from payment_processor.outbox import check_balance, measure, sweep

from ledger.posting import Backlog, Entry, OutboxEvent
from ledger.session import LedgerRefusedError, LedgerUnavailableError
from payments.history import DECLINED, PaymentRequest
from payments.problems import Problem
from tests.functions.conftest import Metrics
from tests.functions.test_history import REQUEST

BEFORE_EXPIRY = datetime(2026, 1, 31, 8, 14, 59, tzinfo=UTC)
EXPIRY = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
UNREACHABLE = EndpointConnectionError(endpoint_url="https://dynamodb")


class FakeLedger:
    """Entries in memory; every call raises `error` while there is one."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.imbalances = 0
        self.entries: dict[str, Entry] = {}
        self.outbox: dict[int, OutboxEvent] = {}

    def post(self, *, transaction_id: str, merchant_id: str, amount: int, currency: str) -> Entry:
        self._check()
        if transaction_id not in self.entries:
            number = len(self.entries) + 1
            event = {"state": "posted", "amount": amount, "currency": currency}
            self.outbox[number] = OutboxEvent(number, transaction_id, number, event)
            terms = [{"merchant": merchant_id, "amount": amount, "currency": currency}]
            self.entries[transaction_id] = Entry(f"e{number}", "now", terms, [])
        return self._seen(transaction_id)

    def find(self, transaction_id: str) -> Entry | None:
        self._check()
        return self._seen(transaction_id) if transaction_id in self.entries else None

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

    def find_request(self, transaction_id: str) -> PaymentRequest | None:
        return self.requests.get(transaction_id)

    def record_acceptance(self, transaction_id: str, accepted_at: str) -> None:
        self.accepted.setdefault(transaction_id, accepted_at)

    def is_accepted(self, transaction_id: str) -> bool:
        return transaction_id in self.accepted

    def record_event(self, transaction_id: str, timestamp: int, event: Mapping[str, Any]) -> bool:
        if self.error:
            raise self.error
        is_new = (transaction_id, timestamp) not in self.events
        self.events.setdefault((transaction_id, timestamp), event)
        return is_new


@pytest.fixture
def ledger() -> FakeLedger:
    return FakeLedger()


@pytest.fixture
def history() -> FakeHistory:
    declined = replace(REQUEST, transaction_id="t2", state=DECLINED)
    return FakeHistory(REQUEST, declined, replace(REQUEST, transaction_id="t3"))


@pytest.fixture
def processor(history: FakeHistory, ledger: FakeLedger) -> Processor:
    return Processor(history, ledger, history)


@pytest.fixture
def queue() -> list[str]:
    return []


def refusal(processor: Processor, transaction_id: str, now: datetime) -> tuple[HTTPStatus, str]:
    with pytest.raises(Problem) as error:
        processor.process(transaction_id, now, pytest.fail)
    return error.value.status, error.value.code


def posted(processor: Processor, now: datetime = BEFORE_EXPIRY) -> Entry:
    entry = processor.process("t1", now, pytest.fail)
    assert entry is not None
    return entry


def test_an_approved_payment_is_posted_on_its_own_terms(processor: Processor) -> None:
    assert posted(processor).postings == [{"merchant": "acme", "amount": 1050, "currency": "EUR"}]


def test_the_history_is_told_and_the_outbox_emptied(
    processor: Processor, ledger: FakeLedger, history: FakeHistory
) -> None:
    posted(processor)
    assert history.events == {("t1", 1): {"state": "posted", "amount": 1050, "currency": "EUR"}}
    assert ledger.outbox == {}


def test_asking_again_gives_the_same_entry_even_after_expiry(
    processor: Processor, history: FakeHistory
) -> None:
    first = posted(processor).entry_id
    assert posted(processor).entry_id == first
    assert posted(processor, EXPIRY + timedelta(days=1)).entry_id == first
    assert len(history.events) == 1


def test_an_unknown_payment_is_not_found(processor: Processor) -> None:
    assert refusal(processor, "t0", BEFORE_EXPIRY) == (404, "payment_not_found")


def test_a_declined_payment_is_a_conflict(processor: Processor, ledger: FakeLedger) -> None:
    assert refusal(processor, "t2", BEFORE_EXPIRY) == (409, "payment_declined")
    assert ledger.entries == {}


def test_an_expired_approval_is_a_conflict(processor: Processor, ledger: FakeLedger) -> None:
    assert refusal(processor, "t1", EXPIRY) == (409, "approval_expired")
    assert ledger.entries == {}


@pytest.mark.parametrize("error", [LedgerUnavailableError(), LedgerRefusedError()])
def test_what_the_ledger_does_not_post_is_queued(
    processor: Processor, ledger: FakeLedger, queue: list[str], error: Exception
) -> None:
    ledger.error = error
    assert processor.process("t1", BEFORE_EXPIRY, queue.append) is None
    assert queue == ["t1"]


def test_acceptance_is_noted_before_the_payment_is_on_the_queue(
    processor: Processor, ledger: FakeLedger, history: FakeHistory
) -> None:
    ledger.error = LedgerUnavailableError()
    noted: list[dict[str, str]] = []
    processor.process("t1", BEFORE_EXPIRY, lambda _: noted.append(dict(history.accepted)))
    assert noted == [{"t1": "2026-01-31T08:14:59.000000Z"}]


def test_a_payment_that_was_queued_in_time_is_never_called_expired(
    processor: Processor, ledger: FakeLedger, queue: list[str]
) -> None:
    ledger.error = LedgerUnavailableError()
    processor.process("t1", BEFORE_EXPIRY, queue.append)
    later = EXPIRY + timedelta(days=1)
    assert processor.process("t1", later, queue.append) is None
    assert queue == ["t1", "t1"]
    ledger.error = None
    assert posted(processor, later).entry_id == "e1"
    assert processor.process_queued("t1").entry_id == "e1"


def test_a_payment_whose_way_to_the_queue_was_cut_short_is_not_called_expired_either(
    processor: Processor, ledger: FakeLedger
) -> None:
    def unreachable(_: str) -> None:
        raise UNREACHABLE

    ledger.error = LedgerUnavailableError()
    with pytest.raises(EndpointConnectionError):
        processor.process("t1", BEFORE_EXPIRY, unreachable)
    ledger.error = None
    assert posted(processor, EXPIRY).entry_id == "e1"


def test_without_the_queue_nothing_is_accepted(processor: Processor, ledger: FakeLedger) -> None:
    def unreachable(_: str) -> None:
        raise UNREACHABLE

    ledger.error = LedgerUnavailableError()
    with pytest.raises(EndpointConnectionError):
        processor.process("t1", BEFORE_EXPIRY, unreachable)


def test_an_expired_approval_is_not_queued(processor: Processor, ledger: FakeLedger) -> None:
    ledger.error = LedgerUnavailableError()
    assert refusal(processor, "t1", EXPIRY) == (503, "service_unavailable")


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
    entry = processor.process("t1", BEFORE_EXPIRY, pytest.fail, lambda: False)
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
