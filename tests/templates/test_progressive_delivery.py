"""Callers reach released versions only, and a release that raises is taken back."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator
from typing import Any

import pytest
from release_test import handler, trial
from release_test.trial import REQUESTS

from assurance.permissions.policies import Policies
from assurance.permissions.templates import REGION, Templates
from building_blocks.operations import OPERATIONS
from tests.synthesis import Resource, Synthesized
from tests.templates.test_requirements import PAYMENT_FUNCTIONS, as_list, function, statements

BY_CANARY = ("payment-validator", "payment-processor")
AT_ONCE = ("audit-logger",)
CALLERS = (
    "AWS::ApiGateway::Method",
    "AWS::Events::Rule",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
)


def resources(synthesized: Synthesized, resource_type: str) -> dict[str, Resource]:
    """Those of the compute layer, by logical id."""
    return {
        logical_id: resource
        for logical_id, resource in synthesized.compute["Resources"].items()
        if resource["Type"] == resource_type
    }


def function_id(synthesized: Synthesized, name: str) -> str:
    (found,) = (
        logical_id
        for logical_id, resource in resources(synthesized, "AWS::Lambda::Function").items()
        if resource["Properties"]["FunctionName"] == name
    )
    return found


def of_function(synthesized: Synthesized, resource_type: str, name: str) -> tuple[str, Resource]:
    """Logical id and definition of a function's one version or alias."""
    wanted = {"Ref": function_id(synthesized, name)}
    (found,) = (
        item
        for item in resources(synthesized, resource_type).items()
        if item[1]["Properties"]["FunctionName"] == wanted
    )
    return found


def group(synthesized: Synthesized, name: str) -> Resource:
    """The deployment group that a function's alias names."""
    _, alias = of_function(synthesized, "AWS::Lambda::Alias", name)
    policy = alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
    groups = resources(synthesized, "AWS::CodeDeploy::DeploymentGroup")
    return groups[policy["DeploymentGroupName"]["Ref"]]


def release_alarms(synthesized: Synthesized, name: str) -> list[Resource]:
    """The alarms that a function's deployment group names."""
    named = group(synthesized, name)["Properties"]["AlarmConfiguration"]["Alarms"]
    alarms = resources(synthesized, "AWS::CloudWatch::Alarm")
    return [alarms[alarm["Name"]["Ref"]] for alarm in named]


def named_in(value: Any) -> Iterator[str]:
    """The logical ids that a piece of a template refers to."""
    if isinstance(value, dict):
        if "Ref" in value:
            yield value["Ref"]
        elif "Fn::GetAtt" in value:
            yield value["Fn::GetAtt"][0]
        else:
            for item in value.values():
                yield from named_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from named_in(item)


# --- Versions and aliases ---


@pytest.mark.parametrize("name", PAYMENT_FUNCTIONS)
def test_the_alias_live_points_to_the_published_version(
    synthesized: Synthesized, name: str
) -> None:
    version, _ = of_function(synthesized, "AWS::Lambda::Version", name)
    _, alias = of_function(synthesized, "AWS::Lambda::Alias", name)
    assert alias["Properties"]["Name"] == "live"
    assert alias["Properties"]["FunctionVersion"] == {"Fn::GetAtt": [version, "Version"]}


@pytest.mark.parametrize("name", PAYMENT_FUNCTIONS)
def test_a_version_is_kept_unless_its_own_update_fails(synthesized: Synthesized, name: str) -> None:
    """One that a failed update left behind would keep Lambda from publishing its code again."""
    _, version = of_function(synthesized, "AWS::Lambda::Version", name)
    assert version["DeletionPolicy"] == "RetainExceptOnCreate"
    assert version["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("name", PAYMENT_FUNCTIONS)
def test_a_version_follows_what_other_layers_hand_over(synthesized: Synthesized, name: str) -> None:
    """It is published anew when its description changes, and keeps its environment otherwise."""
    _, version = of_function(synthesized, "AWS::Lambda::Version", name)
    environment = function(synthesized, name)["Environment"]["Variables"]
    handed_over = set(named_in(environment))
    assert handed_over
    assert set(named_in(version["Properties"]["Description"])) == handed_over


@pytest.mark.parametrize("name", PAYMENT_FUNCTIONS)
def test_a_versions_description_fits_into_256_characters(
    synthesized: Synthesized, name: str
) -> None:
    """Lambda API reference, "PublishVersion". Names that CloudFormation makes are as long as AWS
    lets them be: a queue's 80 characters, a bucket's 63."""
    longest = {
        "TransactionsTable": len("payment-transactions"),
        "RetryQueue": len(f"https://sqs.{REGION}.amazonaws.com/111122223333/") + 80,
        "EndpointAddress": len(f"payments-ledger.abcdefghijkl.{REGION}.rds.amazonaws.com"),
        "EndpointPort": 5,
        "AuditBucketKey": len(f"arn:aws:kms:{REGION}:111122223333:key/") + 36,
        "AuditBucket": 63,
    }
    _, version = of_function(synthesized, "AWS::Lambda::Version", name)
    total = 0
    for parameter in named_in(version["Properties"]["Description"]):
        total += 1 + next(size for part, size in longest.items() if part in parameter)
    assert total <= 256


def test_functions_that_only_deployments_call_have_no_alias(synthesized: Synthesized) -> None:
    for resource_type in ("AWS::Lambda::Version", "AWS::Lambda::Alias"):
        homes = [layer for layer, _, _ in synthesized.resources(resource_type)]
        assert homes == ["compute"] * len(PAYMENT_FUNCTIONS)


def test_no_caller_reaches_an_unreleased_function(synthesized: Synthesized) -> None:
    functions = resources(synthesized, "AWS::Lambda::Function")
    aliases = resources(synthesized, "AWS::Lambda::Alias")
    called = {
        logical_id: set(named_in(resource["Properties"])) & (functions.keys() | aliases.keys())
        for resource_type in CALLERS
        for logical_id, resource in resources(synthesized, resource_type).items()
    }
    # The API's methods and the sweep's rule, with a permission each, and two event sources.
    assert len(called) == 2 * (len(OPERATIONS) + 1) + 2
    for logical_id, targets in called.items():
        assert len(targets) == 1, logical_id
        assert targets <= aliases.keys(), logical_id


def test_the_sweep_is_tried_once_when_it_calls_the_alias(synthesized: Synthesized) -> None:
    (config,) = resources(synthesized, "AWS::Lambda::EventInvokeConfig").values()
    alias, _ = of_function(synthesized, "AWS::Lambda::Alias", "payment-processor")
    assert config["Properties"]["Qualifier"] == "live"
    assert config["Properties"]["MaximumRetryAttempts"] == 0
    assert config["DependsOn"] == [alias]


@pytest.mark.parametrize("name", PAYMENT_FUNCTIONS)
def test_code_gets_no_network_interfaces_whichever_version_runs(
    synthesized: Synthesized, name: str
) -> None:
    role = function(synthesized, name)["Role"]["Fn::GetAtt"][0]
    (policy,) = (
        resource["Properties"]
        for resource in resources(synthesized, "AWS::IAM::ManagedPolicy").values()
        if resource["Properties"]["Roles"] == [{"Ref": role}]
    )
    (denial,) = (s for s in statements(policy) if s.get("Sid") == "DenyInterfacesToCode")
    templates = Templates.of(synthesized.folder)
    arn = f"arn:aws:lambda:us-east-1:111122223333:function:{name}"
    assert templates.resolved(denial["Condition"], "ComputeNestedStack") == {
        "ArnLike": {"lambda:SourceFunctionArn": [arn, f"{arn}:*"]}
    }


# --- What CodeDeploy does in an update ---


def test_every_alias_is_moved_by_a_group_of_its_own_in_one_application(
    synthesized: Synthesized,
) -> None:
    ((application, definition),) = resources(synthesized, "AWS::CodeDeploy::Application").items()
    assert definition["Properties"]["ComputePlatform"] == "Lambda"
    groups = resources(synthesized, "AWS::CodeDeploy::DeploymentGroup")
    named = []
    for name in PAYMENT_FUNCTIONS:
        _, alias = of_function(synthesized, "AWS::Lambda::Alias", name)
        policy = alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
        assert policy["ApplicationName"] == {"Ref": application}
        named.append(policy["DeploymentGroupName"]["Ref"])
    assert sorted(named) == sorted(groups)
    for resource in groups.values():
        assert resource["Properties"]["ApplicationName"] == {"Ref": application}


@pytest.mark.parametrize("name", BY_CANARY)
def test_a_payment_function_is_released_by_a_canary(synthesized: Synthesized, name: str) -> None:
    properties = group(synthesized, name)["Properties"]
    assert properties["DeploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent5Minutes"
    assert properties["DeploymentStyle"] == {
        "DeploymentType": "BLUE_GREEN",
        "DeploymentOption": "WITH_TRAFFIC_CONTROL",
    }


@pytest.mark.parametrize("name", AT_ONCE)
def test_a_streams_reader_is_released_at_once(synthesized: Synthesized, name: str) -> None:
    properties = group(synthesized, name)["Properties"]
    assert properties["DeploymentConfigName"] == "CodeDeployDefault.LambdaAllAtOnce"
    assert "AlarmConfiguration" not in properties


@pytest.mark.parametrize("name", PAYMENT_FUNCTIONS)
def test_a_release_that_fails_or_alarms_is_taken_back(synthesized: Synthesized, name: str) -> None:
    rollback = group(synthesized, name)["Properties"]["AutoRollbackConfiguration"]
    assert rollback["Enabled"] is True
    events = {"DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_REQUEST"}
    if name in BY_CANARY:
        events |= {"DEPLOYMENT_STOP_ON_ALARM"}
    assert set(rollback["Events"]) == events


@pytest.mark.parametrize("name", BY_CANARY)
def test_two_plain_alarms_watch_the_version_behind_the_alias(
    synthesized: Synthesized, name: str
) -> None:
    """One on what Lambda counts as errors, one on what the function answers with 5xx."""
    version, _ = of_function(synthesized, "AWS::Lambda::Version", name)
    called, number = {"Ref": function_id(synthesized, name)}, {"Fn::GetAtt": [version, "Version"]}
    alarms = [alarm["Properties"] for alarm in release_alarms(synthesized, name)]
    assert [
        (
            alarm["Namespace"],
            alarm["MetricName"],
            {item["Name"]: item["Value"] for item in alarm["Dimensions"]},
        )
        for alarm in alarms
    ] == [
        (
            "AWS/Lambda",
            "Errors",
            {
                "FunctionName": called,
                "Resource": {"Fn::Join": ["", [called, ":live"]]},
                "ExecutedVersion": number,
            },
        ),
        ("Payments", "CallsFailed", {"service": called, "version": number}),
    ]
    for alarm in alarms:
        assert "Metrics" not in alarm
        assert (alarm["Statistic"], alarm["Period"]) == ("Sum", 60)
        assert (alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == (1, 3)
    assert group(synthesized, name)["Properties"]["AlarmConfiguration"]["Enabled"] is True


def is_on(alarm: dict[str, Any], failures: dict[int, float], minute: int, late: int) -> bool:
    """The state of a plain alarm on a sum at the end of a minute, as CloudWatch finds it ("Using
    Amazon CloudWatch alarms", "Configuring how alarms treat missing data").

    It looks some minutes further back than its periods, takes the newest datapoints that are there,
    and makes up the missing ones only when these are fewer than its periods.

    :param failures: by the minute in which they happened; what no minute has is missing.
    :param late: minutes that a datapoint takes to arrive.
    """
    assert alarm["TreatMissingData"] == "notBreaching"
    assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
    periods = int(alarm["EvaluationPeriods"])
    looked_at = range(minute - periods - 1, minute + 1)
    arrived = [failures[one] for one in looked_at if one <= minute - late and one in failures]
    breaching = sum(value > alarm["Threshold"] for value in arrived[-periods:])
    return bool(breaching >= int(alarm["DatapointsToAlarm"]))


CANARY_MINUTES = range(5)


@pytest.mark.parametrize("late", [0, 1, 2, 3])
@pytest.mark.parametrize("name", BY_CANARY)
def test_a_failing_canary_is_seen_however_late_its_failures_arrive(
    synthesized: Synthesized, name: str, late: int
) -> None:
    for alarm in release_alarms(synthesized, name):
        failures = dict.fromkeys(CANARY_MINUTES, 2.0)
        seen = [is_on(alarm["Properties"], failures, minute, late) for minute in CANARY_MINUTES]
        assert True in seen


@pytest.mark.parametrize("late", [0, 1, 2, 3])
@pytest.mark.parametrize("name", BY_CANARY)
def test_the_way_back_is_not_stopped_by_one_failure_of_the_former_version(
    synthesized: Synthesized, name: str, late: int
) -> None:
    """The former version goes back by a canary under its own alarms, which are these."""
    for alarm in release_alarms(synthesized, name):
        for minute in CANARY_MINUTES:
            failures = {minute: 1.0}
            assert not any(
                is_on(alarm["Properties"], failures, now, late) for now in CANARY_MINUTES
            )


@pytest.mark.parametrize("name", BY_CANARY)
def test_a_function_reports_failures_by_the_name_that_its_alarm_looks_for(
    synthesized: Synthesized, name: str
) -> None:
    assert function(synthesized, name)["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == (
        name
    )


@pytest.mark.parametrize("name", BY_CANARY)
def test_each_version_has_alarms_of_its_own(synthesized: Synthesized, name: str) -> None:
    """One that a bad release set off must not be the one that its rollback asks."""
    version, _ = of_function(synthesized, "AWS::Lambda::Version", name)
    for alarm in release_alarms(synthesized, name):
        assert version in named_in(alarm["Properties"]["AlarmName"])


@pytest.mark.parametrize("name", BY_CANARY)
def test_nothing_that_a_rollback_starts_waits_for_the_alias(
    synthesized: Synthesized, name: str
) -> None:
    """The alias waits for its group, and that for the alarm, and the alarm for no alias."""
    aliases = resources(synthesized, "AWS::Lambda::Alias").keys()
    for resource in (group(synthesized, name), *release_alarms(synthesized, name)):
        waits_for = {*named_in(resource["Properties"]), *resource.get("DependsOn", [])}
        assert not waits_for & aliases


def test_release_alarms_act_on_codedeploy_only(synthesized: Synthesized) -> None:
    alarms = resources(synthesized, "AWS::CloudWatch::Alarm")
    assert len(alarms) == 2 * len(BY_CANARY)
    for alarm in alarms.values():
        assert not {"AlarmActions", "OKActions"} & alarm["Properties"].keys()


# --- CodeDeploy's role ---


def test_codedeploys_role_is_its_own_and_can_do_little(synthesized: Synthesized) -> None:
    roles = {
        json.dumps(resource["Properties"]["ServiceRoleArn"])
        for resource in resources(synthesized, "AWS::CodeDeploy::DeploymentGroup").values()
    }
    assert len(roles) == 1
    role = json.loads(roles.pop())["Fn::GetAtt"][0]
    definition = synthesized.compute["Resources"][role]["Properties"]
    (trust,) = definition["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "codedeploy.amazonaws.com"}
    assert "PermissionsBoundary" in definition
    (policy,) = (
        resource["Properties"]
        for resource in resources(synthesized, "AWS::IAM::ManagedPolicy").values()
        if resource["Properties"]["Roles"] == [{"Ref": role}]
    )
    allowed = set()
    for statement in statements(policy):
        actions = statement["Action"]
        allowed |= set(actions if isinstance(actions, list) else [actions])
    assert allowed == {
        "cloudwatch:DescribeAlarms",
        "lambda:GetAlias",
        "lambda:GetProvisionedConcurrencyConfig",
        "lambda:InvokeFunction",
        "lambda:UpdateAlias",
    }


@pytest.mark.parametrize("qualifier", ["live", "7"])
@pytest.mark.parametrize("name", PAYMENT_FUNCTIONS)
def test_codedeploy_may_ask_for_the_provisioned_concurrency_of_alias_and_version(
    policies: Policies, name: str, qualifier: str
) -> None:
    arn = f"arn:aws:lambda:{REGION}:111122223333:function:{name}:{qualifier}"
    allowed = [
        pattern
        for policy in policies.roles["codedeploy"].identity
        for statement in policy["Statement"]
        if "lambda:GetProvisionedConcurrencyConfig" in as_list(statement["Action"])
        for pattern in as_list(statement["Resource"])
    ]
    assert any(fnmatch.fnmatchcase(arn, pattern) for pattern in allowed)


# --- The test before clients ---


@pytest.mark.parametrize("name", PAYMENT_FUNCTIONS)
def test_a_new_version_is_tried_before_clients_reach_it(
    synthesized: Synthesized, name: str
) -> None:
    _, alias = of_function(synthesized, "AWS::Lambda::Alias", name)
    hook = alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]["BeforeAllowTrafficHook"]
    assert function(synthesized, hook)["Description"].startswith("Tries the versions of a release")
    assert name in REQUESTS
    tried, _ = REQUESTS[name]
    served = [(each.method, each.path) for each in OPERATIONS if each.function == name]
    assert not served or (tried["httpMethod"], tried["resource"]) in served


def test_the_hook_can_be_called_for_all_functions_at_once_and_has_time(
    synthesized: Synthesized,
) -> None:
    properties = function(synthesized, "payments-release-test")
    assert properties["ReservedConcurrentExecutions"] == len(PAYMENT_FUNCTIONS)
    # Two versions, and the pauses while Lambda makes them ready.
    waiting = trial.PAUSE * (trial.TRIES - 1)
    longest = handler.LONGEST_CALL + handler.LONGEST_CONNECT + waiting
    assert function(synthesized, "payment-processor")["Timeout"] < handler.LONGEST_CALL
    asked = 3 * handler.ASKED_AT_MOST * (handler.LONGEST_CONNECT + handler.LONGEST_ANSWER)
    assert properties["Timeout"] >= 2 * longest + asked


def test_the_hook_stands_before_what_is_released(synthesized: Synthesized) -> None:
    """So that a rollback has taken it back, too, when the aliases go back."""
    parameters = json.dumps(synthesized.root["Resources"]["ComputeNestedStack"]["Properties"])
    assert '"Fn::GetAtt": ["ReleaseTestFunction' in parameters


def test_a_group_is_made_when_its_role_can_do_what_it_must(synthesized: Synthesized) -> None:
    policies = resources(synthesized, "AWS::IAM::ManagedPolicy")
    for resource in resources(synthesized, "AWS::CodeDeploy::DeploymentGroup").values():
        role = resource["Properties"]["ServiceRoleArn"]["Fn::GetAtt"][0]
        (policy,) = resource["DependsOn"]
        assert policies[policy]["Properties"]["Roles"] == [{"Ref": role}]


# --- Releases ---


def test_a_change_of_the_environment_publishes_another_version(
    synthesized: Synthesized, next_release: Synthesized
) -> None:
    for name in PAYMENT_FUNCTIONS:
        before, _ = of_function(synthesized, "AWS::Lambda::Version", name)
        after, _ = of_function(next_release, "AWS::Lambda::Version", name)
        assert (before != after) is (name == "payment-validator")


def test_aliases_groups_and_alarms_keep_their_names_in_the_template(
    synthesized: Synthesized, next_release: Synthesized
) -> None:
    for resource_type in (
        "AWS::Lambda::Alias",
        "AWS::CodeDeploy::DeploymentGroup",
        "AWS::CloudWatch::Alarm",
        "AWS::ApiGateway::Deployment",
    ):
        before = resources(synthesized, resource_type).keys()
        assert before == resources(next_release, resource_type).keys()
