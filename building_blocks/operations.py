"""The API's operations, as ``lambda_code/payments/operations.json`` has them.

Every other place that speaks of all operations is made from that table; the one list that is not
is in ``tests/templates/test_requirements.py``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from building_blocks.bundle import SOURCES

TABLE: Final = SOURCES / "payments" / "operations.json"
SCHEMAS: Final = SOURCES / "payments" / "schemas"

_PARAMETER: Final = re.compile(r"{(\w+)}")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One kind of answer that is no problem; codes.json has the problems.

    Attributes:
        meaning: what has happened, for the client's developer.
        schema: of the body, as a file in ``payments/schemas/``.
        links: OpenAPI's Link Objects: what the client may ask next.
    """

    status: int
    meaning: str
    schema: str
    links: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path.

    Attributes:
        name: by which codes.json, the function's handler and OpenAPI know it.
        path: as API Gateway writes it, a parameter in braces.
        function: which serves it.
        request: schema of the body; for GET, which has none, of the path's parameters.
        requests_per_second: what the API takes of it. Monitors ask for the status every few
            seconds, and each answer may ask ledger, table and queue: more than a few are of no
            use. None: what the configuration allows for a method.
    """

    name: str
    summary: str
    method: str
    path: str
    function: str
    answers: tuple[Answer, ...]
    description: str = ""
    request: str | None = None
    requests_per_second: int | None = None

    @property
    def parameters(self) -> list[str]:
        """The names of the path's parameters."""
        return _PARAMETER.findall(self.path)

    @property
    def body(self) -> str | None:
        """The schema of the body, of an operation that has one."""
        return None if self.method == "GET" else self.request

    def at(self, parameter: str) -> str:
        """The path, with this for each of its parameters."""
        return _PARAMETER.sub(parameter, self.path)

    def schema(self) -> dict[str, Any]:
        """The request's JSON Schema."""
        definition: dict[str, Any] = json.loads(
            (SCHEMAS / f"{self.request}.json").read_text(encoding="utf-8")
        )
        return definition


def _read(known: dict[str, Any]) -> Operation:
    """
    Raises:
        ValueError: it names a schema that is not there, or lacks one.
    """
    answers = tuple(Answer(**answer) for answer in known.pop("answers"))
    operation = Operation(answers=answers, **known)
    if operation.parameters and not operation.request:
        raise ValueError(
            f"{TABLE.name}: the path of {operation.name} has parameters, and `request` names no "
            f"schema for them"
        )
    for schema in filter(None, (operation.request, *(answer.schema for answer in answers))):
        if not (SCHEMAS / f"{schema}.json").exists():
            raise ValueError(
                f"{TABLE.name}: {operation.name} names the schema {schema}, and there is no "
                f"{SCHEMAS / schema}.json"
            )
    return operation


OPERATIONS: Final = tuple(map(_read, json.loads(TABLE.read_text(encoding="utf-8"))))


def named(name: str) -> Operation:
    """One operation, for what concerns it alone."""
    (operation,) = (each for each in OPERATIONS if each.name == name)
    return operation


def of(function: str) -> str:
    """What a function serves, in words: ``POST /process, GET /status``."""
    return ", ".join(
        f"{each.method} {each.path}" for each in OPERATIONS if each.function == function
    )
