"""The table of stable codes, as lambda_code/payments/codes.json has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from payments.problems import CODES, Problem

ALL: Final = "all"


@dataclass(frozen=True, kw_only=True)
class Code:
    """One kind of problem.

    Attributes:
        meaning: what has happened, for the client's developer.
        advice: what the client should do.
        operations: which may answer it; ALL of them, also those that come later.
        gateway_responses: API Gateway's names of the cases in which it answers this itself.
    """

    code: str
    status: int
    title: str
    meaning: str
    advice: str
    operations: list[str] | str
    gateway_responses: list[str]

    def problem(self, errors: list[dict[str, str]] | None = None) -> dict[str, object]:
        """An example, as the API writes it."""
        body = Problem(HTTPStatus(self.status), self.code, self.meaning).body()
        return body | ({"errors": errors} if errors else {})


_table: dict[str, Any] = json.loads(CODES.read_text(encoding="utf-8"))

PROBLEMS: tuple[Code, ...] = tuple(Code(**known) for known in _table["problems"])
DECLINE_REASONS: dict[str, str] = {
    reason["code"]: reason["meaning"] for reason in _table["decline_reasons"]
}
"""Code → meaning."""


def of(operation: str) -> Iterator[Code]:
    """The problems that an operation may answer."""
    return (known for known in PROBLEMS if known.operations == ALL or operation in known.operations)
