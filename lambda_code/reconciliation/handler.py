"""payments-reconciliation: every night, what ledger, history and audit trail say of the day before,
side by side; and the trail of that day, link by link.

EventBridge invokes it with {"task": "compare" | "walk"}, whoever makes up for a night that was
missed with the day as well: {"task": "compare", "day": "2026-01-31"} (UTC).
It changes nothing. How much it found is a metric of each task, also when that is nothing; what it
found is in its log, and in full with `python -m ops reconcile` and `audit-trail verify`.
Environment: LEDGER_READER, TRANSACTIONS_TABLE, AUDIT_BUCKET.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any, Final

from aws_lambda_powertools.logging import Logger
from botocore.config import Config

from audit_trail.link import hour_of, is_link_key
from payments import metrics
from payments.clients import session
from payments.identifiers import UUID_PATTERN
from payments.moments import now
from reconciliation.audit_records import AuditRecords
from reconciliation.comparison import Period, Stores, compare
from reconciliation.history import PaymentHistory
from reconciliation.ledger import Ledger
from reconciliation.verification import Verifier

LEFT_MS: Final = 30_000
"""What is kept of the function's time, in milliseconds: for the step that is being made, and to say
how far it came."""

LONGEST_ANSWER: Final = 40.0
"""Seconds. payments-ledger-reader may take its 30, and a start before them."""

TOLD: Final = 50
"""Findings that are logged one by one."""

_DAY: Final = timedelta(days=1)
_ID: Final = re.compile(UUID_PATTERN)
_STRANGE: Final = "another name"
"""Instead of an id or a key that is none of ours: whoever made it up may have put anything there, a
card number too."""

_TRAIL: Final = "TrailFaultsFound"
_BROKEN: Final = "an audit object is not as it was written"

_Finding = tuple[str, Mapping[str, str]]
"""Its kind, and what it is about."""

logger = Logger()


class OutOfTimeError(Exception):
    """The day has more than the function can look at; the text says how far it came."""


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do one task. What fails is raised, so that Lambda tries again, and then sets it aside."""
    task = TASKS[event["task"]]
    day = date.fromisoformat(event["day"]) if "day" in event else (now() - _DAY).date()
    begin = datetime.combine(day, time(), UTC)
    logger.append_keys(day=day.isoformat())
    return {"found": task(begin, context.get_remaining_time_in_millis)}


def _compare(begin: datetime, remaining: Callable[[], int]) -> int:
    def go_on(progress: str) -> None:
        if remaining() < LEFT_MS:
            raise OutOfTimeError(progress)

    period = Period(begin=begin, end=min(begin + _DAY, now()))
    found = compare(_stores(), period, go_on)

    def findings() -> Iterator[_Finding]:
        for each in found.differences():
            id_ = each.transaction_id
            yield each.kind, {"transaction_id": id_ if _ID.fullmatch(id_) else _STRANGE}
        for key in found.unread:
            yield "unreadable audit object", {"key": key}

    return _tell("DifferencesFound", "ledger, history and audit trail do not agree", findings())


def _walk(begin: datetime, remaining: Callable[[], int]) -> int:
    report = Verifier(_client("s3"), os.environ["AUDIT_BUCKET"]).verify(
        first=hour_of(begin),
        last=hour_of(begin + _DAY - timedelta(hours=1)),
        is_enough=lambda: remaining() < LEFT_MS,
    )
    findings: list[_Finding] = [
        (one.fault, {"key": one.key if is_link_key(one.key) else _STRANGE})
        for one in (*report.faults, *report.forged)
    ]
    findings += [("not to be verified", {"key": key}) for key in report.to_restore]
    if report.stopped_after:
        if findings:
            _tell(_TRAIL, _BROKEN, findings)
        raise OutOfTimeError(f"the trail was walked until {report.stopped_after}")
    return _tell(_TRAIL, _BROKEN, findings)


def _tell(metric: str, what: str, findings: Iterable[_Finding]) -> int:
    """How many they are: they may be as many as the day's payments, and are not kept."""
    counts: Counter[str] = Counter()
    for kind, about in findings:
        counts[kind] += 1
        if counts.total() <= TOLD:
            logger.critical(what, extra={"kind": kind, **about})
    logger.info("the day was looked at", extra={"metric": metric, "found": dict(counts)})
    metrics.count(metric, counts.total())
    return counts.total()


TASKS: Final[Mapping[str, Callable[[datetime, Callable[[], int]], int]]] = {
    "compare": _compare,
    "walk": _walk,
}


def _stores() -> Stores:
    bucket = os.environ["AUDIT_BUCKET"]
    return Stores(
        ledger=Ledger(function=os.environ["LEDGER_READER"], client=_client("lambda")),
        history=PaymentHistory(
            dynamodb=_client("dynamodb"), table=os.environ["TRANSACTIONS_TABLE"]
        ),
        audit=AuditRecords(s3=_client("s3"), bucket=bucket),
    )


@cache
def _client(service: str) -> Any:
    """One that has time: nobody waits for it."""
    config = Config(
        connect_timeout=5,
        read_timeout=LONGEST_ANSWER,
        retries={"mode": "standard", "total_max_attempts": 8},
    )
    return session().create_client(service, config=config)
