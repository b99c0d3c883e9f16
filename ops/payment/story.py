"""One payment's events, gathered from wherever they left a trace."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from ops.console.checks import Check, Verdict, problem
from ops.console.durations import in_days
from ops.console.failure import OpsError, explain
from ops.payment.comparison import CHANGED, contradictions
from ops.production import action_record, letters
from ops.production import queues as dlq_queues
from ops.production.stack import Production, every
from payments.states import APPROVED, DECLINED, POSTED, QUEUED, is_posting
from reconciliation.audit_records import AuditRecords
from reconciliation.history import (
    Item,
    PaymentHistory,
    microseconds,
    moment,
    moment_of,
    request_of,
)
from reconciliation.ledger import Ledger
from reconciliation.stores import UnreadableError

FUNCTIONS: Final = ("payment-validator", "payment-processor", "audit-logger")
_RETRY_QUEUE: Final = "RetryQueueUrl"

_BEFORE: Final = timedelta(minutes=1)
_AFTER: Final = timedelta(minutes=15)
"""A trace of an event is looked for so long after it."""
_RECENT: Final = timedelta(hours=1)
"""Logs that are searched when nothing tells when the payment was."""
_TRACED: Final = timedelta(minutes=5)
"""History and audit trail have an event after this, unless something is wrong: the limits of the
alarms on outbox and stream."""
_RETRIED: Final = timedelta(minutes=45)
"""All deliveries of the retry queue take less (payment_processor.retries)."""
_LINES: Final = 100
"""Of each log, at most."""
_LETTERS: Final = 200
"""Of the dead-letter queue, at most; hidden from others for so many seconds while it is read:"""
_HIDDEN: Final = 20
# Of a log line. None holds anything that the payment's client sent.
_TOLD: Final = (
    "message",
    "exception_name",
    "receives",
    "message_id",
    "entry_id",
    "code",
    "correlation_id",
)


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to the payment."""

    at: datetime
    source: str
    text: str


@dataclass(kw_only=True)
class Story:
    """What is known of a payment, filled source by source.

    Attributes:
        trail: the audit trail is searched around the events, and so long before now.
        looked_at: each source, with what it had, or why it could not be read.
        entry: of the ledger; meaningless unless "ledger" is readable.
        dead_letter: its message in the dead-letter queue.
        inserted: by timestamp, its items as the audit trail has them.
        changes: of its items, that the audit trail tells of.
    """

    transaction_id: str
    now: datetime
    trail: timedelta
    events: list[Event] = field(default_factory=list)
    looked_at: list[Check] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)
    items: list[Item] = field(default_factory=list)
    entry: dict[str, Any] | None = None
    dead_letter: str = ""
    inserted: dict[int, Item] = field(default_factory=dict)
    changes: list[Check] = field(default_factory=list)

    @property
    def is_known(self) -> bool:
        return bool(self.items or self.entry or self.dead_letter or self.events)

    def item(self, state: str) -> Item | None:
        return next((item for item in self.items if item.get("state") == state), None)

    def has_read(self, source: str) -> bool:
        return source not in self.unreadable

    def first(self) -> datetime | None:
        return min((event.at for event in self.events), default=None)

    def last(self) -> datetime | None:
        return max((event.at for event in self.events), default=None)

    def add(self, at: datetime, source: str, text: str) -> None:
        self.events.append(Event(at=at, source=source, text=text))

    def judged(self) -> Check:
        """Where the payment is now."""
        verdict, found, mend = _state(self)
        unread = [source for source in ("history", "ledger") if not self.has_read(source)]
        if unread and not self.dead_letter:
            verdict, found = Verdict.UNSEEN, f"{found}; not seen: {', '.join(unread)}"
            mend = "ask again when it answers, or with credentials that may read it"
        return Check(what="payment", found=found, verdict=verdict, mend=mend)

    def gaps(self) -> Iterator[Check]:
        """What contradicts itself, and traces that should be there by now, and are not."""
        yield from self.changes
        yield from contradictions(self.items, self.entry, self.inserted)
        if self.entry and self.has_read("history"):
            yield from self._untold(self.entry)
        if self.has_read("ledger"):
            yield from self._unposted()
        if self.has_read("audit trail"):
            yield from self._unaudited()
        if self.has_read("history"):
            yield from self._deleted()

    def _untold(self, entry: dict[str, Any]) -> Iterator[Check]:
        at = datetime.fromisoformat(entry["posted_at"])
        if not any(item["timestamp"] == microseconds(at) for item in self.items):
            yield self._gap("history item of the posting", at, "the sweep of each minute brings it")
        request = request_of(self.items)
        if request.get("state") != APPROVED:
            yield problem(
                "approval of the posting",
                f"the request is {request.get('state')}" if request else "missing",
                "who posted it? See payment-processor's log and the database's, and "
                "docs/runbooks/business.md",
            )

    def _unposted(self) -> Iterator[Check]:
        posted = self.entry and microseconds(datetime.fromisoformat(self.entry["posted_at"]))
        for item in self.items:
            if is_posting(item) and item["timestamp"] != posted:
                other = "the ledger has another one" if self.entry else "the history says posted"
                yield problem(
                    "ledger entry",
                    f"missing, and {other}: item {item['timestamp']}",
                    "who wrote the history item? See CloudTrail, and docs/runbooks/business.md",
                )

    def _unaudited(self) -> Iterator[Check]:
        for item in self.items:
            at = moment_of(item)
            if at and item["timestamp"] not in self.inserted:
                yield self._gap(
                    f"audit record of {item.get('state', item['timestamp'])}",
                    at,
                    "see audit-logger's log, and `python -m ops dlq list`",
                )

    def _deleted(self) -> Iterator[Check]:
        here = {item["timestamp"] for item in self.items}
        for at, item in self.inserted.items():
            # The history was read before the audit trail.
            if at not in here and (moment_of(item) or self.now) < self.now - _BEFORE:
                what = f"history item {item.get('state', at)}"
                yield problem(what, "missing, and the audit trail has it", CHANGED)

    def _gap(self, what: str, since: datetime, mend: str) -> Check:
        if abs(self.now - since) > _TRACED:  # nothing happens in the future
            return problem(what, "missing", mend)
        return Check(what=what, found="not there yet", verdict=Verdict.UNSEEN)


def gather(
    production: Production, transaction_id: str, trail: timedelta, tell: Callable[[str], None]
) -> Story:
    """Ask every source, and tell which one; what cannot be read is told, and the others are asked
    all the same."""
    story = Story(transaction_id=transaction_id, now=datetime.now(UTC), trail=trail)
    sources: dict[str, Callable[[Production, Story], str]] = {
        "history": _history,
        "ledger": _ledger,
        "queues": _queues,
        "operators": _operators,
        "audit trail": _audit,
        **{f"log of {name}": partial(_log_of, name) for name in FUNCTIONS},
    }
    for source, read in sources.items():
        tell(source)
        try:
            found, verdict = read(production, story), Verdict.HELD
        except (OpsError, UnreadableError, BotoCoreError, ClientError) as error:
            found, verdict = f"could not be read: {explain(error)}", Verdict.UNSEEN
            story.unreadable.add(source)
        story.looked_at.append(Check(what=source, found=found, verdict=verdict))
    # The history takes over the ledger's time; the ledger was first.
    story.events.sort(key=lambda event: (event.at, event.source != "ledger"))
    return story


def _history(production: Production, story: Story) -> str:
    story.items = PaymentHistory.of(production).of_payment(story.transaction_id)
    for item in story.items:
        if at := moment_of(item):
            story.add(at, "history", _item_text(item))
    return f"{len(story.items)} items" if story.items else "nothing"


def _item_text(item: Item) -> str:
    words = str(item.get("state", "an item without a state"))
    if "amount" in item:
        words += (
            f" {item['amount']} {item.get('currency')} (minor units), {item.get('merchant_id')}"
        )
    if isinstance(item.get("reasons"), list) and item["reasons"]:
        words += f": {', '.join(map(str, item['reasons']))}"
    if item.get("state") == APPROVED and (expires := moment(item.get("expires_at"))):
        words += f"; valid until {_clock(expires)}"
    if "reference" in item:
        words += f"; reference {item['reference']!r}"
    return words


def _ledger(production: Production, story: Story) -> str:
    story.entry = entry = Ledger.of(production).payment(story.transaction_id)
    if entry is None:
        return "no entry"
    postings = (
        f"{p['direction']} {p['account']} {p['amount']} {p['currency']}" for p in entry["postings"]
    )
    story.add(
        datetime.fromisoformat(entry["posted_at"]),
        "ledger",
        f"entry {entry['entry_id']}: {'; '.join(postings)}",
    )
    for event in entry["events"]:
        if event["delivered_at"]:
            at = datetime.fromisoformat(event["delivered_at"])
            story.add(at, "ledger", f"the history was told: {event['state']}")
    waiting = sum(event["delivered_at"] is None for event in entry["events"])
    return f"one entry, {waiting} events not delivered" if waiting else "one entry"


def _queues(production: Production, story: Story) -> str:
    """Messages of the retry queue are only counted: to receive one would count as a delivery, and
    put off the real one. The dead-letter queue is read, and what is read shown again."""
    sqs, url = production.client("sqs"), production.output(_RETRY_QUEUE)
    retry = dlq_queues.messages_in(sqs, url)
    age = dlq_queues.age_of_oldest(production, url) if retry else None
    oldest = f", the oldest for {age}" if age else ""
    letters = dlq_queues.one(production, dlq_queues.Name.RETRY)
    number = int(letters.attributes()["ApproximateNumberOfMessages"])
    if number:
        with letters.held(_HIDDEN) as held:
            for message in held.messages(_LETTERS):
                if message.transaction_id == story.transaction_id:
                    story.dead_letter = message.id
                    story.add(
                        message.first_sent,
                        "queue",
                        f"sent to the retry queue, and given up since (message {message.id})",
                    )
                    break
    read = f", of which {_LETTERS} were read" if number > _LETTERS else ""
    found = "has this payment's message" if story.dead_letter else "not this payment's"
    dead = f"{number} messages in the dead-letter queue{read}, {found}"
    told = dead if number else "the dead-letter queue is empty"
    return f"{retry} payments on the retry queue{oldest} (it cannot be searched); {told}"


def _operators(production: Production, story: Story) -> str:
    """What operators recorded of their own actions."""
    first = story.first()
    since = min(first, story.now) - _BEFORE if first else story.now - story.trail
    found = 0
    for action in action_record.about(production, story.transaction_id, since):
        story.add(action.stored.astimezone(UTC), "operators", str(action))
        found += 1
    return f"{found} actions on its message, in the records from {since:%Y-%m-%d}"


def _audit(production: Production, story: Story) -> str:
    """Objects that were stored soon after an event of the payment, and lately."""
    audit = AuditRecords.of(production)
    spans = _spans(story)
    for begin, end in spans:
        for found in audit.stored_between(begin, end):
            record = found.record
            if record["keys"]["transaction_id"] != story.transaction_id:
                continue
            at, name = record["keys"]["timestamp"], record["event_name"]
            item = record.get("item", record.get("old_item", {}))
            what = f"{name} {item.get('state', at)}"
            warning = ""
            if record["anomaly"]:
                warning = " - a change that nobody may make"
                when = f"at {record['created_at']}, in {found.key}"
                story.changes.append(problem(what, when, CHANGED))
            else:
                story.inserted.setdefault(at, item)
            story.add(
                found.stored.astimezone(UTC), "audit trail", f"{what} in {found.key}{warning}"
            )
    if audit.unread:
        raise OpsError(f"{len(audit.unread)} objects: {next(iter(audit.unread.values()))}")
    return f"{len(story.inserted)} items, in the objects stored {_spans_text(story, spans)}"


def _spans(story: Story) -> list[tuple[datetime, datetime]]:
    """Periods in which events left their traces, and the latest; those that touch are one."""
    first = story.first()
    lately = story.now - story.trail
    if first and (story.items or story.entry):  # else it may be older than what is left of it
        lately = max(lately, min(first, story.now) - _BEFORE)
    periods = [(event.at - _BEFORE, event.at + _AFTER) for event in story.events]
    spans: list[tuple[datetime, datetime]] = []
    for begin, end in sorted([*periods, (lately, story.now)]):
        if spans and begin <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((begin, end))
    return spans


def _spans_text(story: Story, spans: list[tuple[datetime, datetime]]) -> str:
    told = ", ".join(
        f"from {_clock(begin)} to {_clock(min(end, story.now))}" for begin, end in spans
    )
    if len(spans) == 1:
        return told
    return f"{told}; not in between: --trail {in_days(story.now - spans[0][0])}"


def _log_of(name: str, production: Production, story: Story) -> str:
    first = story.first()
    begin = first - _BEFORE if first else story.now - _RECENT
    end = _settled(story)
    lines = every(
        production.client("logs"),
        "filter_log_events",
        logGroupName=f"/aws/lambda/{name}",
        filterPattern=f'"{story.transaction_id}"',
        startTime=_milliseconds(begin),
        endTime=_milliseconds(end) + 1,
    )
    count = 0
    for line in islice(lines, _LINES):
        count += 1
        at = datetime.fromtimestamp(line["timestamp"] / 1000, UTC)
        story.add(at, name, _line_text(line["message"]))
    more = ", and more" if next(lines, None) else ""
    return f"{count} lines{more}, from {_clock(begin)} to {_clock(end)}"


def _settled(story: Story) -> datetime:
    """After this, functions have nothing more to say of the payment."""
    last, approved = story.last(), story.item(APPROVED)
    if last is None:
        return story.now
    if story.entry or story.item(DECLINED):
        return min(last + _AFTER, story.now)
    if approved and not story.item(QUEUED) and not story.dead_letter:
        expires = moment(approved.get("expires_at")) or story.now
        return min(max(last, expires) + _AFTER, story.now)
    return story.now


def _line_text(line: str) -> str:
    try:
        parsed = json.loads(line)
    except ValueError:
        return "a line that is no JSON"
    if not isinstance(parsed, dict):
        return "a line that is no object"
    words = [str(parsed.get("level", ""))]
    words += [
        str(parsed[name]) if name == "message" else f"{name} {parsed[name]}"
        for name in _TOLD
        if parsed.get(name)
    ]
    return ", ".join(filter(None, words))


def _state(story: Story) -> tuple[Verdict, str, str]:
    posted, queued = story.item(POSTED), story.item(QUEUED)
    request = story.item(APPROVED) or story.item(DECLINED)
    if story.entry:
        left = "; its message in the dead-letter queue is not needed any more"
        return Verdict.HELD, f"posted{left if story.dead_letter else ''}", ""
    if story.dead_letter:
        mend = f".venv/bin/python -m ops dlq show retry: message {story.dead_letter}"
        if story.has_read("history"):
            case = letters.case_of(story.items, story.now)
            mend = letters.what_to_do(case, story.dead_letter)
        return Verdict.PROBLEM, "given up: its message is in the dead-letter queue", mend
    if posted:  # the ledger could not be read, or has none: gaps() tells that
        verdict = Verdict.PROBLEM if story.has_read("ledger") else Verdict.UNSEEN
        return verdict, "posted, says the history", "see what the ledger lacks"
    if queued:
        at = moment_of(queued)
        if at is None or story.now - at > _RETRIED:
            return (
                Verdict.PROBLEM,
                "accepted, but neither posted nor in the dead-letter queue",
                "see docs/runbooks/queues.md; the client may ask again (POST /process)",
            )
        return Verdict.HELD, "accepted; waits on the retry queue", ""
    if request and request["state"] == DECLINED:
        return Verdict.HELD, "declined", ""
    if request:
        expires = moment(request.get("expires_at"))
        if expires is None:
            return Verdict.PROBLEM, "approved, until nobody knows when", CHANGED
        if story.now < expires:
            return Verdict.HELD, f"approved, not processed yet; valid until {_clock(expires)}", ""
        return Verdict.HELD, f"approved, never processed; expired at {_clock(expires)}", ""
    if request_of(story.items):
        return Verdict.PROBLEM, "there is a request, but not what was decided", CHANGED
    if story.is_known:
        return (
            Verdict.PROBLEM,
            "there are traces of it, but no request in the history",
            "nobody may delete one: CloudTrail and the audit trail tell who did",
        )
    searched = f"was searched from {_clock(story.now - story.trail)} on (--trail for longer)"
    if not story.has_read("audit trail"):
        searched = "could not be read"
    mend = f"check the id; the audit trail {searched}, the logs from an hour ago"
    return Verdict.PROBLEM, "unknown", mend


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
