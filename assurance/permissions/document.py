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

_INTRODUCTION: Final = """\
# Who may do what

Written by `make docs` from `assurance/permissions/matrix.yaml`; change it there.

Each line is a request and what must become of it. The lines are written by hand, as the
specification, but for those of the API's methods (`lambda_code/payments/operations.json`); a test
has a policy engine,
[`@cloud-copilot/iam-simulate`](https://www.npmjs.com/package/@cloud-copilot/iam-simulate), decide
on all {rows} requests by the synthesized templates: the policies of the roles, their permissions
boundary, and the policies of buckets, queues, topic, keys, functions and roles. It decides as AWS
documents it:

- **allow**;
- **implicit deny**: nothing allows it, but a statement added later could;
- **explicit deny**: a statement forbids it, and no other statement can allow it.

A request is made over TLS 1.3, in us-east-1, by code that runs in the principal, unless the line
tells otherwise. The administrator's and the stranger's own policies allow everything. A stranger's
resources are open to everybody.

## What this cannot prove

- **A call that needs more than one right** is more than one line: who reads an encrypted table
  needs the line of the table and the line of its key.
- **That AWS sends what conditions ask about** (the encryption header, the service that a key is
  used through, the account that a service acts for). The engine believes it; keys that AWS does
  not send with an action are refused.
- **What is no policy**: S3 Object Lock itself, KMS grants, the ledger's own rights in PostgreSQL,
  API keys and the web firewall, organizations' policies, and the account's root user.
- **That the history only grows**: `dynamodb:PutItem` may also replace an item. The functions put
  with a condition; IAM knows none for that.
- **Requests that the engine cannot be asked about**: CloudWatch Logs' use of the application key,
  for which it must name the log group in the encryption context (only that it gets nothing without
  is proven); `logs:DescribeLogGroups` of API Gateway's role; and that who revokes the rules of a
  security group must have the right to the rules, too.
- **Roles and policies that are not in the templates**: the CDK's own, and AWS's service-linked
  roles.
"""

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
    introduction = _INTRODUCTION.format(rows=f"{len(MATRIX):,}")
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
            parts += [f"### {heading}: {title}\n", _table(part)]
    return "\n".join(part for part in parts if part)


def _table(lines: Sequence[_Line]) -> str:
    return table(("what", "to what", "when", "decision", "because"), lines)
