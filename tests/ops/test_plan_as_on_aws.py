"""What `plan` says of production's own settings, when CloudFormation answers as AWS does.

The stand-in lists what DescribeChangeSet lists: beside each change of a template, whatever refers
to an attribute of a resource that changes, if only its tags, and in a nested stack whatever refers
to a parameter that another nested stack's outputs are handed over in. Sources: CloudFormation API
reference, ResourceChangeDetail; user guide, "Example change sets"; coverage roadmap #759.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from assurance.assembly import NESTED_STACK, StackTemplate
from ops.plan import change_sets
from ops.plan.comparison import Comparison
from ops.plan.marks import objections
from ops.plan.model import Action, Report
from ops.plan.recreation import recreation
from ops.plan.review import combine
from tests.synthesis import Synthesized

ROOT = "PaymentsProd"
DATABASE = "LedgerDatabaseInstance45F6AF35"

Body = dict[str, Any]


class CloudFormation:
    """A client that describes the change sets from one tree of templates to another."""

    def __init__(self, deployed: StackTemplate, wanted: StackTemplate) -> None:
        self._trees = {ROOT: (deployed, wanted)} | {
            name: (deployed.children[name], child) for name, child in wanted.children.items()
        }

    def get_paginator(self, operation: str) -> CloudFormation:
        assert operation == "describe_change_set"
        return self

    def paginate(self, **names: str) -> list[dict[str, Any]]:
        stack = names["StackName"]
        before, after = (dict(tree.resources) for tree in self._trees[stack])
        found = _modified(before, after, within=stack != ROOT)
        changes: list[dict[str, Any]] = [
            {"Action": "Add", "LogicalResourceId": name, "ResourceType": after[name]["Type"]}
            for name in after.keys() - before.keys()
        ] + [
            {"Action": "Remove", "LogicalResourceId": name, "ResourceType": before[name]["Type"]}
            for name in before.keys() - after.keys()
        ]
        changes += [
            {
                "Action": "Modify",
                "LogicalResourceId": name,
                "ResourceType": after[name]["Type"],
                "Replacement": _replacement(details),
                "Scope": ["Properties"],
                "Details": details,
                # CloudFormation looks into every nested stack.
                **(
                    {"PhysicalResourceId": name, "ChangeSetId": name} if name in self._trees else {}
                ),
            }
            for name, details in found.items()
        ]
        return [
            {
                "Status": "CREATE_COMPLETE",
                "IncludeNestedStacks": True,
                "Changes": [{"Type": "Resource", "ResourceChange": change} for change in changes],
            }
        ]


def _modified(before: Body, after: Body, *, within: bool) -> dict[str, list[dict[str, Any]]]:
    """The details by logical id; once more, until no resource follows from another."""
    found: dict[str, list[dict[str, Any]]] = {}
    while True:
        known = {name: _replacement(details) for name, details in found.items()}
        again = {
            name: details
            for name in before.keys() & after.keys()
            if (details := list(_details(before[name], after[name], known, within)))
            or after[name]["Type"] == NESTED_STACK
        }
        if again == found:
            return found
        found = again


def _details(
    before: Body, after: Body, modified: Mapping[str, str], within: bool
) -> Iterator[dict[str, Any]]:
    old, new = (resource.get("Properties", {}) for resource in (before, after))
    for name in sorted({*old, *new}):
        if name == "Tags" and old.get(name) != new.get(name):
            yield {
                "Target": {"Attribute": "Tags", "RequiresRecreation": "Never"},
                "Evaluation": "Static",
            }
            continue
        target = {
            "Attribute": "Properties",
            "Name": name,
            "RequiresRecreation": _recreation(after["Type"], name),
        }
        causes = list(_causes(new.get(name), modified, within))
        if causes or old.get(name) != new.get(name):
            yield {
                "Target": target,
                "Evaluation": "Dynamic" if causes else "Static",
                "ChangeSource": "DirectModification",
            }
        for source, entity, evaluation in causes:
            yield {
                "Target": target,
                "Evaluation": evaluation,
                "ChangeSource": source,
                "CausingEntity": entity,
            }


def _causes(
    expression: Any, modified: Mapping[str, str], within: bool
) -> Iterator[tuple[str, str, str]]:
    match expression:
        case {"Ref": str(name)} if within and name.startswith("reference"):
            yield "ParameterReference", name, "Static"
        case {"Ref": str(name)} if modified.get(name, "False") != "False":
            yield "ResourceReference", name, _evaluation(modified[name])
        case {"Fn::GetAtt": [str(name), str(attribute)]} if name in modified:
            yield "ResourceAttribute", f"{name}.{attribute}", _evaluation(modified[name])
        case dict():
            for value in expression.values():
                yield from _causes(value, modified, within)
        case list():
            for value in expression:
                yield from _causes(value, modified, within)


def _evaluation(replacement: str) -> str:
    return "Static" if replacement == "True" else "Dynamic"


def _recreation(resource_type: str, name: str) -> str:
    rules = recreation(resource_type)
    if any(path[0] == name for path in rules.always):
        return "Always"
    return "Conditionally" if any(path[0] == name for path in rules.sometimes) else "Never"


def _replacement(details: list[dict[str, Any]]) -> str:
    found = {(detail["Target"]["RequiresRecreation"], detail["Evaluation"]) for detail in details}
    if ("Always", "Static") in found:
        return "True"
    return "Conditional" if any(each != "Never" for each, _ in found) else "False"


# -- production's settings ---------------------------------------------------------------


def _tag(key: str) -> Callable[[dict[str, Body]], None]:
    def change(layers: dict[str, Body]) -> None:
        for template in layers.values():
            for resource in template["Resources"].values():
                for tag in resource.get("Properties", {}).get("Tags", ()):
                    if isinstance(tag, dict) and tag["Key"] == key:
                        tag["Value"] = "another"

    return change


def _database(**properties: object) -> Callable[[dict[str, Body]], None]:
    def change(layers: dict[str, Body]) -> None:
        layers["data"]["Resources"][DATABASE]["Properties"].update(properties)

    return change


def _of_type(resource_type: str, **properties: object) -> Callable[[dict[str, Body]], None]:
    def change(layers: dict[str, Body]) -> None:
        for resource in layers["network"]["Resources"].values():
            if resource["Type"] == resource_type:
                resource["Properties"].update(properties)
                return

    return change


@pytest.mark.parametrize(
    "setting",
    [
        pytest.param(lambda _: None, id="nothing"),
        pytest.param(_tag("Team"), id="team_tag"),
        pytest.param(_tag("Environment"), id="environment_tag"),
        pytest.param(_database(BackupRetentionPeriod=35), id="backup_retention_days"),
        pytest.param(_database(DBInstanceClass="db.t3.large"), id="database_instance_type"),
        pytest.param(_database(AllocatedStorage="200"), id="database_storage_gib"),
    ],
)
def test_what_aws_changes_in_place_is_not_refused(
    setting: Callable[[dict[str, Body]], None], synthesized: Synthesized
) -> None:
    report = _planned(synthesized, setting)
    assert {change.action for change in report.changes} <= {Action.CHANGED}
    assert objections(report) == []


def test_a_tag_is_all_that_is_told_of_a_changed_tag(synthesized: Synthesized) -> None:
    changes = _planned(synthesized, _tag("Team")).changes
    told = {change.logical_id: change.properties for change in changes}
    assert told[DATABASE] == ("Tags",)
    assert set(told.values()) == {("Tags",)}


@pytest.mark.parametrize(
    ("setting", "resource_type"),
    [
        (_of_type("AWS::EC2::Subnet", AvailabilityZone="us-east-1d"), "AWS::EC2::Subnet"),
        (_of_type("AWS::EC2::VPC", CidrBlock="10.30.0.0/16"), "AWS::EC2::VPC"),
    ],
    ids=["availability_zones", "vpc_cidr"],
)
def test_another_network_is_refused_whatever_is_allowed(
    setting: Callable[[dict[str, Body]], None], resource_type: str, synthesized: Synthesized
) -> None:
    report = _planned(synthesized, setting)
    everything = [change.logical_id for change in report.changes]
    refused = objections(report, everything)
    assert resource_type in {change.resource_type for change in refused}
    assert {change.action for change in refused} == {Action.REPLACED}


@pytest.mark.parametrize(
    "setting",
    [_database(DBInstanceIdentifier="another"), _database(Engine="mysql")],
    ids=["name", "engine"],
)
def test_a_database_that_is_replaced_is_refused_still(
    setting: Callable[[dict[str, Body]], None], synthesized: Synthesized
) -> None:
    refused = objections(_planned(synthesized, setting))
    assert [(change.logical_id, change.action) for change in refused] == [
        (DATABASE, Action.REPLACED)
    ]


# -- inside ------------------------------------------------------------------------------


def _planned(synthesized: Synthesized, setting: Callable[[dict[str, Body]], None]) -> Report:
    layers = synthesized.templates()
    changed = copy.deepcopy(layers)
    setting(changed)
    deployed, wanted = _tree(layers), _tree(changed)
    client = CloudFormation(deployed, wanted)
    change_set = change_sets.read(client, ROOT, ROOT, ROOT)
    assert set(change_set.children) == set(wanted.children)
    return combine(change_set, Comparison(ROOT, deployed, wanted), list(wanted.paths(ROOT)))


def _tree(layers: dict[str, Body]) -> StackTemplate:
    root = json.loads(json.dumps(layers["root"]))
    return StackTemplate(
        root,
        {
            f"{layer.capitalize()}NestedStack": StackTemplate(body)
            for layer, body in layers.items()
            if layer != "root"
        },
    )
