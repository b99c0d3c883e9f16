"""The option `-c KEY=VALUE`: settings of config.py."""

from __future__ import annotations

import re

import typer

from config import unknown_keys


def checked(given: list[str] | None) -> list[str]:
    """As given. For typer's ``callback``.

    What the CDK's command line would take for a file or leave out is a mistake; so is a name that
    the synthesis would refuse.

    Raises:
        typer.BadParameter: one is not ``KEY=VALUE``, or no setting.
    """
    settings = given or []
    for each in settings:
        if not re.fullmatch(r"[^=\s]+=.+", each):
            raise typer.BadParameter(f"{each!r} is not KEY=VALUE")
    if unknown := unknown_keys(each.partition("=")[0] for each in settings):
        raise typer.BadParameter(" ".join(unknown))
    return settings
