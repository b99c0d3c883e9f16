"""Alarms are put back as CloudFormation would have put them, and told only where they differ."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from assurance.assembly import NESTED_STACK
from ops.alerts import command
from ops.console.failure import OpsError
from ops.production.alarms import COMPOSITE, METRIC, Declared, declared, differences
from ops.production.questions import Clients
from ops.production.stack import Production, Resource
from tests.ops.stubbed_aws import Aws
from tests.synthesis import Synthesized

ARN = "arn:aws:cloudformation:us-east-1:123456789012:stack/Observability/1"
TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/dead"
VERSION = "arn:aws:lambda:us-east-1:123456789012:function:payment-validator:7"


def template(**alarms_: tuple[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "Resources": {
            name: {"Type": type_, "Properties": known} for name, (type_, known) in alarms_.items()
        }
    }


CPU: dict[str, Any] = {
    "AlarmName": "cpu",
    "ActionsEnabled": True,
    "AlarmActions": [{"Ref": "Topic"}],
    "OKActions": [{"Ref": "Topic"}],
    "ComparisonOperator": "GreaterThanThreshold",
    "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": {"Ref": "OfData"}}],
    "EvaluationPeriods": 5,
    "MetricName": "CPUUtilization",
    "Namespace": "AWS/RDS",
    "Period": 60,
    "Statistic": "Average",
    "Tags": [{"Key": "Team", "Value": "payments"}],
    "Threshold": 80,
}
HEALTH: dict[str, Any] = {
    "AlarmName": "health",
    "AlarmActions": [{"Ref": "Topic"}],
    "AlarmRule": {"Fn::Join": ["", ['ALARM("', {"Fn::GetAtt": ["Cpu", "Arn"]}, '")']]},
}
RESOLVED = {
    **CPU,
    "AlarmActions": [TOPIC],
    "OKActions": [TOPIC],
    "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": "payments-ledger"}],
}
LIVE = {
    **{name: value for name, value in RESOLVED.items() if name != "Tags"},
    "AlarmArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:cpu",
    "InsufficientDataActions": [],
    "StateValue": "OK",
    "Threshold": 80.0,
}
"""As AWS tells it."""


def resource(logical_id: str, type_: str, name: str) -> Resource:
    return Resource(stack="O", logical_id=logical_id, type=type_, name=name)


RESOURCES = [
    Resource(stack="PaymentsProd", logical_id="O", type=NESTED_STACK, name=ARN),
    resource("Topic", "AWS::SNS::Topic", TOPIC),
    resource("Queue", "AWS::SQS::Queue", QUEUE),
    resource("Version", "AWS::Lambda::Version", VERSION),
    resource("Cpu", METRIC, "cpu"),
    resource("Health", COMPOSITE, "health"),
]


class Deployed:
    """A CloudFormation with one stack's template and parameters, as the clients."""

    def __init__(self, body: Mapping[str, Any], **parameters: str) -> None:
        self._body, self._parameters = body, parameters

    def __call__(self, _service: str) -> Any:
        return self

    def get_template(self, **_asked: Any) -> dict[str, Any]:
        return {"TemplateBody": self._body}

    def describe_stacks(self, **_asked: Any) -> dict[str, Any]:
        known = [
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in self._parameters.items()
        ]
        return {"Stacks": [{"Parameters": known}]}


def known(cpu: Mapping[str, Any] = CPU) -> dict[str, Declared]:
    clients: Any = Deployed(
        template(Cpu=(METRIC, cpu), Health=(COMPOSITE, HEALTH)), OfData="payments-ledger"
    )
    return declared(clients, RESOURCES)


# -- as CloudFormation would -------------------------------------------------------------


def test_references_are_what_cloudformation_made_of_them() -> None:
    assert known()["cpu"] == Declared(request=RESOLVED, composite=False)
    rule = 'ALARM("arn:aws:cloudwatch:us-east-1:123456789012:alarm:cpu")'
    assert known()["health"].request["AlarmRule"] == rule
    assert known()["health"].composite


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ({"Fn::GetAtt": ["Topic", "TopicName"]}, "alerts"),
        ({"Fn::GetAtt": ["Queue", "QueueName"]}, "dead"),
        ({"Fn::GetAtt": ["Version", "Version"]}, "7"),
        ({"Ref": "AWS::Region"}, "us-east-1"),
        ({"Ref": "AWS::AccountId"}, "123456789012"),
    ],
)
def test_other_references_are_too(reference: dict[str, Any], value: str) -> None:
    dimensions = [{"Name": "of", "Value": reference}]
    found = known({**CPU, "Dimensions": dimensions})["cpu"].request["Dimensions"]
    assert found == [{"Name": "of", "Value": value}]


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ({"Fn::ImportValue": "x"}, "Fn::ImportValue is not resolved here"),
        ({"Ref": "Gone"}, "no resource or parameter Gone"),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "Arn of Queue .* is not known here"),
    ],
)
def test_what_cannot_be_resolved_is_never_put(reference: dict[str, Any], told: str) -> None:
    with pytest.raises(OpsError, match=told):
        known({**CPU, "Dimensions": [{"Name": "of", "Value": reference}]})


def test_every_alarm_of_the_templates_can_be_put_back(synthesized: Synthesized) -> None:
    seen = 0
    for body in (synthesized.observability, synthesized.compute):
        of_stack = [
            resource(logical_id, each["Type"], f"arn:aws:service:region:account:{logical_id}")
            for logical_id, each in body["Resources"].items()
        ]
        parameters = {name: f"value of {name}" for name in body["Parameters"]}
        clients: Any = Deployed(body, **parameters)
        for each in declared(clients, [RESOURCES[0], *of_stack]).values():
            seen += 1
            assert not {"Ref", "Fn::"} & set(json.dumps(each.request).split('"'))
            operation = "PutCompositeAlarm" if each.composite else "PutMetricAlarm"
            shape = Aws()("cloudwatch").meta.service_model.operation_model(operation).input_shape
            assert set(each.request) <= set(shape.members)
    assert seen > 60


# -- in what they differ -----------------------------------------------------------------


def found(live: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {each.setting: (each.found, each.needed) for each in differences(live, known()["cpu"])}


def test_what_aws_writes_in_another_way_is_no_difference() -> None:
    assert found(LIVE) == {}
    metric = {key: LIVE[key] for key in ("Namespace", "MetricName", "Dimensions")}
    alone = {"Id": "m1", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Average"}}
    named = ("Namespace", "MetricName", "Dimensions", "Period", "Statistic")
    rest = {key: value for key, value in LIVE.items() if key not in named}
    assert found({**rest, "Metrics": [alone]}) == {}
    assert found({**LIVE, "DatapointsToAlarm": 5, "TreatMissingData": "missing"}) == {}


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("ActionsEnabled", False, ("no", "yes")),
        ("AlarmActions", [], ("none", f'["{TOPIC}"]')),
        ("AlarmActions", [TOPIC, "arn:other"], (f'["{TOPIC}", "arn:other"]', f'["{TOPIC}"]')),
        ("Threshold", 99.0, ("99", "80")),
        ("DatapointsToAlarm", 4, ("4", "5")),
        ("TreatMissingData", "ignore", ("ignore", "missing")),
        ("Unit", "Bytes", ("Bytes", "none")),
        ("MetricName", "FreeStorageSpace", ("FreeStorageSpace", "CPUUtilization")),
    ],
)
def test_what_was_altered_is_told(setting: str, value: Any, told: tuple[str, str]) -> None:
    assert found({**LIVE, setting: value}) == {setting: told}


def test_what_an_expression_is_calculated_from_is_compared() -> None:
    metric = {"Namespace": "Payments", "MetricName": "Declined"}
    parts: list[dict[str, Any]] = [
        {"Id": "rate", "Expression": "declined / calls"},
        {
            "Id": "declined",
            "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"},
            "ReturnData": False,
        },
    ]
    wanted = Declared(request={"AlarmName": "rate", "Metrics": parts}, composite=False)
    live = copy.deepcopy({"AlarmName": "rate", "Metrics": parts[::-1]})
    live["Metrics"][1]["ReturnData"] = True  # type: ignore[index]
    assert list(differences(live, wanted)) == []
    live["Metrics"][1]["Expression"] = "0"  # type: ignore[index]
    assert [each.setting for each in differences(live, wanted)] == ["Metrics"]


# -- the command -------------------------------------------------------------------------


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    """An account with the alarms' stack."""
    aws = Aws()
    production: Any = SimpleNamespace(
        changing=False, status="UPDATE_COMPLETE", session=None, resources=lambda: RESOURCES
    )
    monkeypatch.setattr(Production, "find", lambda: production)
    monkeypatch.setattr(command, "Clients", lambda _session: cast(Clients, aws))
    monkeypatch.setattr(command, "declared", lambda _clients, _resources: known())
    return aws


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is recorded of actions."""
    kept: list[dict[str, Any]] = []

    class Recorded:
        key = "operations/1-begun.json"

        def __init__(self, _production: Any, action: str, **details: Any) -> None:
            self.outcome: dict[str, Any] = {}
            kept.append({"action": action, **details, "outcome": self.outcome})

        def __enter__(self) -> Recorded:
            return self

        def __exit__(self, *_error: object) -> None: ...

    monkeypatch.setattr(command, "recorded", Recorded)
    return kept


def describes(aws: Aws, *live: Mapping[str, Any], rules: tuple[str, ...] = ()) -> None:
    aws.answers("cloudwatch", "describe_alarms", {"MetricAlarms": list(live)})
    summaries = [
        {"AlarmMuteRuleArn": f"arn:aws:cloudwatch:r:a:alarm-mute-rule:{each}"} for each in rules
    ]
    aws.answers("cloudwatch", "list_alarm_mute_rules", {"AlarmMuteRuleSummaries": summaries})


def restore(*arguments: str) -> Any:
    return CliRunner().invoke(command.app, ["restore", "--json", *arguments])


MUTED = {**LIVE, "ActionsEnabled": False}


def test_a_muted_alarm_is_put_as_the_template_has_it_and_recorded(
    aws: Aws, records: list[dict[str, Any]]
) -> None:
    describes(aws, MUTED)
    # CloudWatch takes no tags for an alarm that is there.
    asked = {name: value for name, value in RESOLVED.items() if name != "Tags"}
    aws.answers("cloudwatch", "put_metric_alarm", {}, asked)
    describes(aws, LIVE)
    answer = restore("cpu", "--yes")
    assert answer.exit_code == 0, answer
    (record,) = records
    assert record["action"] == "alerts restore"
    assert record["alarms"][0]["before"]["ActionsEnabled"] is False
    assert record["outcome"]["restored"] == ["cpu"]
    assert json.loads(answer.output)["record"] == "operations/1-begun.json"


def test_a_deleted_alarm_is_made_anew_with_its_tags(aws: Aws, records: list[Any]) -> None:
    describes(aws)
    aws.answers("cloudwatch", "put_metric_alarm", {}, RESOLVED)
    describes(aws, LIVE)
    assert restore("cpu", "--yes").exit_code == 0
    assert len(records) == 1


def test_without_yes_it_only_tells(aws: Aws, records: list[Any]) -> None:
    describes(aws, MUTED)
    answer = restore("cpu")
    assert answer.exit_code == 0
    assert json.loads(answer.output)["alarms"][0]["differences"] == [
        {"setting": "ActionsEnabled", "found": "no", "needed": "yes"}
    ]
    assert records == []


def test_an_alarm_that_is_as_it_should_be_is_left_alone(aws: Aws, records: list[Any]) -> None:
    describes(aws, LIVE)
    assert restore("cpu", "--yes").exit_code == 0
    assert records == []


def test_an_alarm_that_stays_as_it_was_is_a_problem(aws: Aws, records: list[Any]) -> None:
    describes(aws, MUTED)
    aws.answers("cloudwatch", "put_metric_alarm", {})
    describes(aws, MUTED)
    assert restore("cpu", "--yes").exit_code == 1
    assert records[0]["outcome"]["differing"][0]["alarm"] == "cpu"


def test_a_rule_that_mutes_an_alarm_is_told_with_how_to_lift_it(aws: Aws) -> None:
    describes(aws, LIVE, rules=("nights",))
    answer = CliRunner().invoke(command.app, ["restore", "cpu"])
    assert answer.exit_code == 1
    assert "delete-alarm-mute-rule --alarm-mute-rule-name nights" in answer.output


def test_an_unknown_alarm_is_told_with_the_closest_one(aws: Aws) -> None:
    answer = restore("cpus", "--yes")
    assert "no alarm is called cpus: did you mean cpu?" in str(answer.exception)


def test_nothing_is_put_while_a_deployment_is_under_way(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    production: Any = SimpleNamespace(changing=True, status="UPDATE_IN_PROGRESS")
    monkeypatch.setattr(Production, "find", lambda: production)
    assert "is UPDATE_IN_PROGRESS" in str(restore("cpu", "--yes").exception)
