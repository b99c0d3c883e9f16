"""The default security group loses every rule, and may have none."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from default_security_group import handler
from default_security_group.handler import strip_rules

from tests.functions.conftest import Stubbed

GROUP = "sg-1"


@pytest.fixture
def stub(stubbed: Stubbed) -> Stubber:
    return stubbed("ec2")


def describe(
    stub: Stubber, rules: dict[str, bool], token: str | None, following: str | None
) -> None:
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


def revoke(stub: Stubber, rule: str) -> None:
    stub.add_response(
        "revoke_security_group_ingress", {}, {"GroupId": GROUP, "SecurityGroupRuleIds": [rule]}
    )


def test_all_rules_of_all_pages_are_revoked(stub: Stubber) -> None:
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
    describe(stub, {}, None, None)
    assert strip_rules(stub.client, GROUP) == []


def test_no_rule_to_revoke_is_success(stub: Stubber) -> None:
    describe(stub, {}, None, None)
    describe(stub, {}, None, None)
    assert strip_rules(stub.client, GROUP) == []


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch, stub: Stubber) -> None:
    """No time passes between two tries."""
    monkeypatch.setattr(handler, "PAUSE", 0.0)
    monkeypatch.setattr(boto3, "client", lambda _service, config: stub.client)


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch, no_pause: None) -> list[str]:
    """What EC2 refuses, one code a try."""
    codes: list[str] = []

    def refuse(_ec2: Any, _group: str) -> list[str]:
        if codes:
            raise ClientError({"Error": {"Code": codes.pop(0), "Message": "M"}}, "Revoke")
        return []

    monkeypatch.setattr(handler, "strip_rules", refuse)
    return codes


@pytest.mark.usefixtures("no_pause")
def test_a_group_that_still_shows_a_rule_is_looked_at_again(stub: Stubber) -> None:
    """EC2 took the order, and shows the rule once more, or somebody has made another."""
    rule = {"in1": False}
    shown: list[dict[str, bool]] = [rule, {}]
    for afterwards in shown:
        describe(stub, rule, None, None)
        revoke(stub, "in1")
        describe(stub, afterwards, None, None)
    handler._strip({"DefaultSecurityGroupId": GROUP})


@pytest.mark.usefixtures("no_pause")
def test_a_group_that_keeps_a_rule_is_not_reported_empty(
    stub: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "PATIENCE", 0.0)
    describe(stub, {"in1": False}, None, None)
    revoke(stub, "in1")
    describe(stub, {"in1": False}, None, None)
    with pytest.raises(handler.RulesLeftError, match="in1"):
        handler._strip({"DefaultSecurityGroupId": GROUP})


@pytest.mark.usefixtures("no_pause")
def test_a_rule_that_is_gone_before_it_is_revoked_is_looked_for_again(stub: Stubber) -> None:
    describe(stub, {"in1": False}, None, None)
    stub.add_client_error(
        "revoke_security_group_ingress", "InvalidSecurityGroupRuleId.NotFound", "gone"
    )
    describe(stub, {}, None, None)
    describe(stub, {}, None, None)
    handler._strip({"DefaultSecurityGroupId": GROUP})


def test_a_policy_that_is_not_known_yet_is_waited_for(tries: list[str]) -> None:
    tries += ["UnauthorizedOperation"] * 3
    handler._strip({"DefaultSecurityGroupId": GROUP})
    assert not tries


def test_any_other_refusal_is_final(tries: list[str]) -> None:
    tries += ["InvalidGroup.NotFound"] * 2
    with pytest.raises(ClientError):
        handler._strip({"DefaultSecurityGroupId": GROUP})
    assert len(tries) == 1


def test_waiting_for_a_policy_ends(tries: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "PATIENCE", 0.0)
    tries += ["UnauthorizedOperation"] * 2
    with pytest.raises(ClientError):
        handler._strip({"DefaultSecurityGroupId": GROUP})
    assert len(tries) == 1
