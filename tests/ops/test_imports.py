"""Who may import whom: as the picture in docs/architecture.md has it."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from tests.environment import PROJECT

LIBRARIES = ("payments", "ledger", "audit_trail", "custom_resource")
"""Of lambda_code: what functions share."""


def pictured() -> dict[str, set[str]]:
    """Where the arrows lead, by where they begin."""
    page = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (picture,) = re.findall(r"## Folders.*?```mermaid\n(.*?)```", page, re.DOTALL)
    arrows: dict[str, set[str]] = {}
    for line in picture.splitlines():
        places = re.findall(r"\w+", line) if "-->" in line else []
        for begin, end in itertools.pairwise(places):
            arrows.setdefault(begin, set()).add(end)
    return arrows


def place(module: str) -> str | None:
    """Of a module in the picture; None of what is no part of it, such as a library."""
    top, _, rest = module.partition(".")
    below = rest.partition(".")[0]
    if (PROJECT / "lambda_code" / top).is_dir() or top == "lambda_code":
        return "lambda_code"
    if top in ("nested", "assurance") and below:
        return below
    if top == "ops":
        return below if below in ("console", "inspection", "production") else "commands"
    ours = (PROJECT / top).is_dir() or (PROJECT / f"{top}.py").is_file()
    return top if ours and top != "tests" else None


def modules() -> Iterator[tuple[str, Path]]:
    """Ours, with their names; tests may import everything."""
    folders = [
        each
        for each in PROJECT.iterdir()
        if each.is_dir() and each.name[0] != "." and each.name not in ("tests", "node_modules")
    ]
    for file in [*PROJECT.glob("*.py"), *(f for each in folders for f in each.rglob("*.py"))]:
        name = ".".join(file.relative_to(PROJECT).with_suffix("").parts)
        yield name.removesuffix(".__init__"), file


@cache
def imported(file: Path) -> frozenset[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: an import that is relative"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def imports() -> Iterator[tuple[str, str, str]]:
    """Place, place that it imports from, and which module imports what."""
    for module, file in modules():
        here = place(module)
        for name in imported(file):
            there = place(name)
            if here and there and here != there:
                yield here, there, f"{module} imports {name}"


def reachable(arrows: Mapping[str, set[str]], begin: str) -> set[str]:
    found: set[str] = set()
    waiting = [begin]
    while waiting:
        new = arrows.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def test_nothing_is_imported_that_no_arrow_leads_to() -> None:
    arrows = pictured()
    wrong = [
        told for here, there, told in imports() if there not in reachable(arrows, here) | {here}
    ]
    assert not wrong, "\n".join(wrong)


def test_each_arrow_is_an_import() -> None:
    real = {(here, there) for here, there, _ in imports()}
    drawn = {(begin, end) for begin, ends in pictured().items() for end in ends}
    assert drawn <= real


def test_no_arrows_make_a_circle() -> None:
    arrows = pictured()
    assert [begin for begin in arrows if begin in reachable(arrows, begin)] == []


def test_no_command_imports_another() -> None:
    wrong = []
    for module, file in modules():
        parts = module.split(".")
        if place(module) != "commands" or len(parts) < 3:
            continue  # ops.cli has them all
        wrong += [
            f"{module} imports {name}"
            for name in imported(file)
            if place(name) == "commands" and name.split(".")[1] != parts[1]
        ]
    assert not wrong, "\n".join(wrong)


def test_no_function_imports_another() -> None:
    folders = {file.name for file in (PROJECT / "lambda_code").iterdir() if file.is_dir()}
    wrong = []
    for module, file in modules():
        parts = module.split(".")
        if parts[0] == "lambda_code" and len(parts) > 1:
            wrong += [
                f"{module} imports {name}"
                for name in imported(file)
                if name.partition(".")[0] in folders - {*LIBRARIES, parts[1]}
            ]
    assert not wrong, "\n".join(wrong)
