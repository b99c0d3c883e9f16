"""Verify finds the alarm on a metric that does not exist, and leaves quiet ones in peace.

The answers are in the form of the CloudWatch API reference: DescribeAlarms, GetMetricData and
ListMetrics.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import jmespath  # type: ignore[import-untyped]
import pytest

from ops.console.checks import Verdict
from ops.inspection import metrics
from ops.inspection.findings import Finding
from ops.inspection.metrics import Metric
from ops.inspection.subjects import Subjects
from ops.production.stack import Resource
from tests.ops.stubbed_aws import Aws, as_clients

FUNCTION = "payment-processor"
SUMMARY = "metrics behind the alarms that have data"
LONG_AGO, JUST_NOW = timedelta(hours=5), timedelta(minutes=5)


@pytest.fixture
def aws() -> Aws:
    return Aws()


def measured(namespace: str, name: str, **dimensions: str) -> dict[str, Any]:
    return {
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }


def alarm(metric: dict[str, Any], name: str = "a", missing: str = "notBreaching") -> dict[str, Any]:
    return {"AlarmName": name, "TreatMissingData": missing, "Period": 60, **metric}


CALLS = measured("AWS/Lambda", "Invocations", FunctionName=FUNCTION)
ERRORS = measured("AWS/Lambda", "Errors", FunctionName=FUNCTION)
REFUSALS = measured("AWS/DynamoDB", "SystemErrors", TableName="history", Operation="PutItem")
CPU = measured("AWS/RDS", "CPUUtilization", DBInstanceIdentifier="ledger")
DEAD = measured("AWS/SQS", "ApproximateNumberOfMessagesVisible", QueueName="dead")


def found(
    aws: Aws,
    *alarms: dict[str, Any],
    has: Iterable[dict[str, Any]] = (),
    since: timedelta = LONG_AGO,
    listed: tuple[dict[str, Any], ...] = (),
    stack: tuple[str, ...] = (),
) -> dict[str, Finding]:
    """What is told of the alarms' metrics.

    Args:
        has: the metrics with data, the first of it so long ago.
        listed: what ListMetrics knows.
        stack: physical ids.
    """
    aws.answers("cloudwatch", "describe_alarms", {"MetricAlarms": list(alarms)})
    known = {Metric.of(each) for each in has}
    clients: Any = Answering(aws, known, datetime.now(UTC) - since, list(listed))
    resources = [Resource(stack="D", logical_id=each, type="", name=each) for each in stack]
    subjects = Subjects(
        alarms=[each["AlarmName"] for each in alarms],
        functions={FUNCTION: FUNCTION},
        stack=resources,
    )
    told = metrics.behind_alarms(as_clients(clients), subjects)
    return {each.what: each for each in told}


class Answering:
    """Clients whose CloudWatch has data of some metrics; botocore checks the requests."""

    result_keys = (jmespath.compile("MetricDataResults"),)

    def __init__(self, aws: Aws, known: set[Metric], first: datetime, listed: list[Any]) -> None:
        self._aws, self._known, self._first, self._listed = aws, known, first, listed
        self.emulated = aws.emulated

    def __call__(self, service: str) -> Any:
        return self

    def get_paginator(self, operation: str) -> Any:
        return (
            self
            if operation == "get_metric_data"
            else self._aws("cloudwatch").get_paginator(operation)
        )

    def list_metrics(self, **asked: Any) -> Any:
        self._aws.answers("cloudwatch", "list_metrics", {"Metrics": self._listed})
        return self._aws("cloudwatch").list_metrics(**asked)

    def paginate(self, **asked: Any) -> Iterable[Any]:
        client = self._aws("cloudwatch")
        for query in asked.pop("MetricDataQueries"):
            assert query["MetricStat"]["Stat"] == "SampleCount"
            times = [self._first] if Metric.of(query["MetricStat"]["Metric"]) in self._known else []
            result = {"Id": query["Id"], "Timestamps": times, "Values": [1.0] * len(times)}
            page = {"MetricDataResults": [{**result, "StatusCode": "Complete"}]}
            self._aws.answers("cloudwatch", "get_metric_data", page)
            # As boto3 would ask, so that what it refuses is seen.
            yield client.get_metric_data(MetricDataQueries=[query], **asked)


def test_a_metric_with_data_holds(aws: Aws) -> None:
    told = found(aws, alarm(ERRORS), has=[ERRORS, CALLS])
    assert list(told) == [SUMMARY]
    assert (told[SUMMARY].verdict, told[SUMMARY].found) == (Verdict.HELD, "1 of 1")


@pytest.mark.parametrize(
    "wrong",
    [
        measured("AWS/Lambda", "Errors", FunctionName="payment-procesor"),
        measured("AWS/Lambda", "Errors", FunctionName=FUNCTION, Resource="old"),
        measured("AWS/Lambda", "Error", FunctionName=FUNCTION),
        measured("Payments", "PaymentsProcesed", service=FUNCTION),
    ],
    ids=["dimension", "one more dimension", "name", "name of our own"],
)
def test_after_payments_a_metric_without_data_is_a_problem(aws: Aws, wrong: dict[str, Any]) -> None:
    told = found(aws, alarm(wrong, "payments-errors"), has=[ERRORS, CALLS])
    problem = told[f"data of {Metric.of(wrong)}"]
    assert problem.verdict is told[SUMMARY].verdict is Verdict.PROBLEM
    assert "payments-errors cannot tell" in problem.found
    assert f"aws cloudwatch list-metrics --namespace {wrong['Namespace']}" in problem.mend


def test_what_an_expression_is_calculated_from_is_asked_for(aws: Aws) -> None:
    stat: dict[str, Any] = {
        "Metric": measured("AWS/Lambda", "Errros", FunctionName=FUNCTION),
        "Period": 60,
    }
    rate = {
        "AlarmName": "rate",
        "TreatMissingData": "notBreaching",
        "Metrics": [
            {"Id": "rate", "Expression": "errors / calls"},
            {"Id": "errors", "MetricStat": {**stat, "Stat": "Sum"}, "ReturnData": False},
            {"Id": "calls", "MetricStat": {"Metric": CALLS, "Period": 60, "Stat": "Sum"}},
        ],
    }
    told = found(aws, rate, has=[CALLS])
    assert told[SUMMARY].found == "1 of 2"
    assert told[f"data of {Metric.of(stat['Metric'])}"].verdict is Verdict.PROBLEM


@pytest.mark.parametrize(
    ("has", "since"),
    [([], LONG_AGO), ([CALLS], JUST_NOW)],
    ids=["no payment", "a payment just now"],
)
def test_before_payments_have_had_their_time_it_cannot_be_seen(
    aws: Aws, has: list[dict[str, Any]], since: timedelta
) -> None:
    told = found(aws, alarm(ERRORS), has=has, since=since)
    waiting = told["data of 1 metrics that payments make"]
    assert waiting.verdict is Verdict.UNSEEN
    assert "ops smoke" in waiting.mend
    assert told[SUMMARY].verdict is Verdict.HELD


def test_what_alarms_when_it_is_missing_is_there_without_payments(aws: Aws) -> None:
    told = found(aws, alarm(CPU, missing="breaching"))
    assert told[f"data of {Metric.of(CPU)}"].verdict is Verdict.PROBLEM


def test_what_is_reported_only_when_it_happens_is_known_by_its_dimensions(aws: Aws) -> None:
    alike = {**REFUSALS, "MetricName": "SuccessfulRequestLatency"}
    told = found(aws, alarm(REFUSALS), has=[CALLS], listed=(alike,))
    held = told[f"data of {Metric.of(REFUSALS)}"]
    assert held.verdict is Verdict.HELD
    assert "its dimensions are those of SuccessfulRequestLatency" in held.found
    assert told[SUMMARY].verdict is Verdict.HELD


def test_errors_of_a_stream_are_known_by_a_metric_that_has_its_label_too(aws: Aws) -> None:
    of = {"TableName": "history", "Operation": "GetRecords"}
    errors = measured("AWS/DynamoDB", "SystemErrors", **of)
    latency = measured("AWS/DynamoDB", "SuccessfulRequestLatency", **of, StreamLabel="2026-11-28")
    told = found(aws, alarm(errors), has=[CALLS], listed=(latency,))
    assert told[f"data of {Metric.of(errors)}"].verdict is Verdict.HELD


@pytest.mark.parametrize(
    ("has", "verdict"), [([CALLS], Verdict.PROBLEM), ([], Verdict.UNSEEN)], ids=["after", "before"]
)
def test_after_payments_a_dimension_that_no_metric_has_is_a_problem(
    aws: Aws, has: list[dict[str, Any]], verdict: Verdict
) -> None:
    wrong = measured("AWS/DynamoDB", "SystemErrors", TableName="history", Operation="PutItems")
    more = measured("AWS/DynamoDB", "Latency", TableName="history", Operation="PutItems", More="x")
    told = found(aws, alarm(wrong), has=has, listed=(more,), stack=("history",))
    assert told[f"data of {Metric.of(wrong)}"].verdict is verdict


@pytest.mark.parametrize(
    ("name", "verdict"),
    [("https://sqs.example/1/dead", Verdict.HELD), ("https://sqs.example/1/d", Verdict.UNSEEN)],
)
def test_a_queue_at_rest_is_known_by_its_name(aws: Aws, name: str, verdict: Verdict) -> None:
    told = found(aws, alarm(DEAD), has=[CALLS], stack=(name,))
    assert told[f"data of {Metric.of(DEAD)}"].verdict is verdict


def test_the_embedded_environment_shows_none_of_it(aws: Aws) -> None:
    aws.emulated = True
    told = found(aws, alarm(ERRORS), alarm(CPU, "cpu", "breaching"), has=[CALLS])
    (unseen,) = told.values()
    assert unseen.verdict is Verdict.UNSEEN
    assert unseen.what == "data of 2 of 2 metrics behind the alarms"


def test_every_page_is_read(aws: Aws) -> None:
    aws.answers("cloudwatch", "describe_alarms", {"MetricAlarms": [alarm(ERRORS)]})
    for token, name in (({"NextToken": "more"}, "m1"), ({}, "m0")):
        result = {"Id": name, "Timestamps": [datetime.now(UTC) - LONG_AGO], "Values": [1.0]}
        aws.answers("cloudwatch", "get_metric_data", {"MetricDataResults": [result], **token})
    subjects = Subjects(alarms=["a"], functions={FUNCTION: FUNCTION})
    (told,) = metrics.behind_alarms(as_clients(aws), subjects)
    assert told.found == "1 of 1"
