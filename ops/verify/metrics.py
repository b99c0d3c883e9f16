"""R14: whether the metrics behind the alarms have data. A wrong dimension is silent for ever: the
alarm on it never goes off, and looks as quiet as one on a system that works.

Left out are the alarms that judge a release (``payments-release-…``): their metrics are of one
version, and only while a release is under way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ops.checks import Verdict
from ops.questions import Clients
from ops.verify.findings import Finding, judged, problem
from ops.verify.subjects import Subjects

_PERIOD_SECONDS: Final = 300
_SPAN: Final = timedelta(days=1)
_LATE: Final = timedelta(minutes=15)
"""By when all metrics have arrived: most take one to three minutes, those of SQS up to 15 (Amazon
SQS developer guide, "Available CloudWatch metrics for Amazon SQS")."""
_AT_ONCE: Final = 500
"""Queries in one call: CloudWatch's most."""
_QUIET: Final = "missing", "notBreaching", "ignore"

_ONLY_WHEN_IT_HAPPENS: Final[Mapping[tuple[str, str], str]] = {
    ("AWS/ApiGateway", "IntegrationLatency"): "only of calls that reach a function",
    ("AWS/DynamoDB", "SystemErrors"): "DynamoDB reports no zero",
    ("AWS/DynamoDB", "ThrottledRequests"): "DynamoDB reports no zero",
    ("AWS/Events", "FailedInvocations"): "EventBridge reports no zero",
    ("AWS/Lambda", "DeadLetterErrors"): "Lambda reports no zero",
    ("AWS/Lambda", "DestinationDeliveryFailures"): "Lambda reports no zero",
    ("AWS/SNS", "NumberOfNotificationsFailed"): "SNS reports it only of alerts that were sent",
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): "SQS reports nothing of a queue at rest",
    ("AWS/SQS", "ApproximateNumberOfMessagesNotVisible"): "SQS reports nothing of a queue at rest",
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): "SQS reports nothing of a queue at rest",
    ("AWS/WAFV2", "BlockedRequests"): "WAF reports no zero",
}
"""Metrics of AWS that a healthy system may have no datapoint of for a day, by AWS's own pages on
them. It says of metrics what no alarm does: that of a function which nobody calls is missing, too,
and harmless, but not after a payment."""
_OWN: Final = "Payments"
"""The namespace of the functions' and logs' own metrics: counts of what may never happen, whose
names and dimensions the code's tests compare with the alarms'."""

Item = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """Namespace, name, and dimensions: all that tells one metric from another."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, found: Item) -> Metric:
        """Of an alarm, of a MetricStat's metric, or of ListMetrics."""
        return cls(
            namespace=found["Namespace"],
            name=found["MetricName"],
            dimensions=tuple(sorted((d["Name"], d["Value"]) for d in found.get("Dimensions", []))),
        )

    def __str__(self) -> str:
        of = ", ".join(f"{name}={value}" for name, value in self.dimensions)
        return f"{self.namespace} {self.name}" + (f" ({of})" if of else "")

    @property
    def rare(self) -> str:
        """Why it may have no data though all is well; empty if it may not."""
        if self.namespace == _OWN:
            return "the functions report it only when it happens"
        return _ONLY_WHEN_IT_HAPPENS.get((self.namespace, self.name), "")

    def request(self) -> dict[str, Any]:
        dimensions = [{"Name": name, "Value": value} for name, value in self.dimensions]
        return {"Namespace": self.namespace, "MetricName": self.name, "Dimensions": dimensions}


def behind_alarms(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """R14: one finding for each metric that should have data and has none, and a summary."""
    pages = clients("cloudwatch").get_paginator("describe_alarms")
    alarms = [
        each
        for page in pages.paginate(AlarmTypes=["MetricAlarm"])
        for each in page["MetricAlarms"]
        if each["AlarmName"] in subjects.alarms
    ]
    users: dict[Metric, list[Item]] = {}
    for alarm in alarms:
        for metric in _read_by(alarm):
            users.setdefault(metric, []).append(alarm)
    if not users:
        return
    calls = [
        Metric(namespace="AWS/Lambda", name="Invocations", dimensions=(("FunctionName", name),))
        for name in subjects.functions.values()
    ]
    now = datetime.now(UTC)
    first = _first_data(clients, [*dict.fromkeys([*users, *calls])], now)
    silent = [metric for metric in users if metric not in first]
    if clients.emulated:
        yield from _emulated(users, silent)
        return
    # Each function was called, long enough ago for all that it measures to have arrived.
    used = bool(calls) and all(first.get(call, now) <= now - _LATE for call in calls)
    wrong, rare = [], []
    for metric in silent:
        treatments = {alarm.get("TreatMissingData", "missing") for alarm in users[metric]}
        # What alarms when it is missing is there without any payment.
        if not treatments.intersection(_QUIET) or (used and not metric.rare):
            wrong.append(metric)
        elif metric.rare:
            rare.append(metric)
    names = {metric: ", ".join(sorted(a["AlarmName"] for a in users[metric])) for metric in users}
    for metric in wrong:
        yield problem(
            "R14", f"data of {metric}", needed="data",
            found=f"none within a day: {names[metric]} can never go off",
            mend="compare name and dimensions with what there is: aws cloudwatch list-metrics "
            f"--namespace {metric.namespace} --metric-name {metric.name}",
        )  # fmt: skip
    yield from _rare(clients, rare)
    waiting = [metric for metric in silent if metric not in wrong and metric not in rare]
    if waiting:
        yield Finding(
            requirement="R14",
            what=f"data of {len(waiting)} metrics that payments make",
            found="none yet: no payment has passed all functions "
            f"{_LATE.seconds // 60} minutes ago or earlier, within a day",
            needed="data",
            verdict=Verdict.UNSEEN,
            mend="`python -m ops smoke`, and verify again a quarter of an hour later",
        )
    yield judged(
        "R14", "metrics behind the alarms that have data", needed="all but those told above",
        found=f"{len(users) - len(silent)} of {len(users)}", held=not wrong,
        mend="see those above",
    )  # fmt: skip


def _read_by(alarm: Item) -> Iterator[Metric]:
    if "MetricName" in alarm:
        yield Metric.of(alarm)
    for query in alarm.get("Metrics", []):
        if "MetricStat" in query:
            yield Metric.of(query["MetricStat"]["Metric"])


def _first_data(
    clients: Clients, metrics: Sequence[Metric], now: datetime
) -> dict[Metric, datetime]:
    """When each metric first had data within the span; those that had none are left out."""
    cloudwatch = clients("cloudwatch")
    found: dict[Metric, datetime] = {}
    for start in range(0, len(metrics), _AT_ONCE):
        queries = {f"m{number}": metric for number, metric in enumerate(metrics[start:][:_AT_ONCE])}
        asked = [
            {
                "Id": name,
                # However an alarm counts it: a datapoint has samples.
                "MetricStat": {
                    "Metric": metric.request(),
                    "Period": _PERIOD_SECONDS,
                    "Stat": "SampleCount",
                },
            }
            for name, metric in queries.items()
        ]
        pages = cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=asked,
            StartTime=now - _SPAN,
            EndTime=now,
            ScanBy="TimestampAscending",
        )
        for result in (each for page in pages for each in page["MetricDataResults"]):
            if result.get("Timestamps"):
                metric = queries[result["Id"]]
                earliest = min(result["Timestamps"])
                found[metric] = min(found.get(metric, earliest), earliest)
    return found


def _rare(clients: Clients, metrics: Sequence[Metric]) -> Iterator[Finding]:
    """Of those that are reported only when something happens, whether their dimensions are known by
    any other metric: it shows a wrong one, too."""
    cloudwatch = clients("cloudwatch")
    for metric in metrics:
        listed = cloudwatch.list_metrics(
            Namespace=metric.namespace, Dimensions=metric.request()["Dimensions"]
        )["Metrics"]
        alike = sorted(
            {m.name for m in map(Metric.of, listed) if m.dimensions == metric.dimensions}
        )
        yield Finding(
            requirement="R14",
            what=f"data of {metric}",
            found=f"none within a day, {metric.rare}; "
            + (f"its dimensions are those of {alike[0]}" if alike else "nor of its dimensions"),
            needed="data, once it happens",
            verdict=Verdict.HELD if alike else Verdict.UNSEEN,
        )


def _emulated(users: Mapping[Metric, Any], silent: Sequence[Metric]) -> Iterator[Finding]:
    if silent:
        yield Finding(
            requirement="R14",
            what=f"data of {len(silent)} of {len(users)} metrics behind the alarms",
            found="cannot be seen here: the embedded environment has few metrics of AWS's services",
            needed="data",
            verdict=Verdict.UNSEEN,
        )
