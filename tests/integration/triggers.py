"""Getting round the ledger's own rules, as only DDL can."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pg8000.native import Connection  # type: ignore[import-untyped]

TABLES = ("outbox", "postings", "entries")


@contextmanager
def without_triggers(superuser: Connection) -> Iterator[None]:
    """One transaction in which the tables take what they would refuse, foreign keys included."""
    superuser.run("BEGIN")
    always = superuser.run(
        "SELECT tgrelid::regclass::text, quote_ident(tgname) FROM pg_trigger WHERE tgenabled = 'A'"
    )
    for table in TABLES:
        superuser.run(f"ALTER TABLE ledger.{table} DISABLE TRIGGER ALL")
    yield
    for table in TABLES:
        superuser.run(f"ALTER TABLE ledger.{table} ENABLE TRIGGER ALL")
    for table, trigger in always:
        superuser.run(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")
    superuser.run("COMMIT")
