"""Findings of the policy packs and of the app's own rules: none, but for those acknowledged; and
what was mended cannot come back unseen."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from aws_cdk import App

from assurance.compliance import document, untaggable
from assurance.compliance.__main__ import PAGE
from assurance.compliance.acknowledgements import ACKNOWLEDGEMENTS, NAMED, ROOT
from assurance.compliance.packs import AcknowledgementError, check, policy_packs
from assurance.compliance.rules import RULES
from assurance.compliance.templates import Resource, read
from assurance.compliance.untaggable import UNTAGGABLE_TYPES
from root_stack import PaymentsProd
from tests.synthesis import Synthesized
from tests.templates.test_tags import tag_property

Findings = set[tuple[str, str]]


@pytest.fixture(scope="module")
def without_acknowledgements(next_stack: PaymentsProd, next_release: Synthesized) -> Findings:
    """What the packs find, as (construct path, rule)."""
    assert next_release  # a finding names its resource as a synthesis does
    app = next_stack.node.root
    assert isinstance(app, App)
    return {
        (resource.construct_path or "", violation.rule_name)
        for pack in policy_packs(app)
        for violation in pack.validate_scope(next_stack).violations
        for resource in violation.violating_resources
    }


def test_each_finding_of_the_packs_is_acknowledged(without_acknowledgements: Findings) -> None:
    accepted = {(item.resource, item.rule) for item in ACKNOWLEDGEMENTS}
    assert without_acknowledgements - accepted == set()


def test_each_acknowledgement_matches_a_finding(without_acknowledgements: Findings) -> None:
    accepted = {(item.resource, item.rule) for item in ACKNOWLEDGEMENTS}
    assert accepted - without_acknowledgements == set()


def test_each_acknowledgement_has_a_reason_and_a_resource() -> None:
    for item in ACKNOWLEDGEMENTS:
        assert len(item.reason.split()) >= 10, item
        assert item.resource.endswith("/Resource") or item.resource.endswith("/DefaultRoute"), item
    assert len({(item.resource, item.rule) for item in ACKNOWLEDGEMENTS}) == len(ACKNOWLEDGEMENTS)


def test_what_findings_name_is_known_in_a_stack_of_another_name_too() -> None:
    for item in ACKNOWLEDGEMENTS:
        rule = item.rule
        for known in NAMED:
            rule = rule.replace(known, "")
        assert ROOT not in rule, "add it to NAMED: its hash depends on the stack's name"


def test_an_acknowledgement_of_no_resource_is_an_error() -> None:
    with pytest.raises(AcknowledgementError, match=r"names PaymentsProd/\S+, but there is no"):
        check(App(analytics_reporting=False))


def test_the_published_list_is_the_one_in_force() -> None:
    assert PAGE.read_text() == document.text(), "run `make docs`"


def test_what_cannot_be_tagged_is_what_cloudformation_cannot_tag(synthesized: Synthesized) -> None:
    optional = {"AWS::ApiGateway::BasePathMapping"}
    types = {resource["Type"] for _, _, resource in synthesized.resources()} | optional
    assert {
        name for name in types if not name.startswith("Custom::") and tag_property(name) is None
    } == UNTAGGABLE_TYPES
    for name in types - UNTAGGABLE_TYPES:
        assert tag_property(name) in (None, untaggable.tag_property(name)), name


# What the own rules find when one thing in the templates is changed.

Properties = dict[str, Any]


def _drop(name: str) -> Callable[[Properties], None]:
    return lambda properties: properties.pop(name)


def _set(value: Any, *place: str | int) -> Callable[[Properties], None]:
    def change(properties: Any) -> None:
        *way, last = place
        for step in way:
            properties = properties[step]
        properties[last] = value

    return change


def _admit(principal: Any) -> Callable[[Properties], None]:
    def change(properties: Properties) -> None:
        for statement in properties["KeyPolicy"]["Statement"]:
            if statement["Sid"] == "AccountUsesKeyThroughServices":
                statement["Principal"] = principal

    return change


def _drop_statement(sid: str) -> Callable[[Properties], None]:
    def drop(properties: Properties) -> None:
        policy = properties.get("PolicyDocument") or properties["KeyPolicy"]
        policy["Statement"] = [s for s in policy["Statement"] if s.get("Sid") != sid]

    return drop


def _allow_all_but_one_action(properties: Properties) -> None:
    statement = properties["PolicyDocument"]["Statement"][0]
    statement["NotAction"] = statement.pop("Action")


def _let_everything_out(properties: Properties) -> None:
    (rule,) = (r for r in properties["SecurityGroupEgress"] if r["CidrIp"] == "0.0.0.0/0")
    rule["FromPort"], rule["ToPort"] = 0, 65535


def _deny_other_regions_to_s3_alone(properties: Properties) -> None:
    for statement in properties["PolicyDocument"]["Statement"]:
        if statement["Sid"] == "DenyOtherRegions":
            statement["Action"] = "s3:*"


def _without_cost_center(properties: Properties) -> None:
    properties["Tags"] = [tag for tag in properties["Tags"] if tag["Key"] != "CostCenter"]


def _needs_its_whole_window(properties: Properties) -> None:
    properties["DatapointsToAlarm"] = properties["EvaluationPeriods"]


_COMPUTE = "PaymentsProd/ComputeNestedStack"
_DATA = "PaymentsProd/DataNestedStack"
_NETWORK = "PaymentsProd/NetworkNestedStack"
_BOUNDARY = "PaymentsProd/PermissionsBoundary/Resource"
_APPLICATION_KEY = "PaymentsProd/ApplicationKey/Resource"
_SHARED_LOG = "PaymentsProd/SharedLogGroups/DatabaseMonitoring/Default"
_TOPIC = "PaymentsProd/ObservabilityNestedStack/AlertsTopic/Resource"
_ALARMS = "PaymentsProd/ObservabilityNestedStack/Alarms"
_FROM_ANYWHERE = {"CidrIp": "0.0.0.0/0", "IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432}
_INLINE = {"PolicyName": "more", "PolicyDocument": {"Statement": []}}
_VALIDATOR_POLICY = f"{_COMPUTE}/PaymentValidator/Role/Policy/Resource"

REGRESSIONS = [
    (
        "PublicBucket",
        f"{_DATA}/AuditBucket/Bucket/Resource",
        _set(False, "PublicAccessBlockConfiguration", "BlockPublicPolicy"),
    ),
    ("MissingDeny", _VALIDATOR_POLICY, _drop_statement("DenyRewritingHistory")),
    ("MissingDeny", _VALIDATOR_POLICY, _drop_statement("DenyTamperingWithAuditTrail")),
    ("MissingDeny", _VALIDATOR_POLICY, _drop_statement("DenyKeyAdministration")),
    ("MissingDeny", _VALIDATOR_POLICY, _drop_statement("DenyGainingRights")),
    ("MissingDeny", _BOUNDARY, _drop_statement("DenyOtherRegions")),
    ("MissingDeny", _BOUNDARY, _deny_other_regions_to_s3_alone),
    (
        "StrangersAdmitted",
        f"{_DATA}/LedgerDatabase/Key/Resource",
        _drop_statement("DenyPlainHttp"),
    ),
    ("StrangersAdmitted", _APPLICATION_KEY, _admit({"AWS": "arn:aws:iam::999999999999:root"})),
    ("StrangersAdmitted", _APPLICATION_KEY, _admit("*")),
    (
        "OpenGroup",
        f"{_NETWORK}/SecurityGroups/Database/Resource",
        _set([_FROM_ANYWHERE], "SecurityGroupIngress"),
    ),
    ("OpenGroup", f"{_NETWORK}/SecurityGroups/Database/Resource", _drop("SecurityGroupEgress")),
    ("OpenGroup", f"{_NETWORK}/SecurityGroups/Functions/Resource", _let_everything_out),
    ("Unencrypted", _TOPIC, _drop("KmsMasterKeyId")),
    ("Unencrypted", f"{_DATA}/Queues/RetryQueue/Resource", _drop("KmsMasterKeyId")),
    ("KeyWithoutRotation", _APPLICATION_KEY, _set(False, "EnableKeyRotation")),
    (
        "LogGroupWithoutRetention",
        f"{_COMPUTE}/PaymentValidator/LogGroup/Resource",
        _drop("RetentionInDays"),
    ),
    ("LogGroupWithoutRetention", _SHARED_LOG, _drop("RetentionInDays")),
    ("Unencrypted", _SHARED_LOG, _drop("KmsKeyId")),
    (
        "WildcardAction",
        f"{_COMPUTE}/PaymentProcessor/Role/Policy/Resource",
        _set("dynamodb:*", "PolicyDocument", "Statement", 0, "Action"),
    ),
    (
        "WildcardAction",
        f"{_COMPUTE}/PaymentProcessor/Role/Policy/Resource",
        _allow_all_but_one_action,
    ),
    (
        "MissingPointInTimeRecovery",
        f"{_DATA}/TransactionsTable/Resource",
        _set(False, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"),
    ),
    ("UntaggedResource", f"{_DATA}/LedgerDatabase/Instance/Resource", _without_cost_center),
    (
        "RoleWithoutBoundary",
        f"{_COMPUTE}/PaymentProcessor/Role/Resource",
        _drop("PermissionsBoundary"),
    ),
    (
        "FillsItsWholeWindow",
        f"{_ALARMS}/payments-nothing-processed/Resource",
        _needs_its_whole_window,
    ),
    (
        "FillsItsWholeWindow",
        f"{_ALARMS}/payments-table-write-throttles/Resource",
        _drop("DatapointsToAlarm"),
    ),
    (
        "SharedPolicy",
        f"{_COMPUTE}/AuditLogger/Role/Resource",
        _set(["arn:aws:iam::aws:policy/ReadOnlyAccess"], "ManagedPolicyArns"),
    ),
    ("SharedPolicy", f"{_COMPUTE}/AuditLogger/Role/Resource", _set([_INLINE], "Policies")),
]


def _broken(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    return ((rule.name, resource.path) for rule in RULES for resource in rule.broken_by(resources))


@pytest.fixture(scope="module")
def resources(synthesized: Synthesized) -> list[Resource]:
    return read(synthesized.folder / "PaymentsProd.template.json")


def test_the_templates_break_no_own_rule(resources: list[Resource]) -> None:
    assert len(resources) >= 150
    assert list(_broken(resources)) == []


@pytest.mark.parametrize(
    ("rule", "path", "change"),
    REGRESSIONS,
    ids=[f"{rule} {number}" for number, (rule, _, _) in enumerate(REGRESSIONS)],
)
def test_own_rules_find_one_change(
    resources: list[Resource], rule: str, path: str, change: Callable[[Properties], None]
) -> None:
    (intact,) = (resource for resource in resources if resource.path == path)
    properties = copy.deepcopy(dict(intact.properties))
    change(properties)
    changed = [
        replace(resource, properties=properties) if resource is intact else resource
        for resource in resources
    ]
    assert list(_broken(changed)) == [(rule, path)]


def test_each_own_rule_is_seen_to_find_something() -> None:
    assert {rule for rule, _, _ in REGRESSIONS} == {rule.name for rule in RULES}


def test_a_policy_of_the_bucket_for_everybody_is_found(resources: list[Resource]) -> None:
    (policy,) = (r for r in resources if r.path == f"{_DATA}/AuditBucket/Bucket/Policy/Resource")
    properties = json.loads(json.dumps(policy.properties))
    properties["PolicyDocument"]["Statement"].append(
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}
    )
    changed = [replace(r, properties=properties) if r is policy else r for r in resources]
    assert list(_broken(changed)) == [
        ("PublicBucket", policy.path),
        ("StrangersAdmitted", f"{_DATA}/AuditBucket/Bucket/Resource"),
    ]


def test_a_policy_that_no_longer_denies_strangers_is_found(resources: list[Resource]) -> None:
    (policy,) = (r for r in resources if r.path == f"{_DATA}/AuditBucket/Bucket/Policy/Resource")
    properties = json.loads(json.dumps(policy.properties))
    _drop_statement("DenyForeignAccounts")(properties)
    changed = [replace(r, properties=properties) if r is policy else r for r in resources]
    assert list(_broken(changed)) == [("StrangersAdmitted", f"{_DATA}/AuditBucket/Bucket/Resource")]


def test_what_a_nested_stack_is_handed_stands_as_its_owners_reference(
    resources: list[Resource],
) -> None:
    (role,) = (r for r in resources if r.path == f"{_COMPUTE}/AuditLogger/Role/Resource")
    (boundary,) = (r for r in resources if r.path == _BOUNDARY)
    assert role.properties["PermissionsBoundary"] == {"Ref": boundary.logical_id}
