"""docs/permissions.md, made from the matrix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from assurance.permissions.matrix import MATRIX, SERVICE_ROLES
from assurance.permissions.principals import ADMINISTRATOR, ANONYMOUS, OUTSIDER
from assurance.permissions.resources import FUNCTIONS
from assurance.permissions.row import Decision, Row
from ops.console.markdown import table

PATH: Final = Path(__file__).resolve().parents[2] / "docs" / "permissions.md"

_INTRODUCTION: Final = Path(__file__).with_name("introduction.md")

_ABOUT: Final = {
    ADMINISTRATOR: "An administrator of the production account. Its own policy allows everything.",
    OUTSIDER: "An administrator of another account.",
    ANONYMOUS: "A request that nobody signed.",
    "vpc-flow-logs": "The role with which the VPC writes its flow log.",
    "apigateway": "The role with which API Gateway writes its logs.",
    "monitoring.rds": "The role with which RDS writes the database's metrics.",
}

_ROLES: Final = (*FUNCTIONS, *SERVICE_ROLES)


def text() -> str:
    """The whole file."""
    shared = _of_every_role()
    introduction = _INTRODUCTION.read_text(encoding="utf-8").format(rows=f"{len(MATRIX):,}")
    sections = [introduction, _section("Every role of the app", shared)]
    for who in dict.fromkeys(row.who for row in MATRIX):
        lines = _lines(row for row in MATRIX if row.who == who)
        own = [line for line in lines if line not in shared] if who in _ROLES else lines
        sections.append(_section(who, own, _ABOUT.get(who, "")))
    return "\n".join(sections)


# Actions, resource, circumstances, decision, reason.
_Line = tuple[str, str, str, Decision, str]


def _lines(rows: Iterable[Row]) -> list[_Line]:
    """Rows that differ in the action only are one line."""
    actions: dict[tuple[str, str, Decision, str], list[str]] = {}
    for row in rows:
        same = (row.resource, row.circumstances, row.expected, row.why)
        actions.setdefault(same, []).append(f"`{row.action}`")
    return [(", ".join(names), *same) for same, names in actions.items()]


def _of_every_role() -> list[_Line]:
    first, *others = ([*_lines(row for row in MATRIX if row.who == who)] for who in _ROLES)
    return [line for line in first if all(line in other for other in others)]


def _section(title: str, lines: Sequence[_Line], about: str = "") -> str:
    allowed = [line for line in lines if line[3] is Decision.ALLOW]
    denied = [line for line in lines if line[3] is not Decision.ALLOW]
    parts = [f"## {title}\n", f"{about}\n" if about else ""]
    for heading, part in (("May", allowed), ("May not", denied)):
        if part:
            rows = table(("what", "to what", "when", "decision", "because"), part)
            parts += [f"### {heading}: {title}\n", rows]
    return "\n".join(part for part in parts if part)
