"""What a drill tells: its steps, and what CloudFormation reported after each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from botocore.exceptions import BotoCoreError, ClientError
from rich import box
from rich.console import Console
from rich.table import Table

from local.drills.releases import Release
from local.drills.site import Site, SiteError
from ops.console.terminal import escape, out


@dataclass(frozen=True)
class Step:
    """One thing that was done or looked at.

    Attributes:
        expected: in words.
        held: whether it was as expected.
        seen: what was seen besides, in words.
        states: of the root stack and its nested stacks, as CloudFormation reported them.
        limit: where the emulator cannot do what AWS does: the limit, in words. Such a step is
            reported, and is neither a success nor a failure.
    """

    name: str
    expected: str
    held: bool
    seen: str = ""
    states: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    limit: str = ""

    @property
    def failed(self) -> bool:
        return not self.held and not self.limit


Run = Callable[[Site], Iterator[Step]]
"""Yields the steps as they are done (raises SiteError)."""


@dataclass(frozen=True, kw_only=True)
class Drill:
    """A drill.

    Attributes:
        releases: what it deploys, so that it can be synthesized beforehand. One without leaves a
            sound deployment: it shares its site with the others of the kind.
        keeps: whether it takes place where a rollback keeps what a complete nested stack retains
            (local.nested_stacks.NestedStack): a site of its own.
    """

    name: str
    title: str
    run: Run
    releases: Sequence[Release] = ()
    keeps: bool = False


def drill(name: str, title: str, *releases: Release) -> Callable[[Run], Drill]:
    """Makes a drill of the function that runs it."""
    return lambda run: Drill(name=name, title=title, run=run, releases=releases)


def show(console: Console, drill: Drill, steps: Sequence[Step], seconds: float) -> None:
    """Print a drill's steps as a table."""
    table = Table(
        title=f"\n{drill.title} ({drill.name}, {seconds:.0f} s)",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
    )
    for column in ("", "step", "CloudFormation reported", "expected", "seen"):
        table.add_column(column, overflow="fold")
    for step in steps:
        table.add_row(
            _mark(step),
            escape(step.name),
            escape(states_text(step.states)),
            escape(step.expected),
            escape(f"limit of the emulator: {step.limit}" if step.limit else step.seen),
        )
    console.print(table)


def states_text(states: Mapping[str, str]) -> str:
    """One line for all stacks in one state, or one for each state."""
    by_state: dict[str, list[str]] = {}
    for stack, state in states.items():
        by_state.setdefault(state, []).append(stack)
    return "\n".join(f"{state}: {', '.join(stacks)}" for state, stacks in by_state.items())


def perform(drill: Drill, site: Site) -> list[Step]:
    """A drill's steps, printed too; one that could not go on says so in its last."""
    begin, steps = time.monotonic(), list[Step]()
    try:
        steps.extend(drill.run(site))
    except (SiteError, BotoCoreError, ClientError) as error:
        steps.append(Step("go on", "possible", held=False, seen=str(error)))
    show(out(), drill, steps, time.monotonic() - begin)
    return steps


def _mark(step: Step) -> str:
    if step.failed:
        return "[red]✘[/]"
    return "[yellow]○[/]" if step.limit else "[green]✔[/]"
