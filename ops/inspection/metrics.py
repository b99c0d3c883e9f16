"""R14: whether the metrics behind the alarms have data. A wrong dimension is silent for ever: the
alarm on it never goes off, and looks as quiet as one on a system that works.

Left out are the alarms that judge a release (``payments-release-…``): their metrics are of one
version, and only while a release is under way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ops.inspection.findings import Finding, judged, problem, unseen
from ops.inspection.subjects import Subjects
from ops.production.questions import Clients
from ops.production.stack import all_alarms, every

_PERIOD_SECONDS: Final = 300
_SPAN: Final = timedelta(days=1)
_LATE: Final = timedelta(minutes=15)
"""By when all metrics have arrived: most take one to three minutes, those of SQS up to 15 (Amazon
SQS developer guide, "Available CloudWatch metrics for Amazon SQS")."""
_AT_ONCE: Final = 500
"""Queries in one call: CloudWatch's most."""
_QUIET: Final = "missing", "notBreaching", "ignore"

_NO_ZERO: Final = "it is reported only when it happens"
_BURSTS: Final = "only instances that burst report it"
_AT_REST: Final = "nothing is reported of what is not used"
ONLY_WHEN_IT_HAPPENS: Final[Mapping[tuple[str, str], str]] = {
    ("AWS/DynamoDB", "SystemErrors"): _NO_ZERO,
    ("AWS/DynamoDB", "ThrottledRequests"): _NO_ZERO,
    ("AWS/Lambda", "DeadLetterErrors"): _NO_ZERO,
    ("AWS/Lambda", "DestinationDeliveryFailures"): _NO_ZERO,
    ("AWS/Lambda", "Throttles"): _NO_ZERO,
    ("AWS/WAFV2", "BlockedRequests"): _NO_ZERO,
    ("AWS/Events", ""): _NO_ZERO,
    ("AWS/NATGateway", ""): _AT_REST,
    ("AWS/SNS", ""): _AT_REST,
    ("AWS/SQS", ""): _AT_REST,
    ("AWS/RDS", "EBSByteBalance%"): _BURSTS,
    ("AWS/RDS", "EBSIOBalance%"): _BURSTS,
    ("Payments", "CallsOverQuota"): _NO_ZERO,
    ("Payments", "CallsThrottled"): _NO_ZERO,
    ("Payments", "ForeignAuditObjects"): _NO_ZERO,
    ("Payments", "HistoryChanged"): _NO_ZERO,
    ("Payments", "PaymentsDeclined"): _NO_ZERO,
    ("Payments", "PaymentsGivenUp"): _NO_ZERO,
    ("Payments", "SchemaChanges"): _NO_ZERO,
}
"""What a system that works may have no datapoint of for a day, by namespace and name, or by
namespace; AWS's by its own pages on metrics. An alarm's treatment of missing data cannot tell it:
that nobody has called a function is harmless, too, but not on a day with payments."""

_SURE: Final = frozenset({"AWS/DynamoDB", "AWS/Lambda", "AWS/WAFV2"})
"""Where any payment leaves other metrics with the same dimensions."""

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
        return ONLY_WHEN_IT_HAPPENS.get(
            (self.namespace, self.name), ONLY_WHEN_IT_HAPPENS.get((self.namespace, ""), "")
        )

    def request(self) -> dict[str, Any]:
        dimensions = [{"Name": name, "Value": value} for name, value in self.dimensions]
        return {"Namespace": self.namespace, "MetricName": self.name, "Dimensions": dimensions}


def behind_alarms(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """R14: what has no data is told one by one, and a summary."""
    users = _of_alarms(clients, subjects)
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
        if silent:
            yield unseen(
                "R14", f"data of {len(silent)} of {len(users)} metrics behind the alarms",
                found="cannot be seen here: the embedded environment has few metrics of AWS's "
                "services", needed="data",
            )  # fmt: skip
        return
    # Each function was called, long enough ago for all that it measures to have arrived.
    used = bool(calls) and all(first.get(call, now) <= now - _LATE for call in calls)
    wrong: list[Metric] = []
    waiting: list[Metric] = []
    for metric in silent:
        # What alarms when it is missing is there without any payment.
        expected = used or not any(a["TreatMissingData"] in _QUIET for a in users[metric])
        if metric.rare:
            evidence = _dimensions_are_known(clients, subjects, metric)
            if not evidence and used and metric.namespace in _SURE:
                wrong.append(metric)
            else:
                yield _rare(metric, evidence)
        else:
            (wrong if expected else waiting).append(metric)
    for metric in wrong:
        names = ", ".join(sorted(alarm["AlarmName"] for alarm in users[metric]))
        yield problem(
            "R14", f"data of {metric}", needed="data", found=f"none within a day: {names} cannot "
            "tell what it watches",
            mend="compare name and dimensions with what there is: aws cloudwatch list-metrics "
            f"--namespace {metric.namespace}",
        )  # fmt: skip
    if waiting:
        yield unseen(
            "R14", f"data of {len(waiting)} metrics that payments make", needed="data",
            found="none yet: within a day, no payment has passed all functions "
            f"{_LATE.seconds // 60} minutes ago or earlier",
            mend="`python -m ops smoke`, and verify again a quarter of an hour later",
        )  # fmt: skip
    yield judged(
        "R14", "metrics behind the alarms that have data", needed="all but those told above",
        found=f"{len(users) - len(silent)} of {len(users)}", held=not wrong,
        mend="see those above",
    )  # fmt: skip


def _of_alarms(clients: Clients, subjects: Subjects) -> dict[Metric, list[Item]]:
    """The alarms that read each metric, as they are now."""
    users: dict[Metric, list[Item]] = {}
    for alarm in all_alarms(clients("cloudwatch")):
        if alarm["AlarmName"] in subjects.alarms:
            for metric in _read_by(alarm):
                # CloudWatch's own default.
                users.setdefault(metric, []).append({"TreatMissingData": "missing", **alarm})
    return users


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
        # However an alarm counts it: a datapoint has samples.
        samples = {"Period": _PERIOD_SECONDS, "Stat": "SampleCount"}
        asked = [
            {"Id": name, "MetricStat": {"Metric": metric.request(), **samples}}
            for name, metric in queries.items()
        ]
        for result in every(
            cloudwatch,
            "get_metric_data",
            MetricDataQueries=asked,
            StartTime=now - _SPAN,
            EndTime=now,
            ScanBy="TimestampAscending",
        ):
            if result.get("Timestamps"):
                metric = queries[result["Id"]]
                earliest = min(result["Timestamps"])
                found[metric] = min(found.get(metric, earliest), earliest)
    return found


def _dimensions_are_known(clients: Clients, subjects: Subjects, metric: Metric) -> str:
    """What shows that a metric without data has the right dimensions; nothing if nothing does."""
    listed = clients("cloudwatch").list_metrics(
        Namespace=metric.namespace, Dimensions=metric.request()["Dimensions"]
    )["Metrics"]
    alike = {
        each.name
        for each in map(Metric.of, listed)
        # DynamoDB tells of a stream's calls by the stream's label too, but not their errors.
        if [pair for pair in each.dimensions if pair[0] != "StreamLabel"] == [*metric.dimensions]
    }
    if alike:
        return f"its dimensions are those of {min(alike)}"
    # Of a queue, say: its name. Physical ids may be URLs, ARNs, or of several parts.
    names = {part for each in subjects.stack for part in re.split(r"[/:|]", each.name)}
    if names.issuperset(value for _, value in metric.dimensions):
        return "its dimensions name the stack's resources"
    return ""


def _rare(metric: Metric, evidence: str) -> Finding:
    what, needed = f"data of {metric}", "data, once it happens"
    found = f"none within a day: {metric.rare}; "
    if evidence:
        return judged("R14", what, found=found + evidence, needed=needed, held=True, mend="")
    found += "nor has any other with its dimensions"
    return unseen("R14", what, found=found, needed=needed)
