"""The tools on this machine, against what is pinned."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Final

from ops.console.checks import Check, judged, unseen
from ops.console.environment import PROJECT

_OLDEST_PYTHON: Final = (3, 11)
_SETUP: Final = "make setup"


def installed() -> Iterator[Check]:
    """Python, the CDK's library and what belongs to it, the CDK's command line and Node.js."""
    yield judged(
        "Python",
        found=".".join(map(str, sys.version_info[:3])),
        needed="3.11 or newer",
        held=sys.version_info[:2] >= _OLDEST_PYTHON,
        mend="install a newer Python, remove .venv/, make setup",
    )
    pinned = re.findall(r"^([a-z0-9-]+)==(\S+)", _text("requirements.txt"), re.MULTILINE)
    wanted = json.loads(_text("package.json"))["devDependencies"]["aws-cdk"]
    cdk = json.loads(_text("node_modules/aws-cdk/package.json") or "{}")
    for name, found, needed in (
        *((name, _version(name), needed) for name, needed in pinned),
        ("CDK command line", cdk.get("version", ""), wanted),
    ):
        yield judged(
            name, found=found or "not installed", needed=needed, held=found == needed, mend=_SETUP
        )
    yield _node(cdk.get("engines", {}).get("node", ""))


def aws_cli(emulated: bool) -> Check:
    """What the runbooks' commands are: nobody should look for it in the night of an alarm."""
    # Such as aws-cli/2.31.0 Python/3.13.7 Linux/6.1 exe/x86_64.
    told = _output_of("aws", "--version")
    found = told.partition(" ")[0].removeprefix("aws-cli/")
    held = found.startswith("2.")
    if emulated and not held:
        return unseen("AWS CLI", needed=_AWS_CLI, why="no version 2; nothing here waits for it")
    return judged(
        "AWS CLI",
        found=found or "not installed",
        needed=_AWS_CLI,
        held=held,
        mend='install it: AWS CLI user guide, "Installing or updating to the latest version"',
    )


_AWS_CLI: Final = "version 2, for the runbooks"


def _output_of(*command: str) -> str:
    """What a command prints; nothing if there is no such command, or it fails."""
    try:
        return subprocess.run(  # noqa: S603 - asks for its version
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=20,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _node(asked: str) -> Check:
    """The one that comes with the virtual environment, or the user's.

    Args:
        asked: by the CDK, such as ``>= 20``.
    """
    beside = PROJECT / ".venv" / "bin" / "node"
    command = str(beside) if beside.exists() else "node"
    found = _output_of(command, "--version").lstrip("v")
    number = re.search(r"\d+", asked)
    least = int(number[0]) if number else 18
    return judged(
        "Node.js",
        found=found or "not installed",
        needed=f"{least} or newer",
        held=bool(found) and int(found.split(".")[0]) >= least,
        mend=_SETUP,
    )


def _text(file: str) -> str:
    """Of a file of the project; nothing if there is none."""
    path = PROJECT / file
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
