"""What was asked for, with what fulfils it, as requirements.yaml has it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from ops.console.environment import PROJECT

TESTS: Final = "tests/templates/test_requirements.py"


@dataclass(frozen=True)
class Shown:
    """Resources that fulfil a requirement, and the properties that show it.

    Attributes:
        pattern: of the constructs' paths (`built.path`).
        properties: as `built.at` takes them.
        kind: pattern of the types, without the `AWS::` in front.
    """

    pattern: str
    properties: tuple[str, ...]
    kind: str


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """
    Attributes:
        also: tests beside those of `TESTS`, as files or folders.
        controls: of PCI DSS; keys of `CONTROLS`.
        remark: what an assessor must know besides.
    """

    number: str
    text: str
    shown: tuple[Shown, ...]
    also: tuple[str, ...]
    controls: tuple[str, ...]
    remark: str

    @property
    def tests(self) -> tuple[str, ...]:
        """Those of `TESTS` that bear its number."""
        prefix = f"test_{self.number.lower()}_"
        return tuple(name for name in _tests() if name.startswith(prefix))


def _requirement(number: str, told: Mapping[str, Any]) -> Requirement:
    return Requirement(
        number=number,
        text=told["text"],
        shown=tuple(
            Shown(pattern, tuple(properties), kind or "*")
            for where, properties in told.get("shown", {}).items()
            for pattern, _, kind in [where.partition(" ")]
        ),
        also=tuple(told.get("also", ())),
        controls=tuple(told.get("controls", ())),
        remark=told.get("remark", ""),
    )


_FILE: Final = Path(__file__).with_suffix(".yaml")
_document: Mapping[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))

CONTROLS: Final[Mapping[str, str]] = _document["controls"]
"""The requirements of PCI DSS that are named here, in our words."""
REQUIREMENTS: Final = tuple(
    _requirement(number, told) for number, told in _document["requirements"].items()
)


@cache
def _tests() -> tuple[str, ...]:
    tree = ast.parse((PROJECT / TESTS).read_text(encoding="utf-8"))
    return tuple(node.name for node in tree.body if isinstance(node, ast.FunctionDef))
