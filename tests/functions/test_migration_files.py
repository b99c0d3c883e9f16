"""Migrations only add, so that the release before, rolled back to, runs on what they leave.

What takes something away belongs in a later release than the one that stops using it, and says so,
in a comment before the statement: ``-- contract: unused since <release>``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from ledger_schema.migrator import FILES, Migration, read

MARK = re.compile(r"-- contract: \S+")

# Of PostgreSQL's lexical structure: comments, strings, dollar-quoted strings, ends of statements.
_TOKEN = re.compile(
    r"(?P<comment>--[^\n]*|/\*.*?\*/)"
    r"|(?P<string>'(?:[^']|'')*')"
    r"|(?P<body>(?P<tag>\$\w*\$).*?(?P=tag))"
    r"|(?P<end>;)"
    r"|(?P<other>[^-/'$;]+|.)",
    re.DOTALL,
)
_IN_FUNCTION = re.compile(r"CREATE (OR REPLACE )?(FUNCTION|PROCEDURE)\b")

TAKES_AWAY = {
    "drops": re.compile(r"\bDROP\b(?! NOT NULL\b)"),
    "renames": re.compile(r"\bRENAME\b"),
    "changes a type": re.compile(r"\bALTER TABLE\b.*\bTYPE\b"),
    "forbids NULL": re.compile(r"\bSET NOT NULL\b"),
    "asks for a new column": re.compile(
        r"\bADD (COLUMN )?(?!CONSTRAINT\b)(?:(?!\b(DEFAULT|GENERATED)\b)[^,])*\bNOT NULL\b"
        r"(?![^,]*\b(DEFAULT|GENERATED)\b)"
    ),
    "removes rows": re.compile(r"(^|\bBEGIN )(TRUNCATE|DELETE)\b"),
    "revokes": re.compile(r"\bREVOKE\b(?!.*\bFROM PUBLIC\b)"),
}


class Statement(NamedTuple):
    sql: str
    """In capitals, with single spaces, without comments and strings, and without the bodies of
    functions: those run later. A DO block runs now, and is all here."""
    is_marked: bool


def statements(sql: str) -> Iterator[Statement]:
    text, marked = "", False
    for token in _TOKEN.finditer(f"{sql};"):
        if token["comment"]:
            marked = marked or bool(MARK.match(token["comment"]))
        elif token["body"]:
            if not _IN_FUNCTION.match(_plain(text)):
                text += re.sub(r"--[^\n]*", "", token["body"].removeprefix(token["tag"]))
        elif token["other"]:
            text += token["other"]
        elif token["end"] and text.strip():
            yield Statement(_plain(text), marked)
            text, marked = "", False


def _plain(text: str) -> str:
    return " ".join(text.upper().split())


def objections(sql: str) -> list[str]:
    return [
        f"{what}: {statement.sql[:120]}"
        for statement in statements(sql)
        for what, pattern in TAKES_AWAY.items()
        if pattern.search(statement.sql) and not statement.is_marked
    ]


def test_a_checkout_with_other_ends_of_lines_has_the_same_migrations(tmp_path: Path) -> None:
    for file in FILES.glob("*.sql"):
        assert b"\r" not in file.read_bytes()
        (tmp_path / file.name).write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert read(tmp_path) == read()


def test_the_checksum_is_that_of_the_file_as_it_is_in_the_repository() -> None:
    for migration in read():
        content = (FILES / migration.name).read_bytes()
        assert migration.checksum == hashlib.sha256(content).hexdigest()
        assert migration.sql.encode() == content


@pytest.mark.parametrize("migration", read(), ids=lambda migration: migration.name)
def test_a_migration_only_adds(migration: Migration) -> None:
    found = objections(migration.sql)
    assert not found, (
        "the release before runs on this schema after a rollback. Do it in a later release than "
        "the one that stops using it, under `-- contract: unused since ...`:\n" + "\n".join(found)
    )


@pytest.mark.parametrize(
    ("what", "sql"),
    [
        ("drops", "DROP TABLE ledger.outbox"),
        ("drops", "alter table ledger.outbox\n  drop column event"),
        ("drops", "ALTER TABLE t ALTER c DROP DEFAULT"),
        ("drops", "SELECT 1; DROP FUNCTION ledger.find_entry(uuid)"),
        ("drops", "DO $$ BEGIN EXECUTE 'DROP TABLE t'; END $$"),
        ("drops", "-- contract:\nDROP TABLE t"),
        ("drops", "-- contract: unused\nSELECT 1;\nDROP TABLE t"),
        ("drops", "SELECT '-- contract: unused';DROP TABLE t"),
        ("renames", "ALTER TABLE t RENAME COLUMN a TO b"),
        ("changes a type", "ALTER TABLE t ALTER COLUMN c TYPE bigint"),
        ("changes a type", "ALTER TABLE t ALTER c SET DATA TYPE text"),
        ("forbids NULL", "ALTER TABLE t ALTER COLUMN c SET NOT NULL"),
        ("asks for a new column", "ALTER TABLE t ADD COLUMN c text NOT NULL"),
        ("asks for a new column", "ALTER TABLE t ADD a int DEFAULT 1, ADD c text NOT NULL"),
        ("removes rows", "DELETE FROM t"),
        ("removes rows", "TRUNCATE t"),
        ("revokes", "REVOKE SELECT ON t FROM payment_processor"),
    ],
)
def test_what_takes_something_away_is_found(what: str, sql: str) -> None:
    (found,) = objections(sql)
    assert found.startswith(f"{what}: ")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (c text NOT NULL)",
        "ALTER TABLE t ADD COLUMN c text",
        "ALTER TABLE t ADD COLUMN c text NOT NULL DEFAULT ''",
        "ALTER TABLE t ADD COLUMN c text DEFAULT '' NOT NULL",
        "ALTER TABLE t ALTER c DROP NOT NULL",
        "CREATE TRIGGER t BEFORE DELETE OR TRUNCATE ON t EXECUTE FUNCTION f()",
        "CREATE OR REPLACE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DELETE FROM t $$",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $body$ DROP TABLE t; $body$",
        "-- DROP TABLE t\nSELECT 'DROP TABLE t; it''s a text'",
        "REVOKE ALL ON t FROM PUBLIC",
        "/* of old */ -- contract: unused since 2026.4\nDROP TABLE t",
    ],
)
def test_what_adds_or_is_marked_is_let_through(sql: str) -> None:
    assert objections(sql) == []
