"""Where commands print: what they found, and what they are doing meanwhile."""

from __future__ import annotations

from rich.console import Console


def out() -> Console:
    """For what the user asked for."""
    return Console(highlight=False)


def told() -> Console:
    """For progress and errors, apart from what may be piped on."""
    return Console(stderr=True, highlight=False)
