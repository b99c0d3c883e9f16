"""Where commands print: what they found, and what they are doing meanwhile."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any, Final

from rich import box, markup
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.console.characters import visible


def escape(text: str) -> str:
    """Text from outside, for what is printed with markup: it shows as it is."""
    shown = visible(text)
    stem = shown.rstrip("\\")
    # A backslash at the end would escape a tag that follows: it gets one of its own.
    end = "\\" * (2 * (len(shown) - len(stem)))
    return markup.escape(stem) + (f"{end}[none][/none]" if end else "")


_WHOLE: Final = 1_000
"""Characters of a line that is read by no terminal: more than any table has."""


def out(**options: Any) -> Console:
    """For what the user asked for. Where that is no terminal, nothing is folded to the width of one
    (unless COLUMNS gives it): what is piped on, kept or searched has its lines whole."""
    console = Console(highlight=False, emoji=False, **options)
    if not console.is_terminal and not os.environ.get("COLUMNS") and "width" not in options:
        console.width = _WHOLE
    return console


def told() -> Console:
    """For progress and errors, apart from what may be piped on."""
    return Console(stderr=True, highlight=False, emoji=False)


def grid(*columns: str, right: Collection[str] = ()) -> Table:
    """An empty table, what is too wide for a column of which is folded.

    Args:
        right: columns of numbers.
    """
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column in right else "left")
    return table


def progress(marked_up: str) -> Text:
    """What a status tells, where it holds text from outside: rich's own way knows emoji."""
    return Text.from_markup(marked_up, emoji=False)
