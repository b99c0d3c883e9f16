"""What a runbook gives to be pasted, pasted as it stands."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from local.deployment import PROJECT
from local.drills.report import Run, Step
from local.drills.site import Done, Site

_FOLDER = PROJECT / "docs" / "runbooks"
_BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_NOTHING: Mapping[str, str] = MappingProxyType({})

_VERSION_2_ONLY = "--cli-binary-format raw-in-base64-out"
"""Asks version 2 of the AWS CLI for what version 1 does, which does not know the option."""


def with_cli(run: Run) -> Run:
    """A drill that needs the AWS CLI: without it, it tells so and does nothing."""

    def checked(site: Site) -> Iterator[Step]:
        if shutil.which("aws") is None:
            limit = "the AWS CLI, with which the runbook's lines begin, is not installed here"
            yield Step("paste the runbook", "done", held=False, limit=limit)
            return
        yield from run(site)

    return checked


def blocks(page: str, heading: str, *, until: str = "\n## ") -> list[str]:
    """What a section of a page gives to be pasted.

    Args:
        until: where its part that is of use ends.
    """
    text = (_FOLDER / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    text = text.partition("\n## ")[0].partition(until)[0]
    return [textwrap.dedent(block) for _, block in _BLOCK.findall(text)]


def paste(site: Site, script: str, values: Mapping[str, str] = _NOTHING) -> Done:
    """
    Args:
        values: by the words that stand in their places.
    """
    for place, value in values.items():
        assert place in script, f"{place} is not in {script}"
        script = script.replace(place, value)
    if _VERSION_2_ONLY in script and "aws-cli/1." in site.paste("aws --version").output:
        script = script.replace(_VERSION_2_ONLY, "")
    return site.paste(script)


def pasted(
    what: str, done: Done, *, expected: str = "each line succeeds", held: bool = True
) -> Step:
    """The step of what was pasted.

    Args:
        held: what else is asked of it.
    """
    held = held and done.succeeded
    return Step(f"paste {what}", expected, held, "done" if held else done.output[-500:])
