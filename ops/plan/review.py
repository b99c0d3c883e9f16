"""Makes the report: from change sets, and from the templates where CloudFormation cannot tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import boto3
from botocore.exceptions import ClientError

from assurance.assembly import StackTemplate
from ops.console.failure import OpsError, denied
from ops.plan import change_sets, database, versions
from ops.plan.change_sets import ChangeSet, Detail, Recreation
from ops.plan.comparison import Certainty, Comparison, action_of
from ops.plan.model import Action, Change, Remark, Report, Weight, in_order
from ops.production.assembly import Assembly
from ops.production.existing import existing
from ops.production.lost import lost, told
from ops.production.questions import Clients
from ops.production.stack import described, strangers
from ops.production.states import NOTHING_THERE, UPDATABLE, way_out
from ops.production.templates import deployed


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
        OpsError: when the stack is in a state that cannot be deployed to, or the account is another
            environment's.
    """
    cloudformation = _client(assembly)
    if others := strangers(cloudformation):
        raise OpsError(
            f"{' and '.join(others)} stands in this account, and {assembly.stack} needs one of its "
            "own: these are another environment's credentials"
        )
    found = described(cloudformation, assembly.stack)
    if found is None:
        return Deployed("", exists=False)
    status = found["StackStatus"]
    version = f"{found['StackId']} {found.get('LastUpdatedTime', '')} {status}"
    if status in NOTHING_THERE:
        return Deployed(version, exists=False)
    if status in UPDATABLE:
        return Deployed(version, exists=True)
    raise OpsError(f"{assembly.stack} is {status}: {way_out(status, assembly.stack)}")


def review(assembly: Assembly, now: Deployed) -> Report:
    """What deploying the assembly would do. Publishes its assets, and leaves nothing else behind.

    Raises:
        OpsError: when that cannot be told.
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
    report = combine(change_set, comparison, list(wanted.paths(assembly.stack)))
    clients = Clients(boto3.Session(region_name=assembly.region))
    remarks = [
        *_lost(assembly.stack, clients),
        *database.remarks(
            report.changes, comparison, boto3.client("rds", region_name=assembly.region)
        ),
        *versions.remarks(
            report.changes,
            comparison,
            boto3.client("lambda", region_name=assembly.region),
            assembly.package,
        ),
    ]
    return replace(
        report, remarks=sorted(remarks, key=lambda each: list(Weight).index(each.weight))
    )


def _lost(stack: str, clients: Clients) -> Iterator[Remark]:
    for each in existing(clients).resources:
        remark = partial(
            Remark,
            stack=stack if each.stack == stack else f"{stack}/{each.stack}",
            logical_id=each.logical_id,
        )
        try:
            for gone in lost(clients, [each]):
                yield remark(weight=Weight.FAILS, text=told(gone.name, gone.type))
        except ClientError as error:
            yield remark(weight=Weight.UNSEEN, text=f"whether it is there: {denied(error)}")


def combine(change_set: ChangeSet, comparison: Comparison, stacks: list[str]) -> Report:
    """One report of what CloudFormation says and what the templates say.

    CloudFormation does not know yet what the outputs of a nested stack will be, nor what becomes
    of the attributes of a resource that it changes in place, and lists what refers to them as
    changed, or replaced. Whether there is a change behind such a reference is asked of the
    templates; if there is none, the change is set aside as unconfirmed. Where it says that a
    replacement depends, the resource type's own conditions decide (recreation.py). What
    CloudFormation does not tell about nested stacks is taken from the templates altogether.

    :param stacks: places in the order of the report.
    """
    _hear(change_set, comparison)
    changes: list[Change] = []
    unconfirmed: list[Change] = []
    for change, confirmed in _judged_changes(change_set, comparison):
        (changes if confirmed else unconfirmed).append(change)
    return Report(
        stack=comparison.name,
        changes=in_order(changes, stacks),
        unconfirmed=in_order(unconfirmed, stacks),
    )


def _judged_changes(change_set: ChangeSet, comparison: Comparison) -> Iterator[tuple[Change, bool]]:
    for change in change_set.changes:
        yield _judged(change, change_set, comparison)
    for logical_id, child in comparison.children.items():
        if logical_id in change_set.children:
            yield from _judged_changes(change_set.children[logical_id], child)
        elif not change_set.with_children or comparison.change(logical_id) is not None:
            yield from ((change, True) for change in child.changes())


def _hear(change_set: ChangeSet, comparison: Comparison) -> None:
    """Let the templates' comparison know what CloudFormation is sure to replace: what refers to
    that changes with it, in other nested stacks too."""
    for change in change_set.changes:
        if change.action is Action.REPLACED and _is_certain(change_set.details[change.logical_id]):
            comparison.hear(change)
    for logical_id, child in change_set.children.items():
        if logical_id in comparison.children:
            _hear(child, comparison.children[logical_id])


def _is_certain(details: Sequence[Detail]) -> bool:
    """Whether a replacement follows from what is known, or from what no detail tells."""
    replacing = [detail for detail in details if detail.recreation is Recreation.ALWAYS]
    return not replacing or any(detail.certain for detail in replacing)


def _judged(change: Change, change_set: ChangeSet, comparison: Comparison) -> tuple[Change, bool]:
    """The change as far as it is certain, and whether anything is."""
    details = change_set.details.get(change.logical_id)
    if details is None or (change.action is Action.REPLACED and _is_certain(details)):
        return change, True
    if not details:
        return comparison.change(change.logical_id) or change, True
    actions = {detail: _following(detail, change.logical_id, comparison) for detail in details}
    confirmed = {detail.name for detail, action in actions.items() if action is not None}
    open_ = {detail.name for detail in details} - confirmed
    gravest = [action for action in Action if action in actions.values()]
    if not gravest:
        return change, False
    properties = tuple(name for name in change.properties if name not in open_)
    return replace(change, action=gravest[0], properties=properties), True


def _following(detail: Detail, logical_id: str, comparison: Comparison) -> Action | None:
    """What happens for one of the reasons; None if nothing does."""
    if detail.name is None:
        return Action.CHANGED
    changes = Certainty.YES if detail.certain else comparison.property(logical_id, detail.name)
    if changes is Certainty.NO:
        return None
    match detail.recreation:
        case Recreation.NEVER:
            return Action.CHANGED
        case Recreation.ALWAYS:
            return action_of(changes)
        case Recreation.CONDITIONALLY:
            return action_of(comparison.replaced_for(logical_id, detail.name))


def _client(assembly: Assembly) -> Any:
    return boto3.client("cloudformation", region_name=assembly.region)
