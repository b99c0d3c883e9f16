"""CloudFormation's own word: a change set that is made, read and deleted again.

The shapes are those of DescribeChangeSet in the CloudFormation API reference. With
`IncludeNestedStacks`, the change of a nested stack names that stack's change set in
`ChangeSetId`; an endpoint that does not support this leaves both out of its answers.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from assurance.assembly import NESTED_STACK
from ops.console.failure import OpsError
from ops.plan.model import Action, Change, Source

CAPABILITIES: Final = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
POLL_SECONDS: Final = 1.0
# A change set of five stacks takes a minute or two.
LIMIT_SECONDS: Final = 900.0

_NO_CHANGES: Final = (
    "The submitted information didn't contain changes",
    "No updates are to be performed",
)


class Recreation(StrEnum):
    """Whether a change of what a detail is about replaces the resource."""

    NEVER = "Never"
    CONDITIONALLY = "Conditionally"
    ALWAYS = "Always"


@dataclass(frozen=True)
class Detail:
    """One reason why a resource is listed.

    Attributes:
        name: of the property; None for tags, policies and the like, which replace nothing.
        recreation: what follows if it changes.
        certain: whether it does. CloudFormation lists what refers to a resource that changes, or to
            an output of another nested stack, before it knows the new value; a change of the same
            property's text is then as uncertain (its `Evaluation` is `Dynamic`).
    """

    name: str | None
    recreation: Recreation
    certain: bool


@dataclass(frozen=True)
class ChangeSet:
    """What one stack's change set says.

    Attributes:
        with_children: whether CloudFormation looked into the nested stacks.
        changes: to the stack's own resources; updates of nested stacks are left out.
        details: of what is modified, by logical id.
        children: the nested stacks' change sets by logical id.
    """

    with_children: bool
    changes: Sequence[Change] = ()
    details: Mapping[str, Sequence[Detail]] = field(default_factory=dict)
    children: Mapping[str, ChangeSet] = field(default_factory=dict)


@contextlib.contextmanager
def proposed(cloudformation: Any, stack: str, **request: Any) -> Iterator[str]:
    """A change set for the block, deleted afterwards however it ends.

    Args:
        request: arguments of CreateChangeSet besides the names.

    Yields:
        its name.
    """
    name = f"report-{uuid.uuid4()}"
    try:
        cloudformation.create_change_set(
            StackName=stack,
            ChangeSetName=name,
            ChangeSetType="UPDATE",
            IncludeNestedStacks=True,
            Capabilities=CAPABILITIES,
            Description="To be read only",
            **request,
        )
        yield name
    finally:
        # By name, since an interruption may come before the answer.
        _delete(cloudformation, stack, name)


def _delete(cloudformation: Any, stack: str, name: str) -> None:
    """Delete a change set with those of the nested stacks; no error if there is none."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while True:
        try:
            cloudformation.delete_change_set(StackName=stack, ChangeSetName=name)
            return
        except cloudformation.exceptions.InvalidChangeSetStatusException as error:
            # Until it is made, it cannot be deleted.
            if time.monotonic() > deadline:
                raise OpsError(
                    f"the change set {name} of {stack} is left behind: delete it ({error})"
                ) from error
            time.sleep(POLL_SECONDS)


def read(cloudformation: Any, stack: str, name: str, place: str) -> ChangeSet:
    """Wait for a stack's change set, both by name or id, and read it with those of the nested
    stacks.

    Args:
        place: the stack's place in the tree, as in Change.

    Raises:
        OpsError: when CloudFormation cannot make it.
    """
    described = _settled(cloudformation, stack, name)
    with_children = bool(described.get("IncludeNestedStacks"))
    if described["Status"] == "FAILED":
        reason = described.get("StatusReason", "")
        if reason.startswith(_NO_CHANGES):
            return ChangeSet(with_children)
        raise OpsError(f"CloudFormation cannot tell the changes of {place}: {reason}")
    found = [each["ResourceChange"] for each in described["Changes"] if each.get("ResourceChange")]
    children = {
        change["LogicalResourceId"]: read(
            cloudformation,
            change.get("PhysicalResourceId") or stack,
            change["ChangeSetId"],
            f"{place}/{change['LogicalResourceId']}",
        )
        for change in found
        if change["ResourceType"] == NESTED_STACK and change.get("ChangeSetId")
    }
    changes = [_change(change, place) for change in found if not _is_no_change(change)]
    details = {
        change["LogicalResourceId"]: [_detail(each) for each in change.get("Details", ())]
        for change in found
        if change["Action"] == "Modify"
    }
    return ChangeSet(with_children, changes, details, children)


def _settled(cloudformation: Any, stack: str, name: str) -> dict[str, Any]:
    """All pages of DescribeChangeSet once CloudFormation is done with it."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        pages = cloudformation.get_paginator("describe_change_set").paginate(
            StackName=stack, ChangeSetName=name
        )
        described: dict[str, Any] = {}
        changes: list[Any] = []
        for page in pages:
            described = described or page
            changes += page.get("Changes", ())
        if not described["Status"].endswith(("_PENDING", "_IN_PROGRESS")):
            return {**described, "Changes": changes}
        time.sleep(POLL_SECONDS)
    raise OpsError(f"CloudFormation has not finished the change set within {LIMIT_SECONDS:.0f} s")


def _change(change: Mapping[str, Any], place: str) -> Change:
    return Change(
        stack=place,
        logical_id=change["LogicalResourceId"],
        resource_type=change["ResourceType"],
        action=_action(change),
        source=Source.CHANGE_SET,
        properties=_properties(change),
        kept="Delete" not in change.get("PolicyAction", "Delete"),
    )


def _action(change: Mapping[str, Any]) -> Action:
    match change["Action"], change.get("Replacement", "False"):
        case (("Add" | "Import"), _):
            return Action.ADDED
        case "Remove", _:
            return Action.REMOVED
        # What will happen is known during the deployment only.
        case ("Dynamic", _) | (_, "Conditional"):
            return Action.MAY_BE_REPLACED
        case _, "True":
            return Action.REPLACED
    return Action.CHANGED


def _properties(change: Mapping[str, Any]) -> tuple[str, ...]:
    names = {
        target.get("Name") if target["Attribute"] == "Properties" else target["Attribute"]
        for target in (detail["Target"] for detail in change.get("Details", ()))
    }
    return tuple(sorted(names - {None, "", "Metadata"}))


def _is_no_change(change: Mapping[str, Any]) -> bool:
    """Updates of nested stacks, which their own changes tell, and of CDK's metadata."""
    if change["Action"] != "Modify":
        return False
    if change.get("Scope") == ["Metadata"]:
        return True
    return change["ResourceType"] == NESTED_STACK and change.get("Replacement") != "True"


def _detail(detail: Mapping[str, Any]) -> Detail:
    target = detail["Target"]
    name = target.get("Name") if target["Attribute"] == "Properties" else None
    static = detail.get("Evaluation", "Static") == "Static"
    # A stack's tags have no source.
    direct = detail.get("ChangeSource", "DirectModification") == "DirectModification"
    return Detail(
        name=name,
        recreation=Recreation(target.get("RequiresRecreation", "Never")),
        certain=name is None or (static and direct),
    )
