"""Makes the report: from change sets, and from the templates where CloudFormation cannot tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import boto3
from botocore.exceptions import ClientError

from change_report import change_sets
from change_report.assembly import Assembly
from change_report.change_sets import ChangeSet
from change_report.comparison import Comparison
from change_report.failure import ReportError
from change_report.model import Action, Change, Report, in_order
from change_report.states import NOTHING_THERE, UPDATABLE, way_out
from change_report.templates import StackTemplate, deployed


@dataclass(frozen=True)
class Deployed:
    """What is there before a deployment.

    Attributes:
        version: of what is deployed; another one after each operation on the stack.
    """

    version: str
    exists: bool


def look(assembly: Assembly) -> Deployed:
    """
    Raises:
        ReportError: when the stack is in a state that cannot be deployed to.
    """
    try:
        found = _client(assembly).describe_stacks(StackName=assembly.stack)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return Deployed("", exists=False)
        raise
    status = found["StackStatus"]
    version = f"{found['StackId']} {found.get('LastUpdatedTime', '')} {status}"
    if status in NOTHING_THERE:
        return Deployed(version, exists=False)
    if status in UPDATABLE:
        return Deployed(version, exists=True)
    raise ReportError(f"{assembly.stack} is {status}: {way_out(status, assembly.stack)}")


def review(assembly: Assembly, now: Deployed) -> Report:
    """What deploying the assembly would do. Publishes its assets, and leaves nothing else behind.

    Raises:
        ReportError: when that cannot be told.
    """
    wanted = assembly.template
    if not now.exists:
        comparison = Comparison(assembly.stack, StackTemplate(), wanted)
        return Report(stack=assembly.stack, first=True, changes=list(comparison.changes()))
    assembly.publish()
    cloudformation = _client(assembly)
    account = boto3.client("sts", region_name=assembly.region).get_caller_identity()["Account"]
    request = {
        "TemplateURL": assembly.template_url(account),
        "RoleARN": assembly.execution_role(account),
        "Tags": [{"Key": key, "Value": value} for key, value in assembly.tags.items()],
    }
    with change_sets.proposed(cloudformation, assembly.stack, **request) as name:
        change_set = change_sets.read(cloudformation, assembly.stack, name, assembly.stack)
    comparison = Comparison(assembly.stack, deployed(cloudformation, assembly.stack), wanted)
    return combine(change_set, comparison, list(wanted.paths(assembly.stack)))


def combine(change_set: ChangeSet, comparison: Comparison, stacks: list[str]) -> Report:
    """One report of what CloudFormation says and what the templates say.

    CloudFormation does not know yet what the outputs of a nested stack will be, and lists what
    refers to them as changed, or replaced. Whether there is a change behind such a reference is
    asked of the templates; if there is none, the change is set aside as unconfirmed. What
    CloudFormation does not tell about nested stacks is taken from the templates altogether.

    :param stacks: places in the order of the report.
    """
    changes: list[Change] = []
    unconfirmed: list[Change] = []
    for change, confirmed in _told(change_set, comparison):
        (changes if confirmed else unconfirmed).append(change)
    return Report(
        stack=comparison.name,
        changes=in_order(changes, stacks),
        unconfirmed=in_order(unconfirmed, stacks),
    )


def _told(change_set: ChangeSet, comparison: Comparison) -> Iterator[tuple[Change, bool]]:
    for change in change_set.changes:
        yield _judged(change, change_set, comparison)
    for logical_id, child in comparison.children.items():
        if logical_id in change_set.children:
            yield from _told(change_set.children[logical_id], child)
        elif not change_set.with_children or comparison.change(logical_id) is not None:
            yield from ((change, True) for change in child.changes())


def _judged(change: Change, change_set: ChangeSet, comparison: Comparison) -> tuple[Change, bool]:
    """The change as far as it is certain, and whether anything is."""
    if change.logical_id not in change_set.without_references:
        return change, True
    directly = change_set.without_references[change.logical_id]
    by_templates = comparison.change(change.logical_id)
    actions = {directly, by_templates.action if by_templates else None} - {None}
    if not actions:
        return change, False
    (gravest, *_) = [action for action in Action if action in actions]
    return replace(change, action=gravest), True


def _client(assembly: Assembly) -> Any:
    return boto3.client("cloudformation", region_name=assembly.region)
