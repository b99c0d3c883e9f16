"""What ledger, history and audit trail say of the same payments, side by side, and what differs.

It stands in a temporary database of SQLite, on disk: a day may have a million payments.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from payments.states import APPROVED, is_posting
from reconciliation.history import faults

_SCHEMA: Final = """
CREATE TABLE ledger (
    id TEXT, at INTEGER, currency TEXT, amount INTEGER, credit INTEGER, delivered TEXT,
    PRIMARY KEY (id, currency)) WITHOUT ROWID;
CREATE TABLE history (
    id TEXT, at INTEGER, currency TEXT, amount INTEGER,
    money TEXT AS (coalesce(amount || ' ' || currency, 'of a malformed amount')),
    PRIMARY KEY (id, at)) WITHOUT ROWID;
CREATE TABLE approvals (
    id TEXT PRIMARY KEY, state TEXT, currency TEXT, amount INTEGER) WITHOUT ROWID;
CREATE TABLE audit (
    id TEXT, at INTEGER, currency TEXT, amount INTEGER,
    money TEXT AS (coalesce(amount || ' ' || currency, 'of a malformed amount')),
    PRIMARY KEY (id, at)) WITHOUT ROWID;
CREATE TABLE changes (id TEXT, at INTEGER, event TEXT, told TEXT);
CREATE TABLE faults (id TEXT, at INTEGER, teller TEXT, told TEXT);
"""


class Kind(StrEnum):
    """What can be wrong with a payment."""

    NO_HISTORY = "no history item"
    NO_LEDGER = "no ledger entry"
    NO_AUDIT = "no audit record"
    NO_APPROVAL = "no approval"
    DELETED = "history item deleted"
    CHANGED = "history item changed"
    AMOUNTS = "amounts differ"
    UNBALANCED = "debits and credits differ"
    MALFORMED = "item is malformed"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One of a payment's.

    Attributes:
        at: microseconds since 1970.
    """

    transaction_id: str
    kind: Kind
    detail: str
    at: int


_NO_HISTORY: Final = (
    Kind.NO_HISTORY,
    """
    SELECT l.id, l.at, 'in the ledger, ' || l.amount || ' ' || l.currency || '; the history was ' ||
        CASE WHEN l.delivered IS NULL THEN 'not told' ELSE 'told at ' || l.delivered END
    FROM ledger l LEFT JOIN history h USING (id, at) LEFT JOIN audit a USING (id, at)
    WHERE h.id IS NULL AND a.id IS NULL""",
)
_DELETED: Final = (
    Kind.DELETED,
    """
    SELECT a.id, a.at, 'the audit trail has it, ' || a.money
    FROM audit a LEFT JOIN history h USING (id, at) WHERE h.id IS NULL""",
)
_NO_LEDGER: Final = (
    Kind.NO_LEDGER,
    """
    SELECT s.id, s.at, 'posted, ' || s.money || ', say: ' || group_concat(s.teller, ', ')
    FROM (SELECT 'history' AS teller, * FROM history UNION ALL SELECT 'audit trail', * FROM audit) s
    LEFT JOIN ledger l USING (id, at) WHERE l.id IS NULL GROUP BY s.id, s.at""",
)
_NO_AUDIT: Final = (
    Kind.NO_AUDIT,
    """
    SELECT h.id, h.at, 'the history has the item, ' || h.money
    FROM history h LEFT JOIN audit a USING (id, at) WHERE a.id IS NULL""",
)
_NO_APPROVAL: Final = (
    Kind.NO_APPROVAL,
    f"""
    SELECT p.id, p.at, 'posted, ' ||
        coalesce(p.amount || ' ' || p.currency, 'of a malformed amount') || '; the request ' ||
        CASE WHEN r.id IS NULL THEN 'is not in the history'
        ELSE 'is ' || coalesce(r.state, 'malformed') END
    FROM (SELECT id, at, amount, currency FROM ledger UNION
        SELECT id, at, amount, currency FROM history) p
    LEFT JOIN approvals r USING (id) WHERE r.state IS NOT '{APPROVED}'""",  # noqa: S608
)
_AMOUNTS: Final = (
    Kind.AMOUNTS,
    """
    SELECT id, at, group_concat(teller || ' ' || amount || ' ' || currency, ', ') FROM (
        SELECT 'ledger' AS teller, id, at, currency, amount FROM ledger
        UNION ALL SELECT 'approval', p.id, p.at, r.currency, r.amount
            FROM (SELECT id, at FROM ledger UNION SELECT id, at FROM history) p
            JOIN approvals r USING (id)
        UNION ALL SELECT 'history', id, at, currency, amount FROM history
        UNION ALL SELECT 'audit trail', id, at, currency, amount FROM audit)
    GROUP BY id, at HAVING count(DISTINCT amount || ' ' || currency) > 1""",
)
_UNBALANCED: Final = (
    Kind.UNBALANCED,
    """
    SELECT id, at, CASE WHEN currency = '' THEN 'the entry has no postings'
        ELSE 'debit ' || amount || ', credit ' || credit || ' ' || currency END
    FROM ledger WHERE amount <> credit OR currency = ''""",
)
_CHANGED: Final = (Kind.CHANGED, "SELECT id, at, event || ' ' || told FROM changes")
_MALFORMED: Final = (
    Kind.MALFORMED,
    """
    SELECT id, at, group_concat(teller, ', ') || ': ' || told
    FROM (SELECT DISTINCT * FROM faults) GROUP BY id, at, told""",
)

_PASSING: Final = (_NO_HISTORY, _DELETED, _NO_LEDGER, _NO_AUDIT, _NO_APPROVAL)
"""What a payment may look like for seconds, while it is under way from store to store."""
_LASTING: Final = (_AMOUNTS, _UNBALANCED, _CHANGED, _MALFORMED)


class Books:
    """Filled store by store, then compared. `at` is in microseconds since 1970."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # a file that is deleted when opened
        self._db.executescript(_SCHEMA)
        self._db.execute("BEGIN")

    def add_entry(self, entry: dict[str, Any], at: int) -> None:
        """
        Args:
            entry: of reconciliation.ledger.Ledger.entries.
        """
        delivered = next(
            (event["delivered_at"] for event in entry["events"] if is_posting(event)), None
        )
        sums = entry["sums"] or [{"currency": "", "debit": 0, "credit": 0}]
        self._db.executemany(
            "INSERT OR IGNORE INTO ledger VALUES (?, ?, ?, ?, ?, ?)",
            (
                (entry["transaction_id"], at, s["currency"], s["debit"], s["credit"], delivered)
                for s in sums
            ),
        )

    def add_audited(self, item: dict[str, Any]) -> None:
        self._add("audit", item)

    def add_posted(self, item: dict[str, Any]) -> None:
        self._add("history", item)

    def add_approval(self, item: dict[str, Any]) -> None:
        values = self._sound("history", item, "transaction_id", "state", "currency", "amount")
        self._db.execute("INSERT OR IGNORE INTO approvals VALUES (?, ?, ?, ?)", values)

    def add_faults(self, teller: str, item: dict[str, Any]) -> Collection[str]:
        """What is wrong with an item by itself, if anything; the attributes that are.

        Args:
            teller: who has it so.
        """
        if found := faults(item):
            told = f"item {item['timestamp']}: {'; '.join(found.values())}"
            at = 0 if "timestamp" in found else item["timestamp"]
            values = (item["transaction_id"], at, teller, told)
            self._db.execute("INSERT INTO faults VALUES (?, ?, ?, ?)", values)
        return found

    def _sound(self, teller: str, item: dict[str, Any], *names: str) -> list[Any]:
        """Attributes of an item; None for those that are malformed, which cannot be added up."""
        wrong = self.add_faults(teller, item)
        return [None if name in wrong else item.get(name) for name in names]

    def add_change(self, transaction_id: str, at: int, event: str, told: str) -> None:
        """A change that nobody may make.

        Args:
            event: MODIFY or REMOVE.
        """
        self._db.execute(
            "INSERT INTO changes VALUES (?, ?, ?, ?)", (transaction_id, at, event, told)
        )

    def _add(self, table: str, item: dict[str, Any]) -> None:
        names = ("transaction_id", "timestamp", "currency", "amount")
        values = self._sound(_TELLERS[table], item, *names)
        self._db.execute(f"INSERT OR IGNORE INTO {table} VALUES (?, ?, ?, ?)", values)  # noqa: S608

    def known(self) -> Iterator[tuple[str, int]]:
        """The payments that one of the three calls posted: of the history, as far as it is read."""
        yield from self._db.execute(
            "SELECT id, at FROM ledger UNION SELECT id, at FROM audit "
            "UNION SELECT id, at FROM history"
        )

    def absent(self) -> set[str]:
        """The payments that the history calls posted, and of which the ledger has no entry."""
        return {
            id_
            for (id_,) in self._db.execute("SELECT id FROM history EXCEPT SELECT id FROM ledger")
        }

    def ledger_totals(self, before: int) -> list[dict[str, Any]]:
        """Of the entries until a moment, as reconciliation.ledger.Ledger.totals."""
        rows = self._db.execute(
            "SELECT currency, count(*), sum(amount), sum(credit) FROM ledger "
            "WHERE at < ? AND currency <> '' GROUP BY currency ORDER BY currency",
            (before,),
        )
        names = ("currency", "entries", "debit", "credit")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def last_delivery(self) -> str | None:
        """When the history was last told of an entry, RFC 3339."""
        ((last,),) = self._db.execute("SELECT max(delivered) FROM ledger")
        return str(last) if last else None

    def lack_audit(self) -> bool:
        """Whether there are entries that the audit trail is not known to have."""
        ((found,),) = self._db.execute(
            "SELECT EXISTS (SELECT * FROM ledger l LEFT JOIN audit a USING (id, at) "
            "WHERE a.id IS NULL)"
        )
        return bool(found)

    def sums(self) -> list[dict[str, Any]]:
        """Counts and sums by currency, of each store."""
        rows = self._db.execute(
            "SELECT teller, currency, count(*), sum(amount) FROM ("
            "SELECT 'ledger' AS teller, currency, amount FROM ledger UNION ALL "
            "SELECT 'history', currency, amount FROM history UNION ALL "
            "SELECT 'audit', currency, amount FROM audit) GROUP BY currency, teller"
        )
        found: dict[str, dict[str, Any]] = {}
        for teller, currency, count, amount in rows:
            nothing = {name: {"count": 0, "sum": 0} for name in ("ledger", "history", "audit")}
            told = found.setdefault(currency or "", {"currency": currency or "", **nothing})
            told[teller] = {"count": count, "sum": amount or 0}
        return list(found.values())

    def differences(self, settled: int) -> Iterator[Difference]:
        """
        Args:
            settled: what happened since then may be under way, and is not told.
        """
        yield from self._found(_LASTING)
        yield from (each for each in self._found(_PASSING) if each.at < settled)

    def under_way(self, settled: int) -> int:
        """Payments that are not told for that reason."""
        late = (each for each in self._found(_PASSING) if each.at >= settled)
        return len({each.transaction_id for each in late})

    def _found(self, queries: Iterable[tuple[Kind, str]]) -> Iterator[Difference]:
        for kind, query in queries:
            for id_, at, detail in self._db.execute(f"{query} ORDER BY 2, 1"):
                yield Difference(transaction_id=id_, kind=kind, detail=detail or "", at=at)


_TELLERS: Final = {"history": "history", "audit": "audit trail"}
