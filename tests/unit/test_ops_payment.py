"""What `payment` makes of a payment's traces."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.checks import Verdict
from ops.payment_story import Event, Story, _settled, _spans, _told_line

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def at(ago: timedelta) -> int:
    return int((NOW - ago).timestamp() * 1_000_000)


def request(state: str = "approved", ago: timedelta = MINUTE) -> dict[str, Any]:
    return {
        "timestamp": 0,
        "state": state,
        "decided_at": (NOW - ago).isoformat(),
        "expires_at": (NOW - ago + 15 * MINUTE).isoformat(),
        "amount": 5,
        "currency": "EUR",
    }


def posted(ago: timedelta = MINUTE) -> dict[str, Any]:
    return {"timestamp": at(ago), "state": "posted", "amount": 5, "currency": "EUR"}


def queued(ago: timedelta) -> dict[str, Any]:
    return {"timestamp": 1, "state": "queued", "accepted_at": (NOW - ago).isoformat()}


def entry(ago: timedelta = MINUTE, amount: int = 5) -> dict[str, Any]:
    postings = [{"amount": amount, "currency": "EUR"}] * 2
    return {"posted_at": (NOW - ago).isoformat(), "postings": postings, "events": []}


def story(*items: dict[str, Any], audited: bool = True, **more: Any) -> Story:
    known = {item["timestamp"] for item in items} if audited else set()
    return Story(transaction_id="a", now=NOW, items=list(items), audited=known, **more)


@pytest.mark.parametrize(
    ("told", "state", "verdict"),
    [
        (story(request(), posted(), entry=entry()), "posted", "held"),
        (
            story(request(), posted(), entry=entry(), dead_letter="m"),
            "posted; its message in the dead-letter queue is not needed any more",
            "held",
        ),
        (story(request(), queued(MINUTE), dead_letter="m"), "given up", "problem"),
        (story(request(), queued(44 * MINUTE)), "accepted; waits on the retry queue", "held"),
        (story(request(), queued(46 * MINUTE)), "accepted, but neither posted nor", "problem"),
        (story(request("declined")), "declined", "held"),
        (story(request()), "approved, not processed yet", "held"),
        (story(request(ago=16 * MINUTE)), "approved, never processed; expired", "held"),
        (
            story(events=[Event(at=NOW, source="audit trail", text="REMOVE")]),
            "there are traces of it, but no request",
            "problem",
        ),
        (story(), "unknown", "problem"),
    ],
)
def test_where_a_payment_is(told: Story, state: str, verdict: str) -> None:
    check = told.judged()
    assert check.found.startswith(state)
    assert check.verdict == verdict
    assert bool(check.mend) == (verdict == "problem")


def gaps(told: Story) -> dict[str, tuple[str, Verdict]]:
    return {gap.what: (gap.found, gap.verdict) for gap in told.gaps()}


def test_a_payment_with_all_its_traces_has_no_gap() -> None:
    assert gaps(story(request(), posted(), entry=entry())) == {}


@pytest.mark.parametrize(
    ("ago", "found"),
    [
        (4 * MINUTE, ("not there yet", Verdict.UNSEEN)),
        (6 * MINUTE, ("missing", Verdict.PROBLEM)),
    ],
)
def test_a_trace_has_five_minutes_to_appear(ago: timedelta, found: tuple[str, Verdict]) -> None:
    assert gaps(story(request(), entry=entry(ago))) == {"history item of the posting": found}
    unaudited = gaps(story(request(ago=ago), audited=False))
    assert unaudited == {"audit record of approved": found}


def test_a_source_that_could_not_be_read_is_no_gap() -> None:
    told = story(entry=entry(10 * MINUTE), unreadable={"history"})
    assert gaps(told) == {}
    told = story(request(), posted(), unreadable={"ledger"})
    assert gaps(told) == {}
    told = story(request(ago=10 * MINUTE), audited=False, unreadable={"audit trail"})
    assert gaps(told) == {}


def test_a_posting_of_another_amount_than_was_approved_is_told() -> None:
    found = gaps(story(request(), posted(), entry=entry(amount=6)))
    assert found == {"approval of the posting": ("of another amount", Verdict.PROBLEM)}


def test_the_audit_trail_is_searched_after_each_event_and_once() -> None:
    told = story()
    for ago in (0 * MINUTE, 10 * MINUTE, 300 * MINUTE):
        told.add(NOW - ago, "history", "")
    first, second = _spans(told)
    assert first == (NOW - 301 * MINUTE, NOW - 285 * MINUTE)
    assert second == (NOW - 11 * MINUTE, NOW + 15 * MINUTE)


DAYS_AGO = timedelta(days=60)
EXPIRED = NOW - DAYS_AGO + 15 * MINUTE


@pytest.mark.parametrize(
    ("told", "end"),
    [
        (story(request(ago=DAYS_AGO)), EXPIRED + 15 * MINUTE),
        (story(request(ago=16 * MINUTE)), NOW),
        (story(request(ago=MINUTE)), NOW),
        (story(request(ago=DAYS_AGO), queued(DAYS_AGO)), NOW),
        (story(request(ago=DAYS_AGO), dead_letter="m"), NOW),
        (story(request("declined", ago=DAYS_AGO)), NOW - DAYS_AGO + 15 * MINUTE),
        (story(request(ago=DAYS_AGO), entry=entry(DAYS_AGO)), NOW - DAYS_AGO + 15 * MINUTE),
    ],
    ids=["expired", "lately", "valid", "queued", "given up", "declined", "posted"],
)
def test_logs_are_searched_as_long_as_the_payment_may_go_on(told: Story, end: datetime) -> None:
    told.add(datetime.fromisoformat(told.items[0]["decided_at"]), "history", "")
    assert _settled(told) == end


def test_logs_are_searched_until_now_when_nothing_tells_of_the_payment() -> None:
    assert _settled(story()) == NOW


def test_logs_are_searched_after_the_last_trace_of_what_had_expired() -> None:
    told = story(request(ago=DAYS_AGO))
    told.add(EXPIRED + 99 * MINUTE, "payment-processor", "")
    assert _settled(told) == EXPIRED + 114 * MINUTE


def test_of_a_log_line_only_what_is_known_to_be_harmless_is_told() -> None:
    line = {
        "level": "ERROR",
        "message": "the ledger did not post",
        "exception_name": "LedgerUnavailableError",
        "exception": "Traceback: tok_secret",
        "event": {"payment_method_token": "tok_secret"},
    }
    assert _told_line(json.dumps(line)) == (
        "ERROR, the ledger did not post, exception_name LedgerUnavailableError"
    )
    assert _told_line("tok_secret a") == "a line that is no JSON"
    assert _told_line('["tok_secret"]') == "a line that is no object"
