"""The default security group loses every rule, and may have none."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from default_security_group.handler import strip_rules

GROUP = "sg-1"


@pytest.fixture
def ec2() -> Any:
    return boto3.client(
        "ec2", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="s"
    )


@pytest.fixture
def stub(ec2: Any) -> Any:
    with Stubber(ec2) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def describe(stub: Any, rules: dict[str, bool], token: str | None, following: str | None) -> None:
    expected: dict[str, Any] = {"Filters": [{"Name": "group-id", "Values": [GROUP]}]}
    answer: dict[str, Any] = {
        "SecurityGroupRules": [
            {"SecurityGroupRuleId": rule, "IsEgress": egress} for rule, egress in rules.items()
        ]
    }
    if token:
        expected["NextToken"] = token
    if following:
        answer["NextToken"] = following
    stub.add_response("describe_security_group_rules", answer, expected)


def test_all_rules_of_all_pages_are_revoked(ec2: Any, stub: Any) -> None:
    describe(stub, {"in1": False, "out1": True}, None, "next")
    describe(stub, {"in2": False}, "next", None)
    stub.add_response(
        "revoke_security_group_ingress",
        {},
        {"GroupId": GROUP, "SecurityGroupRuleIds": ["in1", "in2"]},
    )
    stub.add_response(
        "revoke_security_group_egress", {}, {"GroupId": GROUP, "SecurityGroupRuleIds": ["out1"]}
    )
    strip_rules(ec2, GROUP)


def test_no_rule_to_revoke_is_success(ec2: Any, stub: Any) -> None:
    describe(stub, {}, None, None)
    strip_rules(ec2, GROUP)
