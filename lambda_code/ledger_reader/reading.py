"""The answers. Amounts are integers in minor units; `timestamp` is in microseconds since 1970, and
is the one that the history item of the event has; other moments are RFC 3339.

payment   {entry: {entry_id, posted_at, postings: [{account, direction, amount, currency}],
          events: [{timestamp, state, delivered_at | null}]} | null}
entries   {entries: [{entry_id, transaction_id, posted_at, sums: [{currency, debit, credit}],
          events: [as above]}], next: entry_id | null}, in the order of entry_id
totals    {totals: [{currency, entries, debit, credit}], without_postings: entries that have none}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from ledger.session import LedgerSession

_CLOCKS: Final = timedelta(seconds=10)
"""An entry's id begins with its time (UUID version 7, RFC 9562), so that the primary key finds the
entries of a period. PostgreSQL takes it a moment before `posted_at`, which decides."""

_PERIOD: Final = (
    "e.entry_id >= CAST(:first AS uuid) AND e.entry_id < CAST(:last AS uuid) "
    "AND e.posted_at >= CAST(:begin AS timestamptz) AND e.posted_at < CAST(:end AS timestamptz)"
)

_POSTED_AT: Final = """to_char(e.posted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""

_EVENTS: Final = """(
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'timestamp', o.event_timestamp, 'state', o.event ->> 'state',
        'delivered_at',
        to_char(o.delivered_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
        ORDER BY o.event_id), '[]')
    FROM ledger.outbox o WHERE o.transaction_id = e.transaction_id)"""

_PAYMENT: Final = f"""
SELECT jsonb_build_object(
    'entry_id', e.entry_id, 'posted_at', {_POSTED_AT}, 'events', {_EVENTS},
    'postings', (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'account', p.account, 'direction', p.direction,
            'amount', p.amount, 'currency', p.currency) ORDER BY p.line), '[]')
        FROM ledger.postings p WHERE p.entry_id = e.entry_id))
FROM ledger.entries e WHERE e.transaction_id = CAST(:transaction_id AS uuid)
"""  # noqa: S608 - pieces of our own

_SUMS: Final = """
    coalesce(sum(p.amount) FILTER (WHERE p.direction = 'debit'), 0) AS debit,
    coalesce(sum(p.amount) FILTER (WHERE p.direction = 'credit'), 0) AS credit"""

_ENTRIES: Final = f"""
SELECT jsonb_build_object(
    'entry_id', e.entry_id, 'transaction_id', e.transaction_id, 'posted_at', {_POSTED_AT},
    'events', {_EVENTS},
    'sums', (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'currency', s.currency, 'debit', s.debit, 'credit', s.credit)), '[]')
        FROM (
            SELECT p.currency, {_SUMS} FROM ledger.postings p
            WHERE p.entry_id = e.entry_id GROUP BY p.currency ORDER BY p.currency) s))
FROM ledger.entries e
WHERE {_PERIOD} AND e.entry_id > CAST(:after AS uuid) ORDER BY e.entry_id LIMIT :limit
"""  # noqa: S608

_TOTALS: Final = f"""
SELECT p.currency, count(DISTINCT e.entry_id), {_SUMS}
FROM ledger.entries e LEFT JOIN ledger.postings p USING (entry_id)
WHERE {_PERIOD} GROUP BY p.currency ORDER BY p.currency
"""  # noqa: S608

Request = Mapping[str, Any]


def answer(session: LedgerSession, request: Request) -> dict[str, Any]:
    """
    Args:
        request: as ledger_reader.requests.check returns it.

    Raises:
        ledger.session.LedgerError.
    """
    return _ANSWERS[request["action"]](session, request)


def _payment(session: LedgerSession, request: Request) -> dict[str, Any]:
    rows = session.run(_PAYMENT, transaction_id=request["transaction_id"])
    return {"entry": rows[0][0] if rows else None}


def _entries(session: LedgerSession, request: Request) -> dict[str, Any]:
    limit = request["limit"]
    after = request["after"] or str(UUID(int=0))
    rows = session.run(_ENTRIES, **_bounds(request), after=after, limit=limit)
    entries = [row[0] for row in rows]
    return {
        "entries": entries,
        "next": entries[-1]["entry_id"] if len(entries) == limit else None,
    }


def _totals(session: LedgerSession, request: Request) -> dict[str, Any]:
    rows = session.run(_TOTALS, **_bounds(request))
    return {
        "totals": [
            {
                "currency": currency,
                "entries": entries,
                "debit": int(debit),  # PostgreSQL sums bigints as numeric
                "credit": int(credit),
            }
            for currency, entries, debit, credit in rows
            if currency is not None
        ],
        "without_postings": sum(entries for currency, entries, *_ in rows if currency is None),
    }


def _bounds(request: Request) -> dict[str, str]:
    begin, end = (datetime.fromisoformat(request[name]) for name in ("from", "to"))
    return {
        "begin": request["from"],
        "end": request["to"],
        "first": _first_id(begin - _CLOCKS),
        "last": _first_id(end + _CLOCKS),
    }


def _first_id(moment: datetime) -> str:
    """The lowest id of a moment."""
    return str(UUID(int=int(moment.timestamp() * 1000) << 80))


_ANSWERS: Final[Mapping[str, Callable[[LedgerSession, Request], dict[str, Any]]]] = {
    "payment": _payment,
    "entries": _entries,
    "totals": _totals,
}
