"""Asking the user before something that cannot be taken back."""

from __future__ import annotations

import sys

import typer

from ops.console.characters import visible
from ops.console.failure import OpsError


def confirm(question: str, yes: bool) -> None:
    """
    Args:
        yes: the user has said so on the command line.

    Raises:
        OpsError: the user does not want it, or cannot be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise OpsError(f"nobody can be asked here: {question} If so, give --yes")
    if not typer.confirm(visible(question), err=True):
        raise OpsError("nothing was done")
