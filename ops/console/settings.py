"""The options of what is deployed: `-c KEY=VALUE`, settings of config.py, or an assembly that has
them already."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

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


SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "-c",
        "--context",
        metavar="KEY=VALUE",
        show_default=False,
        callback=checked,
        help="A setting of config.py, as the deployment will get it; several times, if need be.",
    ),
]
AssemblyOption = Annotated[
    Path | None,
    typer.Option(
        "--assembly",
        metavar="FOLDER",
        exists=True,
        file_okay=False,
        show_default=False,
        help="A cloud assembly that was synthesized already, such as cdk.out. Without it, the app "
        "is synthesized.",
    ),
]


def not_both(assembly: Path | None, context: Sequence[str] | None) -> None:
    """
    Raises:
        typer.BadParameter: both options were given.
    """
    if assembly and context:
        raise typer.BadParameter("-c or --assembly, not both: an assembly has its settings already")
