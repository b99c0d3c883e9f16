"""What was restored, record by record, beside what is live.

Both stores only ever grow, and no record changes. So each record that was restored must be live and
the same, and each live record from before the restored moment must have been restored.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from reconciliation.history import faults, moment_of

CLOCKS: Final = timedelta(minutes=1)
"""A record is told of by the clock of who wrote it, and stored a moment later: this close to the
restored moment it may be on either side."""

_SHOWN: Final = 5

_QUERIES: Final = {
    "missing": "SELECT l.name FROM live l LEFT JOIN restored r USING (name) "
    "WHERE r.name IS NULL AND l.at < ?",
    "changed": "SELECT name FROM live l JOIN restored r USING (name) WHERE l.content <> r.content",
    "unknown": "SELECT r.name FROM restored r LEFT JOIN live l USING (name) WHERE l.name IS NULL",
    "malformed": "SELECT name || ' (' || faults || ')' FROM "
    "(SELECT name, faults FROM restored UNION SELECT name, faults FROM live) WHERE faults <> ''",
}


@dataclass(frozen=True, kw_only=True)
class Record:
    """
    Attributes:
        at: None if it does not tell: then it may be from after the restored moment.
        content: all that must be the same.
        faults: what is wrong with it by itself.
    """

    name: str
    at: datetime | None
    content: Mapping[str, Any]
    faults: str = ""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """
    Attributes:
        compared: how many records are restored.
        wrong: names of those that are missing, changed, unknown (restored, and not live) or
            malformed.
    """

    compared: int
    wrong: Mapping[str, Sequence[str]]

    @property
    def same(self) -> bool:
        return not any(self.wrong.values())

    def __str__(self) -> str:
        if self.same:
            return f"{self.compared:,} records, all as they are live"
        told = ", ".join(f"{len(names)} {kind}" for kind, names in self.wrong.items() if names)
        examples = ", ".join(name for names in self.wrong.values() for name in names[:_SHOWN])
        return f"{self.compared:,} records; {told}: {examples}"


def compare(restored: Iterable[Record], live: Iterable[Record], moment: datetime) -> Comparison:
    """Read both, the restored one first: what is posted meanwhile is then live at least.

    Args:
        moment: that was restored.
    """
    database = sqlite3.connect("", isolation_level=None)  # a file that is deleted when opened
    for table, records in (("restored", restored), ("live", live)):
        database.execute(
            f"CREATE TABLE {table} "
            "(name TEXT PRIMARY KEY, at REAL, content BLOB, faults TEXT) WITHOUT ROWID"
        )
        database.execute("BEGIN")
        database.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?)", _rows(records))  # noqa: S608
        database.execute("COMMIT")
    cut = (moment - CLOCKS).timestamp()
    wrong = {
        kind: [name for (name,) in database.execute(query, (cut,) if "?" in query else ())]
        for kind, query in _QUERIES.items()
    }
    ((compared,),) = database.execute("SELECT count(*) FROM restored")
    return Comparison(compared=compared, wrong=wrong)


def _rows(records: Iterable[Record]) -> Iterator[tuple[str, float | None, bytes, str]]:
    for record in records:
        content = json.dumps(record.content, sort_keys=True, default=str).encode()
        at = record.at.timestamp() if record.at else None
        yield record.name, at, hashlib.sha256(content).digest(), record.faults


def of_history(items: Iterable[dict[str, Any]]) -> Iterator[Record]:
    """
    Args:
        items: of reconciliation.history.PaymentHistory.
    """
    for item in items:
        yield Record(
            name=f"{item['transaction_id']}/{item['timestamp']}",
            at=moment_of(item),
            content=item,
            faults="; ".join(faults(item).values()),
        )


def of_ledger(entries: Iterable[dict[str, Any]]) -> Iterator[Record]:
    """
    Args:
        entries: of reconciliation.ledger.Ledger.
    """
    for entry in entries:
        # When the history was told of it is the one thing that is filled in later.
        events = [{**event, "delivered_at": None} for event in entry["events"]]
        yield Record(
            name=entry["entry_id"],
            at=datetime.fromisoformat(entry["posted_at"]),
            content={**entry, "events": events},
        )
