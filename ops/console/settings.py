"""The option `-c KEY=VALUE`: settings of config.py."""

from __future__ import annotations

import difflib
import re

import typer

from config import ProductionConfig


def checked(given: list[str] | None) -> list[str]:
    """As given. For typer's ``callback``.

    What the CDK's command line would take for a file or leave out is a mistake; so is a name that
    the app would not read. Names with a ``:`` or ``/`` are the CDK's own.

    Raises:
        typer.BadParameter: one is not ``KEY=VALUE``, or no setting.
    """
    known = list(ProductionConfig.model_fields)
    for each in given or []:
        if not re.fullmatch(r"[^=\s]+=.+", each):
            raise typer.BadParameter(f"{each!r} is not KEY=VALUE")
        key = each.partition("=")[0]
        if key not in known and not re.search("[:/]", key):
            near = difflib.get_close_matches(key.lower(), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise typer.BadParameter(f"{key} is no setting of config.py; {hint}")
    return given or []
