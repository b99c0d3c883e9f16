"""Published versions and aliases of functions, as a CloudFormation update leaves them."""

from __future__ import annotations

import json
import urllib.request
import uuid
from typing import Any

import pytest

from tests.environment import Stack, resource, wait_for
from tests.integration.local.conftest import Upload
from tests.integration.local.test_nested_stacks import INVALID, nested
from tests.probe import LAMBDA, policy

Resources = dict[str, Any]

CODE = """
import json, os
RELEASE = {release}
def handle(event, context):
    seen = dict(code=RELEASE, variable=os.environ["RELEASE"], version=context.function_version)
    print("SEEN " + json.dumps(seen))
    return dict(seen, statusCode=200, body=json.dumps(seen))
"""

ALIAS = {"Ref": "Live"}
FUNCTION = {"Fn::GetAtt": ["Function", "Arn"]}

QUEUE: Resources = {"Queue": resource("SQS::Queue")}
TABLE: Resources = {
    "Table": resource(
        "DynamoDB::Table",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        StreamSpecification={"StreamViewType": "NEW_IMAGE"},
    )
}


@pytest.fixture
def name() -> str:
    return f"released-{uuid.uuid4().hex[:8]}"


def released(name: str, release: int, **more: Any) -> Resources:
    """A function with its version and alias, as the app's templates have them."""
    return {
        "Role": resource("IAM::Role", AssumeRolePolicyDocument=policy(LAMBDA)),
        "Function": resource(
            "Lambda::Function",
            FunctionName=name,
            Runtime="python3.14",
            Handler="index.handle",
            Role={"Fn::GetAtt": ["Role", "Arn"]},
            Code={"ZipFile": CODE.format(release=release)},
            Environment={"Variables": {"RELEASE": str(release)}},
        ),
        f"Version{release}": resource("Lambda::Version", FunctionName={"Ref": "Function"})
        | {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"},
        "Application": resource("CodeDeploy::Application", ComputePlatform="Lambda"),
        "Group": resource(
            "CodeDeploy::DeploymentGroup",
            ApplicationName={"Ref": "Application"},
            ServiceRoleArn={"Fn::GetAtt": ["Role", "Arn"]},
            DeploymentConfigName="CodeDeployDefault.LambdaCanary10Percent5Minutes",
        ),
        "Live": resource(
            "Lambda::Alias",
            FunctionName={"Ref": "Function"},
            FunctionVersion={"Fn::GetAtt": [f"Version{release}", "Version"]},
            Name="live",
        )
        | {
            "UpdatePolicy": {
                "CodeDeployLambdaAliasUpdate": {
                    "ApplicationName": {"Ref": "Application"},
                    "DeploymentGroupName": {"Ref": "Group"},
                }
            }
        },
        **more,
    }


def serving(stack: Stack, name: str, qualifier: str = "live") -> tuple[int, str, str]:
    """Release of the code, of the environment, and version of what answers."""
    answer = stack.client("lambda").invoke(FunctionName=name, Qualifier=qualifier)
    seen = json.loads(answer["Payload"].read())
    return seen["code"], seen["variable"], seen["version"]


def versions(stack: Stack, name: str) -> set[str]:
    found = stack.client("lambda").list_versions_by_function(FunctionName=name)["Versions"]
    return {version["Version"] for version in found} - {"$LATEST"}


def seen_in_the_log(stack: Stack, name: str) -> list[tuple[int, str, str]]:
    """The same, of those who were not answered."""
    logs = stack.client("logs")
    try:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    seen = [
        json.loads(event["message"].partition("SEEN ")[2])
        for event in events
        if "SEEN " in event["message"]
    ]
    return [(it["code"], it["variable"], it["version"]) for it in seen]


def test_an_update_moves_the_alias_and_keeps_the_former_version(stack: Stack, name: str) -> None:
    assert stack.create(released(name, 1)) == "CREATE_COMPLETE"
    assert serving(stack, name) == (1, "1", "1")
    assert stack.update(released(name, 2)) == "UPDATE_COMPLETE"
    assert serving(stack, name) == (2, "2", "2")
    assert serving(stack, name, "1") == (1, "1", "1")
    assert versions(stack, name) == {"1", "2"}


def test_what_is_changed_but_not_released_does_not_reach_the_alias(stack: Stack, name: str) -> None:
    stack.create(released(name, 1))
    serving(stack, name)
    functions = stack.client("lambda")
    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": {"RELEASE": "unreleased"}}
    )
    assert serving(stack, name, "$LATEST") == (1, "unreleased", "$LATEST")
    assert serving(stack, name) == (1, "1", "1")


def test_a_rollback_moves_the_alias_back_and_the_next_release_succeeds(
    stack: Stack, name: str
) -> None:
    stack.create(released(name, 1))
    bad = released(name, 2, Wrong={**INVALID, "DependsOn": "Live"})
    assert stack.update(bad) == "UPDATE_ROLLBACK_COMPLETE"
    assert serving(stack, name) == (1, "1", "1")
    assert serving(stack, name, "$LATEST") == (1, "1", "$LATEST")
    assert versions(stack, name) == {"1"}
    assert stack.update(released(name, 2)) == "UPDATE_COMPLETE"
    assert serving(stack, name)[:2] == (2, "2")


def test_a_rollback_of_a_finished_nested_stack_moves_the_alias_back(
    stack: Stack, name: str, upload: Upload
) -> None:
    """As when Observability fails after Compute was updated."""

    def child(release: int) -> Resources:
        return {"Child": nested(upload({"Resources": released(name, release)}))}

    assert stack.create(child(1)) == "CREATE_COMPLETE"
    bad = {**child(2), "Wrong": {**INVALID, "DependsOn": "Child"}}
    assert stack.update(bad) == "UPDATE_ROLLBACK_COMPLETE"
    assert serving(stack, name) == (1, "1", "1")
    assert versions(stack, name) == {"1"}
    assert stack.update(child(2)) == "UPDATE_COMPLETE"
    assert serving(stack, name)[:2] == (2, "2")


def test_a_version_is_published_again_when_only_its_description_changes(
    stack: Stack, name: str
) -> None:
    """So that a value that another layer hands over reaches the alias."""

    def handed_over(value: str) -> Resources:
        resources = released(name, 1)
        resources["Function"]["Properties"]["Environment"]["Variables"]["RELEASE"] = value
        resources["Version1"]["Properties"]["Description"] = value
        return resources

    stack.create(handed_over("a"))
    assert serving(stack, name) == (1, "a", "1")
    assert stack.update(handed_over("b")) == "UPDATE_COMPLETE"
    assert serving(stack, name) == (1, "b", "2")


def test_a_deleted_stack_takes_the_function_with_all_its_versions(stack: Stack, name: str) -> None:
    stack.create(released(name, 1))
    stack.update(released(name, 2))
    assert stack.delete() == "DELETE_COMPLETE"
    functions = stack.client("lambda")
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.get_function(FunctionName=name)


# -- callers ---------------------------------------------------------------------------------


def api(permission_on: Any) -> Resources:
    """An API whose one method calls the alias."""
    uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${Live}/invocations"
    return {
        "Api": resource("ApiGateway::RestApi", Name="released"),
        "Method": resource(
            "ApiGateway::Method",
            RestApiId={"Ref": "Api"},
            ResourceId={"Fn::GetAtt": ["Api", "RootResourceId"]},
            HttpMethod="GET",
            AuthorizationType="NONE",
            Integration={
                "Type": "AWS_PROXY",
                "IntegrationHttpMethod": "POST",
                "Uri": {"Fn::Sub": uri},
            },
        ),
        "Deployment": resource("ApiGateway::Deployment", RestApiId={"Ref": "Api"}, StageName="prod")
        | {"DependsOn": "Method"},
        "Permission": resource(
            "Lambda::Permission",
            Action="lambda:InvokeFunction",
            FunctionName=permission_on,
            Principal="apigateway.amazonaws.com",
            SourceArn={
                "Fn::Sub": "arn:aws:execute-api:us-east-1:${AWS::AccountId}:${Api}/prod/GET/"
            },
        ),
    }


def call(stack: Stack) -> Any:
    url = f"{stack.environment.endpoint}/restapis/{stack.physical_id('Api')}/prod/_user_request_/"
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own address
        return json.loads(answer.read())


def test_an_api_calls_the_alias_before_and_after_an_update(stack: Stack, name: str) -> None:
    assert stack.create(released(name, 1, **api(ALIAS))) == "CREATE_COMPLETE"
    assert call(stack) == {"code": 1, "variable": "1", "version": "1"}
    assert stack.update(released(name, 2, **api(ALIAS))) == "UPDATE_COMPLETE"
    assert call(stack) == {"code": 2, "variable": "2", "version": "2"}


def test_a_permission_is_for_the_alias(stack: Stack, name: str) -> None:
    stack.create(released(name, 1, **api(ALIAS)))
    functions = stack.client("lambda")
    policy = json.loads(functions.get_policy(FunctionName=name, Qualifier="live")["Policy"])
    (statement,) = policy["Statement"]
    assert statement["Resource"].endswith(f":function:{name}:live")


def mapping(source: Any, function: Any, **properties: Any) -> Resources:
    return {
        "Mapping": resource(
            "Lambda::EventSourceMapping", EventSourceArn=source, FunctionName=function, **properties
        )
    }


QUEUE_ARN = {"Fn::GetAtt": ["Queue", "Arn"]}


def send(stack: Stack) -> None:
    queue = stack.physical_id("Queue")
    stack.client("sqs").send_message(QueueUrl=queue, MessageBody="a payment")


def test_a_queue_feeds_the_alias_before_and_after_an_update(stack: Stack, name: str) -> None:
    fed = {**QUEUE, **mapping(QUEUE_ARN, {"Fn::Sub": "${Function}:live"}, BatchSize=1)}
    fed["Mapping"]["DependsOn"] = "Live"
    stack.create(released(name, 1, **fed))
    send(stack)
    wait_for(lambda: seen_in_the_log(stack, name) == [(1, "1", "1")])
    stack.update(released(name, 2, **fed))
    send(stack)
    wait_for(lambda: (2, "2", "2") in seen_in_the_log(stack, name))


def test_a_mapping_that_is_moved_from_the_function_to_the_alias_feeds_the_alias(
    stack: Stack, name: str
) -> None:
    stack.create(released(name, 1, **QUEUE, **mapping(QUEUE_ARN, FUNCTION, BatchSize=1)))
    moved = released(name, 1, **QUEUE, **mapping(QUEUE_ARN, ALIAS, BatchSize=1))
    assert stack.update(moved) == "UPDATE_COMPLETE"
    send(stack)
    wait_for(lambda: seen_in_the_log(stack, name) == [(1, "1", "1")])


def test_a_stream_feeds_the_alias_before_and_after_an_update(stack: Stack, name: str) -> None:
    fed = {
        **TABLE,
        **mapping({"Fn::GetAtt": ["Table", "StreamArn"]}, ALIAS, StartingPosition="TRIM_HORIZON"),
    }
    dynamodb = stack.client("dynamodb")
    stack.create(released(name, 1, **fed))
    table = stack.physical_id("Table")
    dynamodb.put_item(TableName=table, Item={"id": {"S": "1"}})
    wait_for(lambda: seen_in_the_log(stack, name) == [(1, "1", "1")])
    stack.update(released(name, 2, **fed))
    dynamodb.put_item(TableName=table, Item={"id": {"S": "2"}})
    wait_for(lambda: (2, "2", "2") in seen_in_the_log(stack, name))


def test_a_rule_calls_the_alias_and_its_failures_are_not_tried_again(
    stack: Stack, name: str
) -> None:
    called = {
        "Rule": resource(
            "Events::Rule", EventPattern={"source": [name]}, Targets=[{"Id": "0", "Arn": ALIAS}]
        ),
        "Permission": resource(
            "Lambda::Permission",
            Action="lambda:InvokeFunction",
            FunctionName=ALIAS,
            Principal="events.amazonaws.com",
            SourceArn={"Fn::GetAtt": ["Rule", "Arn"]},
        ),
        "Once": resource(
            "Lambda::EventInvokeConfig",
            FunctionName={"Ref": "Function"},
            Qualifier="live",
            MaximumRetryAttempts=0,
        )
        | {"DependsOn": "Live"},
    }
    assert stack.create(released(name, 1, **called)) == "CREATE_COMPLETE"
    event = {"Source": name, "DetailType": "tick", "Detail": "{}"}
    stack.client("events").put_events(Entries=[event])
    wait_for(lambda: seen_in_the_log(stack, name) == [(1, "1", "1")])
    functions = stack.client("lambda")
    once = functions.get_function_event_invoke_config(FunctionName=name, Qualifier="live")
    assert once["MaximumRetryAttempts"] == 0
