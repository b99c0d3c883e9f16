"""Where commands print: what they found, and what they are doing meanwhile."""

from __future__ import annotations

from typing import Any

from rich import markup
from rich.console import Console
from rich.text import Text

from ops.console.characters import visible


def escape(text: str) -> str:
    """Text from outside, for what is printed with markup: it shows as it is."""
    shown = visible(text)
    stem = shown.rstrip("\\")
    # A backslash at the end would escape a tag that follows: it gets one of its own.
    end = "\\" * (2 * (len(shown) - len(stem)))
    return markup.escape(stem) + (f"{end}[none][/none]" if end else "")


def out(**options: Any) -> Console:
    """For what the user asked for."""
    return Console(highlight=False, emoji=False, **options)


def told() -> Console:
    """For progress and errors, apart from what may be piped on."""
    return Console(stderr=True, highlight=False, emoji=False)


def progress(marked_up: str) -> Text:
    """What a status tells, where it holds text from outside: rich's own way knows emoji."""
    return Text.from_markup(marked_up, emoji=False)
