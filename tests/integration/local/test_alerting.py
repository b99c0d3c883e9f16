"""An alert's way through the emulator: from an alarm or an event to the topic's subscribers."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.environment import Stack, resource, wait_for
from tests.probe import allow, policy

ALARM = {
    "Namespace": "Payments",
    "MetricName": "LedgerImbalance",
    "Statistic": "Maximum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 0,
    "ComparisonOperator": "GreaterThanThreshold",
    "TreatMissingData": "notBreaching",
}


def _topic_with_a_reader() -> dict[str, Any]:
    """A topic, and a queue that is handed what is published there."""
    return {
        "Topic": resource("SNS::Topic"),
        "Queue": resource("SQS::Queue"),
        "Admit": resource(
            "SQS::QueuePolicy",
            Queues=[{"Ref": "Queue"}],
            PolicyDocument=policy(
                allow(
                    "sqs:SendMessage",
                    {"Fn::GetAtt": ["Queue", "Arn"]},
                    Principal={"Service": "sns.amazonaws.com"},
                )
            ),
        ),
        "Subscription": resource(
            "SNS::Subscription",
            TopicArn={"Ref": "Topic"},
            Protocol="sqs",
            Endpoint={"Fn::GetAtt": ["Queue", "Arn"]},
        )
        | {"DependsOn": "Admit"},
    }


class Reader:
    """What the queue was handed, oldest first."""

    def __init__(self, stack: Stack) -> None:
        self._sqs = stack.client("sqs")
        self._queue = stack.physical_id("Queue")
        self.messages: list[str] = []

    def has(self, count: int) -> bool:
        answer = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            self.messages.append(json.loads(message["Body"])["Message"])
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return len(self.messages) >= count


@pytest.fixture
def alarmed(stack: Stack) -> Reader:
    """One alarm, and one that sums up, both with the topic."""
    actions = {
        "ActionsEnabled": True,
        "AlarmActions": [{"Ref": "Topic"}],
        "OKActions": [{"Ref": "Topic"}],
    }
    resources = {
        **_topic_with_a_reader(),
        "Alarm": resource("CloudWatch::Alarm", **ALARM, **actions, AlarmName=f"{stack.name}-one")
        | {"DependsOn": "Subscription"},
        "Health": resource(
            "CloudWatch::CompositeAlarm",
            **actions,
            AlarmName=f"{stack.name}-all",
            AlarmRule={"Fn::Join": ["", ['(ALARM("', {"Fn::GetAtt": ["Alarm", "Arn"]}, '"))']]},
        ),
    }
    assert stack.create(resources) == "CREATE_COMPLETE"
    reader = Reader(stack)
    # The one that sums up tells of its first state, which is OK.
    wait_for(lambda: reader.has(1))
    reader.messages.clear()
    return reader


def test_an_alarm_and_the_one_that_sums_up_reach_the_topics_subscribers(
    stack: Stack, alarmed: Reader
) -> None:
    cloudwatch = stack.client("cloudwatch")
    told = [(f"{stack.name}-{name}", state) for state in ("ALARM", "OK") for name in ("one", "all")]
    for number, state in enumerate(("ALARM", "OK"), start=1):
        cloudwatch.set_alarm_state(
            AlarmName=f"{stack.name}-one", StateValue=state, StateReason="a test"
        )
        wait_for(lambda count=2 * number: alarmed.has(count))
    mails = [json.loads(message) for message in alarmed.messages]
    assert sorted((mail["AlarmName"], mail["NewStateValue"]) for mail in mails) == sorted(told)
    assert stack.delete() == "DELETE_COMPLETE"


def test_an_event_reaches_them_as_text(stack: Stack) -> None:
    resources = {
        **_topic_with_a_reader(),
        "Rule": resource(
            "Events::Rule",
            EventPattern={"source": [stack.name], "detail": {"status": ["FAILED"]}},
            Targets=[
                {
                    "Id": "Topic",
                    "Arn": {"Ref": "Topic"},
                    "InputTransformer": {
                        "InputPathsMap": {"status": "$.detail.status"},
                        "InputTemplate": '"What: it failed."\n"Status: <status>"',
                    },
                }
            ],
        )
        | {"DependsOn": "Subscription"},
    }
    assert stack.create(resources) == "CREATE_COMPLETE"
    reader = Reader(stack)
    for status in ("FINE", "FAILED"):
        stack.client("events").put_events(
            Entries=[
                {"Source": stack.name, "DetailType": "x", "Detail": json.dumps({"status": status})}
            ]
        )
    wait_for(lambda: reader.has(1))
    assert reader.messages == ['"What: it failed."\n"Status: FAILED"']
    assert stack.delete() == "DELETE_COMPLETE"


def test_metric_filters(stack: Stack) -> None:
    """The emulator keeps them, and counts nothing by them."""
    resources = {
        "Group": resource("Logs::LogGroup", LogGroupName=stack.name),
        "Filter": resource(
            "Logs::MetricFilter",
            LogGroupName={"Ref": "Group"},
            FilterPattern='{ $.status = "429" }',
            MetricTransformations=[
                {"MetricNamespace": "Payments", "MetricName": "CallsThrottled", "MetricValue": "1"}
            ],
        ),
    }
    assert stack.create(resources) == "CREATE_COMPLETE"
    filters = stack.client("logs").describe_metric_filters(logGroupName=stack.name)
    (kept,) = filters["metricFilters"]
    assert kept["filterPattern"] == '{ $.status = "429" }'
    assert stack.delete() == "DELETE_COMPLETE"


def test_an_alarms_history_tells_whether_the_topic_took_the_message(stack: Stack) -> None:
    sns, cloudwatch = stack.client("sns"), stack.client("cloudwatch")
    topic = sns.create_topic(Name=stack.name)["TopicArn"]
    cloudwatch.put_metric_alarm(AlarmName=stack.name, AlarmActions=[topic], **ALARM)

    def told_of_alarm() -> list[str]:
        for state in ("ALARM", "OK"):
            cloudwatch.set_alarm_state(AlarmName=stack.name, StateValue=state, StateReason="a test")
        history = cloudwatch.describe_alarm_history(
            AlarmName=stack.name, HistoryItemType="Action", ScanBy="TimestampAscending"
        )["AlarmHistoryItems"]
        return [item["HistorySummary"] for item in history]

    assert told_of_alarm() == [f"Successfully executed action {topic}"]
    sns.delete_topic(TopicArn=topic)
    assert told_of_alarm()[1:] == [f"Failed to execute action {topic}"]


_PATTERNS = {
    "%[0-9]{9,15}1111%": {"card"},
    "order": {"order"},
    '"order 11"': {"order"},
    '?"do not agree" ?CRITICAL ?nowhere': {"differ", "429"},
    '"agree not do"': set(),
    "level -CRITICAL": {"differ"},
    '{ $.status = "4*" }': {"429"},
    '{ $.status != "429" }': set(),
    "{ $.receives >= 14 }": {"429"},
    "{ $.receives > 14 }": set(),
    "{ $.receives = * }": {"429"},
    '{ $.a.b = "c" }': {"differ"},
}


def test_logs_are_searched_by_patterns(stack: Stack) -> None:
    logs, group = stack.client("logs"), stack.name
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    now = int(time.time() * 1000)
    lines = {
        f"card {'4' * 12}1111": "card",
        "order 1111": "order",
        '{"level": "ERROR", "message": "they do not agree", "a": {"b": "c"}}': "differ",
        '{"level": "CRITICAL", "status": "429", "receives": 14}': "429",
    }
    logs.put_log_events(
        logGroupName=group,
        logStreamName="s",
        logEvents=[{"timestamp": now, "message": line} for line in lines],
    )
    found = {
        pattern: {
            lines[event["message"]]
            for event in logs.filter_log_events(logGroupName=group, filterPattern=pattern)["events"]
        }
        for pattern in _PATTERNS
    }
    assert found == _PATTERNS


def test_an_alarm_on_an_expression_is_put_as_the_templates_are(stack: Stack) -> None:
    metric = {"Namespace": "Payments", "MetricName": "LedgerImbalance"}
    parts = [
        {"Id": "expr_1", "Expression": "m1 / 2"},
        {
            "Id": "m1",
            "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"},
            "ReturnData": False,
        },
    ]
    cloudwatch = stack.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=stack.name,
        Metrics=parts,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[stack.name])["MetricAlarms"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("MetricMath", "expr_1")
