"""The matrix: who may do what to what, as matrix.yaml has it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final

import yaml

from assurance.permissions.resources import FUNCTIONS, KEYS, QUEUES, RELEASED, SHARED_LOGS
from assurance.permissions.row import Decision, Given, Row, Rows
from building_blocks.operations import OPERATIONS

SERVICE_ROLES: Final = ("vpc-flow-logs", "apigateway", "monitoring.rds")
"""The roles that AWS's services take on to write the app's logs, by the services."""
CODEDEPLOY: Final = "codedeploy"

_PRINCIPALS: Final[Mapping[str, Sequence[str]]] = {
    "functions": FUNCTIONS,
    "released": RELEASED,
    "service roles": SERVICE_ROLES,
    "roles": (*FUNCTIONS, *SERVICE_ROLES, CODEDEPLOY),
}
_EACH: Final[Mapping[str, Sequence[str]]] = {
    "key": KEYS,
    "queue": QUEUES,
    "function": FUNCTIONS,
    "released": RELEASED,
    "shared": tuple(SHARED_LOGS),
    "taken": SERVICE_ROLES,
    "store": ("dynamodb", "s3", "secretsmanager", "sqs"),
    "service": ("dynamodb", "logs", "rds", "s3", "secretsmanager", "sns", "sqs"),
}
"""What a word in braces stands for. {method} and {handler} are an operation of the API's, as its
invocations name it, and the function that serves it."""
_DECISIONS: Final = {
    "may": Decision.ALLOW,
    "lacks": Decision.IMPLICIT_DENY,
    "never": Decision.EXPLICIT_DENY,
}


def _of_block(block: Mapping[str, Any]) -> Iterator[Row]:
    named = block["who"]
    for who in _PRINCIPALS[named] if isinstance(named, str) else named:
        if who not in block.get("but", ()):
            for kind, expected in _DECISIONS.items():
                for line in block.get(kind, ()):
                    for values in _values(line):
                        yield from rows(who, expected, line.format(who=who, **values))


def _values(line: str) -> Iterator[dict[str, str]]:
    """Of the words in braces: all that a line is written for."""
    words = re.findall(r"\{(\w+)\}", line)
    kinds = [word for word in _EACH if word in words]
    for values in product(*(_EACH[kind] for kind in kinds)):
        for each in OPERATIONS if "method" in words else OPERATIONS[:1]:
            operation = {"method": f"{each.method}{each.at('any')}", "handler": each.function}
            yield operation | dict(zip(kinds, values, strict=True))


def rows(who: str, expected: Decision, line: str) -> Iterator[Row]:
    """Those of a line, one for each action."""
    request, resource, why, *circumstances = line.split(" | ")
    service, *actions = request.split()
    given = tuple(_given(words, who) for words in circumstances)
    for action in actions:
        yield Row(who, f"{service}:{action}", resource, expected, why, given)


def _given(words: str, who: str) -> Given:
    """:raises ValueError: for a circumstance that is not known."""
    for pattern, keys in _DOCUMENT["circumstances"].items():
        if found := re.fullmatch(pattern, words):
            context = (
                (key, value and found.expand(value.replace("WHO", who)))
                for key, value in keys.items()
            )
            return Given(words, tuple(context))
    raise ValueError(f"nobody knows the circumstance {words!r}")


_DOCUMENT: Final[Mapping[str, Any]] = yaml.safe_load(
    Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
)

MATRIX: Final[Rows] = tuple(row for block in _DOCUMENT["rows"] for row in _of_block(block))

UNJUDGED: Final = frozenset(map(tuple, _DOCUMENT["unjudged"]))
"""What roles are allowed, but the engine cannot be asked for: who, action, kind of resource."""
