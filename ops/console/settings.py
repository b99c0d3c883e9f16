"""Options that several commands have: how they tell, whether they ask, and what is deployed (`-c
KEY=VALUE`, settings of config.py, or an assembly that has them already)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from config import STACKS, unknown_keys
from ops.console import files, terminal
from ops.console.environment import PROJECT, choose, chosen


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
        name, _, value = each.partition("=")
        if name == "environment" and value in STACKS:
            choose(value)
    if settings:
        terminal.told().print(NOT_KEPT)
    if unknown := unknown_keys(each.partition("=")[0] for each in settings):
        raise typer.BadParameter(" ".join(unknown))
    return settings


NOT_KEPT: Final = (
    "Settings given with -c hold for this command only: the next one needs them again, or deploy "
    "--remember, which writes them into cdk.json."
)


def remember(given: Sequence[str], file: Path = PROJECT / "cdk.json") -> None:
    """Writes settings into cdk.json, so that they hold without being given.

    :param given: as ``KEY=VALUE``; an environment's stand under its name.
    """
    document = json.loads(file.read_text(encoding="utf-8"))
    settings = dict(each.split("=", 1) for each in given)
    environment = settings.pop("environment", chosen())
    own = document["context"].setdefault(environment, {})
    for key, value in settings.items():
        document["context"].pop(key, None)  # which would go before the environment's
        own[key] = int(value) if re.fullmatch(r"-?\d+", value) else value
    files.write(file, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
NotAskedOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
YesOption = Annotated[
    bool, typer.Option("--yes", help="Do it. Without: only tell what would be done.")
]
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
