"""Nested stacks behave as CloudFormation's do, where the emulator's own way does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.environment import Stack, resource
from tests.integration.local.conftest import Upload

INVALID = resource(
    "CloudWatch::Alarm", EvaluationPeriods=1, ComparisonOperator="GreaterThanThreshold"
)


def nested(url: str, **properties: Any) -> dict[str, Any]:
    return resource("CloudFormation::Stack", TemplateURL=url, **properties)


def _child(**more: Any) -> dict[str, Any]:
    """An address and a parameter that a queue is named after, with outputs of both."""
    return {
        "Parameters": {"Text": {"Type": "String"}},
        "Resources": {
            "Address": resource("EC2::EIP", Domain="vpc"),
            "Parameter": resource("SSM::Parameter", Type="String", Value={"Ref": "Text"}),
            **more,
        },
        "Outputs": {
            "Allocation": {"Value": {"Fn::GetAtt": ["Address", "AllocationId"]}},
            "Value": {"Value": {"Fn::GetAtt": ["Parameter", "Value"]}},
        },
    }


OUTPUTS = {
    "Allocation": {"Fn::GetAtt": ["Child", "Outputs.Allocation"]},
    "Value": {"Fn::GetAtt": ["Child", "Outputs.Value"]},
}


def _addresses(stack: Stack) -> set[str]:
    addresses = stack.client("ec2").describe_addresses()["Addresses"]
    return {address["AllocationId"] for address in addresses}


def test_an_update_keeps_the_attributes_of_unchanged_resources(
    stack: Stack, upload: Upload
) -> None:
    url = upload(_child())
    assert stack.create({"Child": nested(url, Parameters={"Text": "a"})}, OUTPUTS) == (
        "CREATE_COMPLETE"
    )
    before = stack.outputs()
    assert before["Allocation"] in _addresses(stack)
    assert stack.update({"Child": nested(url, Parameters={"Text": "b"})}, OUTPUTS) == (
        "UPDATE_COMPLETE"
    )
    assert stack.outputs() == {**before, "Value": "b"}


def test_a_stack_in_the_middle_of_an_operation_takes_no_change_set(stack: Stack) -> None:
    waiting = {
        "Handle": resource("CloudFormation::WaitConditionHandle"),
        "Condition": resource(
            "CloudFormation::WaitCondition", Handle={"Ref": "Handle"}, Timeout="3"
        ),
    }
    cloudformation = stack.client("cloudformation")
    body = json.dumps({"Resources": waiting})
    cloudformation.create_stack(StackName=stack.name, TemplateBody=body)
    with pytest.raises(ClientError, match="is in CREATE_IN_PROGRESS state and can not be updated"):
        cloudformation.create_change_set(
            StackName=stack.name, ChangeSetName="second", TemplateBody=body
        )
    assert stack.settled() == "ROLLBACK_COMPLETE"


def test_a_failed_create_leaves_nothing(stack: Stack, upload: Upload) -> None:
    before = _addresses(stack)
    url = upload(_child(Wrong={**INVALID, "DependsOn": "Address"}))
    status = stack.create({"Child": nested(url, Parameters={"Text": "a"})})
    assert status == "ROLLBACK_COMPLETE"
    assert _addresses(stack) == before
    stacks = stack.client("cloudformation").describe_stacks()["Stacks"]
    assert [it["StackName"] for it in stacks if it["StackName"].startswith(stack.name)] == [
        stack.name
    ]
    # The parent names the resource at the root of it.
    assert "Wrong: MetricName and Namespace are required" in stack.reasons()[-1]


def test_a_rollback_deletes_a_finished_sibling_even_what_is_retained_later(
    stack: Stack, upload: Upload
) -> None:
    before = _addresses(stack)
    child = _child()
    child["Resources"]["Address"]["DeletionPolicy"] = "RetainExceptOnCreate"
    resources = {
        "Child": nested(upload(child), Parameters={"Text": "a"}),
        "Wrong": {**INVALID, "DependsOn": "Child"},
    }
    assert stack.create(resources) == "ROLLBACK_COMPLETE"
    assert _addresses(stack) == before


def test_a_rollback_deletes_what_the_update_of_a_sibling_added_and_nothing_else(
    stack: Stack, upload: Upload
) -> None:
    kept = resource("EC2::EIP", Domain="vpc") | {"DeletionPolicy": "RetainExceptOnCreate"}
    before, after = _child(Kept=kept), _child(Kept=kept, Added=kept)
    parameters = {"Text": "a"}
    stack.create({"Child": nested(upload(before), Parameters=parameters)})
    addresses = _addresses(stack)
    resources = {
        "Child": nested(upload(after), Parameters=parameters),
        "Wrong": {**INVALID, "DependsOn": "Child"},
    }
    assert stack.update(resources) == "UPDATE_ROLLBACK_COMPLETE"
    assert _addresses(stack) == addresses


@pytest.mark.parametrize(
    ("policy", "kept"), [("Retain", True), ("RetainExceptOnCreate", True), ("Delete", False)]
)
def test_a_delete_honours_the_deletion_policy(
    stack: Stack, upload: Upload, policy: str, kept: bool
) -> None:
    child = _child()
    child["Resources"]["Address"]["DeletionPolicy"] = policy
    stack.create({"Child": nested(upload(child), Parameters={"Text": "a"})}, OUTPUTS)
    allocation = stack.outputs()["Allocation"]
    assert stack.delete() == "DELETE_COMPLETE"
    assert (allocation in _addresses(stack)) is kept


def test_a_failed_update_rolls_back(stack: Stack, upload: Upload) -> None:
    good, bad = upload(_child()), upload(_child(Wrong={**INVALID, "DependsOn": "Parameter"}))
    stack.create({"Child": nested(good, Parameters={"Text": "a"})}, OUTPUTS)
    before = stack.outputs()
    child = stack.physical_id("Child")
    status = stack.update({"Child": nested(bad, Parameters={"Text": "b"})}, OUTPUTS)
    assert status == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.outputs() == before
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stack.describe(child)["Outputs"]}
    assert outputs == before
    assert before["Allocation"] in _addresses(stack)


def test_a_sibling_that_was_updated_is_rolled_back_too(stack: Stack, upload: Upload) -> None:
    url = upload(_child())
    stack.create({"Child": nested(url, Parameters={"Text": "a"})}, OUTPUTS)
    before = stack.outputs()
    resources = {
        "Child": nested(url, Parameters={"Text": "b"}),
        "Wrong": {**INVALID, "DependsOn": "Child"},
    }
    assert stack.update(resources, OUTPUTS) == "UPDATE_ROLLBACK_COMPLETE"
    outputs = stack.describe(stack.physical_id("Child"))["Outputs"]
    assert {o["OutputKey"]: o["OutputValue"] for o in outputs} == before


def test_an_unchanged_nested_stack_is_not_updated(stack: Stack, upload: Upload) -> None:
    cloudformation = stack.client("cloudformation")
    url = upload(_child())

    def resources(text: str) -> dict[str, Any]:
        parameter = resource("SSM::Parameter", Type="String", Value=text)
        return {"Child": nested(url, Parameters={"Text": "a"}), "Own": parameter}

    def events() -> int:
        found = cloudformation.describe_stack_events(StackName=stack.physical_id("Child"))
        return len(found["StackEvents"])

    stack.create(resources("a"), OUTPUTS)
    before = events()
    assert stack.update(resources("b"), OUTPUTS) == "UPDATE_COMPLETE"
    assert events() == before
    with pytest.raises(cloudformation.exceptions.ClientError, match="No updates"):
        stack.update(resources("b"), OUTPUTS)


def test_secrets_are_resolved_in_a_nested_stack(stack: Stack, upload: Upload) -> None:
    secret = stack.client("secretsmanager").create_secret(
        Name=stack.name, SecretString=json.dumps({"word": "open sesame"})
    )
    reference = f"{{{{resolve:secretsmanager:{secret['ARN']}:SecretString:word}}}}"
    child = _child()
    child["Resources"]["Parameter"]["Properties"]["Value"] = reference
    stack.create({"Child": nested(upload(child), Parameters={"Text": "a"})}, OUTPUTS)
    assert stack.outputs()["Value"] == "open sesame"


def test_tags_reach_a_nested_stack_and_its_resources(stack: Stack, upload: Upload) -> None:
    group = resource("Logs::LogGroup", LogGroupName=f"/{stack.name}")
    tags = [{"Key": "Team", "Value": "payments"}]
    child = nested(upload(_child(Group=group)), Parameters={"Text": "a"}, Tags=tags)
    assert stack.create({"Child": child}) == "CREATE_COMPLETE"
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:/{stack.name}"
    found = stack.client("logs").list_tags_for_resource(resourceArn=arn)["tags"]
    assert found["Team"] == "payments"
