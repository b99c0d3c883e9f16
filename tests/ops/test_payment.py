"""What `payment` makes of a payment's traces."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ledger_schema.migrator import read

from ops.console.checks import Verdict
from ops.payment.comparison import contradictions
from ops.payment.story import Event, Story, _line_text, _settled, _spans, _spans_text
from payments import states
from reconciliation.history import faults

SQL = "\n".join(migration.sql for migration in read())
OUTBOX = "INSERT INTO ledger.outbox"
EVENTS = [
    dict(re.findall(r"'(\w+)', ('\w+'|[\w.]+)", told))
    for told in re.findall(
        r"jsonb_(?:build_object\(|object\(ARRAY\[)\s*('state',.*?)(?:\)+;|\])", SQL, re.DOTALL
    )
]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


TERMS: dict[str, Any] = {"amount": 5, "currency": "EUR", "merchant_id": "acme"}


def at(ago: timedelta) -> int:
    return int((NOW - ago).timestamp() * 1_000_000)


def request(state: str = "approved", ago: timedelta = MINUTE) -> dict[str, Any]:
    return {
        "timestamp": 0,
        "state": state,
        "decided_at": (NOW - ago).isoformat(),
        "expires_at": (NOW - ago + 15 * MINUTE).isoformat(),
        **TERMS,
    }


def posted(ago: timedelta = MINUTE, **other: Any) -> dict[str, Any]:
    return {"timestamp": at(ago), "state": "posted", "entry_id": "e", **TERMS, **other}


def queued(ago: timedelta) -> dict[str, Any]:
    return {"timestamp": 1, "state": "queued", "accepted_at": (NOW - ago).isoformat()}


def entry(ago: timedelta = MINUTE, amount: int = 5) -> dict[str, Any]:
    postings = [
        {"direction": direction, "account": account, "amount": amount, "currency": "EUR"}
        for direction, account in (
            ("debit", "clearing-receivable/EUR"),
            ("credit", "merchant-payable/acme/EUR"),
        )
    ]
    return {
        "entry_id": "e",
        "posted_at": (NOW - ago).isoformat(),
        "postings": postings,
        "events": [],
    }


def story(*items: dict[str, Any], audited: bool = True, **more: Any) -> Story:
    known = {item["timestamp"]: item for item in items} if audited else {}
    told = {"trail": DAY, "inserted": known, **more}
    return Story(transaction_id="a", now=NOW, items=list(items), **told)


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
        (story(request(), posted()), "posted, says the history", "problem"),
        (story({**request(), "state": 7}), "there is a request, but not what", "problem"),
        (story({**request(), "expires_at": "soon"}), "approved, until nobody knows", "problem"),
    ],
)
def test_where_a_payment_is(told: Story, state: str, verdict: str) -> None:
    check = told.judged()
    assert check.found.startswith(state)
    assert check.verdict == verdict
    assert bool(check.mend) == (verdict == "problem")


@pytest.mark.parametrize(
    ("told", "mend"),
    [
        (story(request(), queued(MINUTE), dead_letter="m"), "dlq redrive retry --id m --yes"),
        (story(request(ago=16 * MINUTE), queued(DAY), dead_letter="m"), "dlq redrive retry --id m"),
        (story(request("declined"), dead_letter="m"), "quarantine retry --id m --reason 'declined"),
        (story(request(ago=16 * MINUTE), dead_letter="m"), "quarantine retry --id m --reason 'exp"),
        (story(dead_letter="m"), "quarantine retry --id m --reason 'unknown"),
        (story(dead_letter="m", unreadable={"history"}), "dlq show retry: message m"),
    ],
)
def test_a_payment_that_was_given_up_is_redriven_or_quarantined_by_its_case(
    told: Story, mend: str
) -> None:
    check = told.judged()
    assert mend in check.mend
    assert ("redrive retry" in check.mend) == ("redrive retry" in mend)


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


def test_without_ledger_or_history_nobody_knows_where_a_payment_is() -> None:
    forged = story(request(), posted(), unreadable={"ledger"}).judged()
    assert (forged.verdict, forged.found) == (
        Verdict.UNSEEN,
        "posted, says the history; not seen: ledger",
    )
    assert story(request(), unreadable={"ledger"}).judged().verdict is Verdict.UNSEEN
    assert story(unreadable={"history"}).judged().verdict is Verdict.UNSEEN
    assert story(entry=entry(), unreadable={"history"}).judged().verdict is Verdict.UNSEEN
    given_up = story(request(), dead_letter="m", unreadable={"ledger"}).judged()
    assert given_up.verdict is Verdict.PROBLEM


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"amount": 6}, "amount 6, but 5"),
        ({"currency": "USD"}, "currency 'USD', but 'EUR'"),
        ({"merchant_id": "mine"}, "merchant_id 'mine', but 'acme'"),
    ],
)
def test_what_an_item_says_otherwise_than_ledger_request_and_trail_is_told(
    other: dict[str, Any], told: str
) -> None:
    altered = story(request(), posted(), entry=entry())
    altered.items[1].update(other)
    found = f"{told} in ledger, request"
    assert gaps(altered) == {"history item posted, terms": (found, Verdict.PROBLEM)}


def test_an_item_is_compared_with_what_the_trail_has_of_it() -> None:
    altered = story(request("declined"))
    altered.items = [{**altered.items[0], "reference": "mine"}]
    told = "reference 'mine', but none in audit trail"
    assert gaps(altered) == {"history item declined, terms": (told, Verdict.PROBLEM)}


def test_a_request_of_another_amount_than_was_posted_is_told() -> None:
    found = gaps(story({**request(), "amount": 6}, posted(), entry=entry()))
    assert found["history item approved, terms"][0] == "amount 6, but 5 in ledger"


def test_postings_that_disagree_agree_with_no_item() -> None:
    lopsided = entry()
    lopsided["postings"][0]["amount"] = 6
    found = gaps(story(request(), posted(), entry=lopsided))
    assert set(found) == {"history item approved, terms", "history item posted, terms"}


def test_a_request_that_was_not_approved_and_posted_is_told() -> None:
    found = gaps(story(request("declined"), posted(), entry=entry()))
    assert found == {
        "approval of the posting": ("the request is declined", Verdict.PROBLEM),
    }


def test_a_second_posting_in_the_history_is_told() -> None:
    second = posted(2 * MINUTE)
    found = gaps(story(request(), second, posted(), entry=entry()))
    told = f"missing, and the ledger has another one: item {second['timestamp']}"
    assert found == {"ledger entry": (told, Verdict.PROBLEM)}


def test_every_event_that_the_ledger_writes_is_looked_at() -> None:
    assert len(EVENTS) == SQL.count(OUTBOX) > 0
    assert {event["state"].strip("'") for event in EVENTS} == set(states.EVENTS)


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_that_the_ledger_writes_is_as_operators_expect_it(event: dict[str, str]) -> None:
    """Otherwise each such payment is told to have been altered."""
    state = event["state"].strip("'")
    assert {*states.KEYS, *event} == {*states.KEYS, *states.ATTRIBUTES[state]}
    item = {name: {**TERMS, "entry_id": "e"}.get(name, name) for name in event}
    item |= {"transaction_id": "t", "timestamp": at(MINUTE), "state": state}
    assert faults(item) == {}
    assert list(contradictions([request(), item], entry(), {item["timestamp"]: item})) == []
    wrong = {**item, "amount": 6}
    assert list(contradictions([request(), wrong], entry(), {}))


def test_another_event_is_no_posting(monkeypatch: pytest.MonkeyPatch) -> None:
    """But an item that says what no event does is one: it may have been altered."""
    item = {"timestamp": at(MINUTE), "state": "another"}
    assert states.is_posting(item)
    monkeypatch.setattr(states, "EVENTS", (*states.EVENTS, "another"))
    assert not states.is_posting(item)
    assert not states.is_posting(queued(MINUTE))
    assert states.is_posting(posted())


def test_what_operators_see_holds_no_token_and_no_fingerprint() -> None:
    assert not {"payment_method_token", "fingerprint", "delivery"} & {*states.SHOWN}
    assert {*states.SHOWN, *states.NEVER_SHOWN} >= {
        name for names in states.ATTRIBUTES.values() for name in names
    }


def test_a_posting_that_the_ledger_does_not_have_is_told() -> None:
    assert gaps(story(request(), posted()))["ledger entry"][1] is Verdict.PROBLEM


def test_an_item_that_only_the_trail_has_was_deleted() -> None:
    items = [request(), posted(2 * MINUTE)]
    inserted = {item["timestamp"]: item for item in items}
    told = ("missing, and the audit trail has it", Verdict.PROBLEM)
    assert gaps(story(items[0], inserted=inserted)) == {"history item posted": told}
    just_now = {0: items[0], at(0 * MINUTE): posted(0 * MINUTE)}
    assert gaps(story(items[0], inserted=just_now)) == {}


def test_a_malformed_item_is_named_and_the_rest_told() -> None:
    broken = posted(amount="abc")
    del broken["state"]
    found = gaps(story(request(), broken, entry=entry()))
    told, verdict = found[f"history item {broken['timestamp']}, form"]
    assert verdict is Verdict.PROBLEM
    assert told == (
        "state is missing; amount is 'abc', which is no whole number from 1 to 999999999999"
    )
    assert "history item of the posting" not in found
    no_time = story({**request(), "decided_at": "yesterday", "expires_at": None}, audited=False)
    assert set(gaps(no_time)) == {"history item approved, form"}


def test_an_item_of_the_future_is_not_waited_for() -> None:
    found = gaps(story(request(ago=-10 * DAY), audited=False))
    assert found == {"audit record of approved": ("missing", Verdict.PROBLEM)}


def test_the_audit_trail_is_searched_after_each_event_and_once() -> None:
    told = story(trail=timedelta())
    for ago in (0 * MINUTE, 10 * MINUTE, 300 * MINUTE):
        told.add(NOW - ago, "history", "")
    first, second = _spans(told)
    assert first == (NOW - 301 * MINUTE, NOW - 285 * MINUTE)
    assert second == (NOW - 11 * MINUTE, NOW + 15 * MINUTE)


def test_the_audit_trail_is_searched_lately_too_but_not_before_the_payment() -> None:
    old = story(trail=2 * DAY)
    old.add(NOW - 10 * DAY, "history", "")
    assert _spans(old)[-1] == (NOW - 2 * DAY, NOW)
    assert _spans_text(old, _spans(old)).endswith("; not in between: --trail 11d")
    new = story(request(), trail=2 * DAY)
    new.add(NOW - 30 * MINUTE, "history", "")
    assert _spans(new) == [(NOW - 31 * MINUTE, NOW)]
    assert "--trail" not in _spans_text(new, _spans(new))
    assert _spans(story(trail=2 * DAY)) == [(NOW - 2 * DAY, NOW)]
    deleted = story(trail=2 * DAY, dead_letter="m")
    deleted.add(NOW - 30 * MINUTE, "queue", "")
    assert _spans(deleted) == [(NOW - 2 * DAY, NOW)]


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
    assert _line_text(json.dumps(line)) == (
        "ERROR, the ledger did not post, exception_name LedgerUnavailableError"
    )
    assert _line_text("tok_secret a") == "a line that is no JSON"
    assert _line_text('["tok_secret"]') == "a line that is no object"
