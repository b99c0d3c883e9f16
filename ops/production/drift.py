"""Drift that CloudFormation reports and that is none: told as such, and never to be "put back".

It compares a resource with its own lines of the template only, and does not know of what other
resources, or AWS itself, rightly add to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from assurance.assembly import NESTED_STACK
from ops.console.checks import Verdict
from ops.production.questions import Clients
from ops.production.stack import Resource
from ops.production.templates import properties

_GROUP: Final = "AWS::EC2::SecurityGroup"
_RULES: Final = ("SecurityGroupIngress", "SecurityGroupEgress")
RULE_ENDS: Final = (
    "CidrIp",
    "CidrIpv6",
    "SourceSecurityGroupId",
    "DestinationSecurityGroupId",
    "SourcePrefixListId",
    "DestinationPrefixListId",
)
"""By which a rule names the other end; one of them."""

Item = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """
    Attributes:
        false: why it is no drift; empty if it is.
        verdict: of a false one.
        mend: how to put back a real one, where that needs care.
    """

    found: str
    false: str = ""
    verdict: Verdict = Verdict.HELD
    mend: str = ""


def drifts(cloudformation: Any, stack_id: str) -> list[Item]:
    """What the last detection found in a stack; those nested in it have their own."""
    asked = {
        "StackName": stack_id,
        "StackResourceDriftStatusFilters": ["MODIFIED", "DELETED"],
    }
    page = cloudformation.describe_stack_resource_drifts(**asked)
    found = list(page["StackResourceDrifts"])
    while token := page.get("NextToken"):
        page = cloudformation.describe_stack_resource_drifts(**asked, NextToken=token)
        found += page["StackResourceDrifts"]
    return [each for each in found if each["ResourceType"] != NESTED_STACK]


def is_none(clients: Clients, resources: Sequence[Resource], stack: str, stack_id: str) -> bool:
    """Whether all that the last detection found in a stack is no drift."""
    found = [
        list(differences(clients, resources, stack, drift))
        for drift in drifts(clients("cloudformation"), stack_id)
    ]
    return bool(found) and all(those and all(one.false for one in those) for those in found)


def differences(
    clients: Clients, resources: Sequence[Resource], stack: str, drift: Item
) -> Iterator[Difference]:
    """What CloudFormation found to be different in a resource.

    Args:
        stack: in which it stands, as ``Resource.stack``.
        drift: of DescribeStackResourceDrifts.
    """
    parts = list(drift.get("PropertyDifferences", []))
    if drift.get("ResourceType") == _GROUP:
        of_rules = [each for each in parts if _name(each) in _RULES]
        parts = [each for each in parts if each not in of_rules]
        if of_rules:
            yield from _of_rules(clients, resources, stack, drift, of_rules)
    for each in parts:
        found = _difference_text(each)
        match drift.get("ResourceType"), _name(each):
            case "AWS::ApiGateway::Stage", "Tags":
                yield Difference(
                    found=found,
                    # aws-cloudformation/cloudformation-coverage-roadmap, issue 1297
                    false="CloudFormation misreads the tags of stages; R16 asks API Gateway",
                    verdict=Verdict.UNSEEN,
                )
            case "AWS::ApiGateway::ApiKey", "Enabled" if str(each.get("ActualValue")) != "true":
                yield Difference(
                    found=found,
                    false="`api-key` revoked it, for it leaked or is not used any more: never "
                    "enable it again",
                )
            case "AWS::RDS::DBInstance", "AllocatedStorage" if _has_grown(drift, each):
                yield Difference(
                    found=found,
                    false="RDS let the storage grow by itself, within MaxAllocatedStorage; it "
                    "cannot shrink, and the template's next larger value must be above this one",
                )
            case _:
                yield Difference(found=found)


def _difference_text(difference: Item) -> str:
    path, now, before = map(difference.get, ("PropertyPath", "ActualValue", "ExpectedValue"))
    return f"{path} is {now} instead of {before}"


def _name(difference: Item) -> str:
    """Of the property, such as ``Tags`` of ``/Tags/0/Value``."""
    return str(difference.get("PropertyPath", "")).lstrip("/").partition("/")[0]


def _has_grown(drift: Item, difference: Item) -> bool:
    """Amazon RDS user guide, "Managing capacity automatically with storage autoscaling"."""
    try:
        most = int(_properties(drift, "Expected")["MaxAllocatedStorage"])
        before, now = (int(difference[key]) for key in ("ExpectedValue", "ActualValue"))
    except (KeyError, TypeError, ValueError):
        return False
    return before < now <= most


def _of_rules(
    clients: Clients, resources: Sequence[Resource], stack: str, drift: Item, parts: Sequence[Item]
) -> Iterator[Difference]:
    """Rules that stand in the template as resources of their own are in the group too, and
    CloudFormation takes them for added (cloudformation-coverage-roadmap, issues 1198 and 1387)."""
    group = str(drift.get("PhysicalResourceId"))
    for kind in dict.fromkeys(map(_name, parts)):
        mend = (
            "change only the rule that is named here, by its own id (aws ec2 "
            f"describe-security-group-rules --filters Name=group-id,Values={group}). The group's "
            "other rules may be resources of their own in the template: without them the functions "
            "do not reach the database"
        )
        try:
            actual, expected = (
                list(_properties(drift, which).get(kind, [])) for which in ("Actual", "Expected")
            )
        except (TypeError, ValueError):
            actual, expected = [], []
        own = _own_rules(clients, resources, stack, kind, group)
        added = _without(actual, expected)
        unknown = _without(added, own)
        lost = _without(expected, actual)
        for rule in added:
            if rule not in unknown:
                yield Difference(
                    found=f"{kind} has {_shown(rule)}",
                    false="it is a resource of its own in the template, and as it should be",
                )
        for what, rules in (("has", unknown), ("lacks", lost)):
            for rule in rules:
                yield Difference(found=f"{kind} {what} {_shown(rule)}", mend=mend)
        if not (added or lost):  # in no way that is known here: told as it came
            for each in parts:
                if _name(each) == kind:
                    yield Difference(found=_difference_text(each), mend=mend)


def _properties(drift: Item, which: str) -> Item:
    """All of a resource's, actual or expected."""
    found: Item = json.loads(drift.get(f"{which}Properties") or "{}")
    return found


def _own_rules(
    clients: Clients, resources: Sequence[Resource], stack: str, kind: str, group: str
) -> list[Item]:
    """Those of a group that are resources of their own, with the ids that their references have."""
    ids = {each.logical_id: each.name for each in resources if each.stack == stack}

    def resolved(value: Any) -> Any:
        match value:
            case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), _]}:
                return ids.get(name, value)
        return value

    declared = properties(clients, resources, f"AWS::EC2::{kind}")
    rules = [{name: resolved(value) for name, value in each.items()} for each in declared.values()]
    return [each for each in rules if each.get("GroupId") == group]


def _without(rules: Sequence[Item], others: Sequence[Item]) -> list[Item]:
    """The rules that are not among the others; each of these stands for one."""
    left = list(others)
    found = []
    for rule in rules:
        same = next((each for each in left if _is_same(each, rule)), None)
        if same is None:
            found.append(rule)
        else:
            left.remove(same)
    return found


def _is_same(one: Item, other: Item) -> bool:
    """Whether both let the same in or out; what either does not say of its description, holds."""
    texts = {each["Description"] for each in (one, other) if each.get("Description")}
    return _effect(one) == _effect(other) and len(texts) < 2


def _effect(rule: Item) -> tuple[str, ...]:
    keys = ("IpProtocol", "FromPort", "ToPort", *RULE_ENDS)
    return tuple("" if rule.get(key) is None else str(rule[key]) for key in keys)


def _shown(rule: Item) -> str:
    protocol, first, last, *ends = _effect(rule)
    ports = first if first == last else f"{first}-{last}"
    end = next(filter(None, ends), "nobody")
    return f"{protocol}/{ports or 'all'} {end}"
