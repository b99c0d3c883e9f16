"""What a command looked at: for people, and for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, NoReturn

import typer
from rich.console import Console

from ops.console.terminal import escape, grid, out


class Verdict(StrEnum):
    """``UNSEEN``: it cannot be seen here, so it is neither good nor bad. ``UNANSWERED``: AWS did
    not answer, or in a way that is not known here; that says nothing against what was asked for,
    but does not pass either: ask again."""

    HELD = "held"
    PROBLEM = "problem"
    UNSEEN = "not seen"
    UNANSWERED = "not answered"


_MARKS = {
    Verdict.HELD: "[green]✔[/]",
    Verdict.PROBLEM: "[red]✘[/]",
    Verdict.UNSEEN: "[yellow]○[/]",
    Verdict.UNANSWERED: "[yellow]?[/]",
}


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        needed: in words, where what was looked at does not say it.
        mend: what to do about a problem.
    """

    what: str
    found: str
    verdict: Verdict
    needed: str = ""
    mend: str = ""


def judged(
    what: str, *, found: str, held: bool, mend: str = "", needed: str = "", note: str = ""
) -> Check:
    """
    Args:
        mend: told where it does not hold.
        note: told where it holds.
    """
    verdict = Verdict.HELD if held else Verdict.PROBLEM
    told = note if held else mend
    return Check(what=what, found=found, needed=needed, verdict=verdict, mend=told)


def problem(what: str, found: str, mend: str) -> Check:
    return judged(what, found=found, held=False, mend=mend)


def unseen(what: str, *, needed: str, why: str) -> Check:
    found = f"cannot be seen here: {why}"
    return Check(what=what, found=found, needed=needed, verdict=Verdict.UNSEEN)


def has_problems(checks: Iterable[Check]) -> bool:
    """Whether something does not hold, or nobody knows whether it does."""
    return any(check.verdict in (Verdict.PROBLEM, Verdict.UNANSWERED) for check in checks)


def exit_code(checks: Iterable[Check]) -> int:
    """1: something does not hold; 2: nobody could tell of something, and nothing else is wrong."""
    verdicts = {check.verdict for check in checks}
    if Verdict.PROBLEM in verdicts:
        return 1
    return 2 if Verdict.UNANSWERED in verdicts else 0


def as_document(checks: Sequence[Check]) -> dict[str, Any]:
    """A JSON object of them."""
    return {"held": not has_problems(checks), "checks": [asdict(check) for check in checks]}


def tell(checks: Sequence[Check], *, as_json: bool, **about: Any) -> NoReturn:
    """Print them, with what they are about in JSON, and end with their exit code."""
    if as_json:
        typer.echo(json.dumps({**about, **as_document(checks)}))
    else:
        show(out(), checks)
    raise typer.Exit(exit_code(checks))


def counted(checks: Iterable[Check], problems: str) -> str:
    """How many there are of each verdict.

    Args:
        problems: what they are called.
    """
    counts = Counter(check.verdict for check in checks)
    unanswered = counts[Verdict.UNANSWERED]
    return (
        f"{counts[Verdict.HELD]} held, {counts[Verdict.PROBLEM]} {problems}, "
        f"{counts[Verdict.UNSEEN]} cannot be seen here"
        + (f", {unanswered} not answered" if unanswered else "")
    )


def show(console: Console, checks: Sequence[Check]) -> None:
    """Print them as a table, and below it how to mend what is wrong."""
    needed = any(check.needed for check in checks)
    table = grid("", "checked", "found", *(["needed"] if needed else []))
    for check in checks:
        cells = [check.what, check.found, *([check.needed] if needed else [])]
        table.add_row(_MARKS[check.verdict], *map(escape, cells))
    console.print(table)
    for check in checks:
        if check.mend:
            console.print(f"[bold]{escape(check.what)}[/]: {escape(check.mend)}", soft_wrap=True)
