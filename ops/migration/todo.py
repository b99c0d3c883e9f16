"""The list of what is to be done: for people in Markdown, for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any, Final

from ops.console.characters import visible
from ops.console.checks import Check, Verdict


class Group(StrEnum):
    """Whose work it is; in the order of the list."""

    REMAINS = "remains"
    DECIDE = "decide"
    UNANSWERED = "unanswered"
    SOLVED = "solved"


class Importance(StrEnum):
    """``CRITICAL``: open to anybody, or in the way; ``HIGH``: data, money or clients are lost;
    ``MEDIUM``: needed for the cut-over; ``LOW``: after it."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


_GROUPS: Final = list(Group)
_IMPORTANCE: Final = list(Importance)
_TITLES: Final = {
    Group.SOLVED: "Solved by deploying PaymentsProd",
    Group.REMAINS: "Remains for you",
    Group.DECIDE: "To decide",
    Group.UNANSWERED: "Could not be read: ask again",
}


@dataclass(frozen=True, kw_only=True)
class Todo(Check):
    """
    Attributes:
        requirement: its number; none, where it is of no requirement.
        mend: what to do, or what production has instead.
        command: for a shell, with the old environment's credentials.
    """

    group: Group
    importance: Importance
    requirement: str = ""
    command: str = ""
    verdict: Verdict = Verdict.PROBLEM


def unanswered(what: str, requirement: str = "") -> Todo:
    """What is told when AWS does not answer."""
    return Todo(
        group=Group.UNANSWERED,
        importance=Importance.HIGH,
        requirement=requirement,
        what=what,
        found="",
        mend="with credentials that may read it (AWS's policy ReadOnlyAccess), ask again",
    )


def ordered(todos: Iterable[Todo]) -> list[Todo]:
    """By group and importance; else as they come, and each once."""
    return sorted(
        dict.fromkeys(todos),
        key=lambda each: (_GROUPS.index(each.group), _IMPORTANCE.index(each.importance)),
    )


def as_document(todos: Sequence[Todo]) -> dict[str, Any]:
    """A JSON object: a list for each group, the most important first."""
    found: dict[str, Any] = {"held": not is_left(todos), **{group: [] for group in Group}}
    for each in map(asdict, todos):
        del each["verdict"]
        found[each.pop("group")].append(each)
    return found


def is_left(todos: Iterable[Todo]) -> bool:
    """Whether there is anything that the deployment does not do."""
    return any(each.group is not Group.SOLVED for each in todos)


def as_markdown(title: str, introduction: Sequence[str], todos: Sequence[Todo]) -> str:
    lines = [f"# {_text(title)}", "", *introduction]
    for group in Group:
        those = [each for each in todos if each.group is group]
        if not those and group is Group.UNANSWERED:
            continue
        lines += ["", f"## {_TITLES[group]} ({len(those)})"]
        for importance, some in groupby(those, key=lambda each: each.importance):
            lines += ["", f"### {importance.capitalize()}", ""]
            for each in some:
                lines += _lines(each)
        if not those:
            lines += ["", "Nothing."]
    return "\n".join(lines) + "\n"


def _lines(todo: Todo) -> Iterator[str]:
    box = "[x]" if todo.group is Group.SOLVED else "[ ]"
    requirement = f" ({todo.requirement})" if todo.requirement else ""
    needed = f"; needed: {_text(todo.needed)}" if todo.needed else ""
    found = f": {_text(todo.found)}" if todo.found else ""
    yield f"- {box} **{_text(todo.what)}**{requirement}{found}{needed}"
    if todo.mend:
        yield f"  {_text(todo.mend)}"
    if todo.command:
        # Not `visible`, which would change a command: such characters are in no name of AWS's.
        yield from ("", "  ```sh", *(f"  {line}" for line in todo.command.splitlines()), "  ```")


def _text(text: str) -> str:
    """Text from outside on one line, as it is: nothing in it is Markdown, or HTML."""
    shown = visible(" ".join(text.split()))
    return "".join(f"\\{each}" if each in "\\`*_[]<>|#" else each for each in shown)
