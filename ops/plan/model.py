"""The report: what happens to which resource."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Action(StrEnum):
    """What happens to a resource, the gravest first."""

    REMOVED = "removed"
    REPLACED = "replaced"
    MAY_BE_REPLACED = "may be replaced"
    CHANGED = "changed"
    ADDED = "added"


# A resource that meets one of these is not the same afterwards.
ENDING = frozenset({Action.REMOVED, Action.REPLACED, Action.MAY_BE_REPLACED})


class Source(StrEnum):
    """Who says so."""

    CHANGE_SET = "change set"
    TEMPLATES = "templates"


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens to one resource.

    Attributes:
        stack: where it stands, as logical ids from the root down: `PaymentsProd` or
            `PaymentsProd/DataNestedStack`.
        properties: names of the properties (or attributes, such as `DeletionPolicy`) that differ.
        kept: whether what exists in the account outlives a removal or replacement, without
            belonging to the stack any more.
    """

    stack: str
    logical_id: str
    resource_type: str
    action: Action
    source: Source
    properties: tuple[str, ...] = ()
    kept: bool = False


class Weight(StrEnum):
    """What a remark means for the deployment, the gravest first."""

    IMPOSSIBLE = "impossible"
    """AWS would refuse it, and the deployment fail."""
    FAILS = "would fail"
    """As far as templates and packages tell, so will this."""
    INTERRUPTS = "interrupts"
    """It works, and what depends on the resource waits or slows down meanwhile."""
    UNSEEN = "not seen"
    """What would have to be known was not to be had."""


@dataclass(frozen=True, kw_only=True)
class Remark:
    """What a list of changes does not show by itself.

    Attributes:
        stack: as of a Change.
        text: what happens and what to do, a sentence or two.
    """

    stack: str
    logical_id: str
    weight: Weight
    text: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that a deployment would do.

    Attributes:
        first: whether there is nothing deployed yet.
        unconfirmed: changes that CloudFormation lists only because it cannot know a value yet,
            while nothing that this value is made of changes.
        remarks: on changes, in the light of what is live.
    """

    stack: str
    first: bool = False
    changes: Sequence[Change] = ()
    unconfirmed: Sequence[Change] = field(default=())
    remarks: Sequence[Remark] = field(default=())

    def by_templates(self) -> bool:
        """Whether CloudFormation could not tell all of it."""
        return any(change.source is Source.TEMPLATES for change in self.changes)


def in_order(changes: Collection[Change], stacks: Sequence[str]) -> list[Change]:
    """Stack by stack, in each the gravest first."""
    actions = list(Action)
    return sorted(
        changes,
        key=lambda change: (
            stacks.index(change.stack) if change.stack in stacks else len(stacks),
            actions.index(change.action),
            change.resource_type,
            change.logical_id,
        ),
    )
