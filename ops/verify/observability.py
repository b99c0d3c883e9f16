"""R12 to R15: dashboard, alerts, alarms and logs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from ops.checks import Verdict
from ops.failure import code
from ops.questions import Clients
from ops.verify.data import encrypted
from ops.verify.findings import Finding, judged, problem
from ops.verify.subjects import Subjects

_MAIL: Final = "ops@company.com"
_LOG_DAYS: Final = 90
_ON_DASHBOARD: Final = {
    "API Gateway latency": ("AWS/ApiGateway", "Latency"),
    "Lambda error rates": ("AWS/Lambda", "Errors"),
    "RDS CPU utilization": ("AWS/RDS", "CPUUtilization"),
}
_CRITICAL: Final = (
    ("AWS/ApiGateway", "5XXError"),
    ("AWS/ApiGateway", "4XXError"),
    ("AWS/ApiGateway", "Latency"),
    ("AWS/Lambda", "Errors"),
    ("AWS/Lambda", "Throttles"),
    ("AWS/Lambda", "Duration"),
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
    ("AWS/DynamoDB", "SystemErrors"),
    ("AWS/RDS", "CPUUtilization"),
    ("AWS/RDS", "FreeStorageSpace"),
    ("AWS/RDS", "DatabaseConnections"),
    ("AWS/NATGateway", "ErrorPortAllocation"),
)
"""What every payment hangs on; docs/observability.md has the whole list."""

Item = Mapping[str, Any]


def dashboard(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """R12."""
    if not subjects.dashboard:
        return
    try:
        found = clients("cloudwatch").get_dashboard(DashboardName=subjects.dashboard)
    except ClientError as error:
        if code(error) not in ("ResourceNotFound", "DashboardNotFoundError"):
            raise
        yield problem(
            "R12", f"dashboard {subjects.dashboard}", found="none of that name", needed="one",
            mend="aws cloudwatch put-dashboard with the body that the templates have",
        )  # fmt: skip
        return
    shown = set(_metrics(json.loads(found["DashboardBody"])))
    for what, metric in _ON_DASHBOARD.items():
        yield judged(
            "R12", f"{subjects.dashboard} shows {what}", found=metric in shown, needed=True,
            mend=f"add a widget with the metric {metric[1]} of {metric[0]}",
        )  # fmt: skip


def alerts(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """R13."""
    if not subjects.topic:
        return
    sns = clients("sns")
    attributes = sns.get_topic_attributes(TopicArn=subjects.topic)["Attributes"]
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=subjects.topic)
    mails = [
        each
        for page in pages
        for each in page["Subscriptions"]
        if (each["Protocol"], each["Endpoint"]) == ("email", _MAIL)
    ]
    subscribe = (
        f"aws sns subscribe --topic-arn {subjects.topic} --protocol email "
        f"--notification-endpoint {_MAIL}, then follow the link that AWS mails there"
    )
    state = "none"
    if mails:
        state = "confirmed" if any(_is_confirmed(sns, each) for each in mails) else "pending"
    yield judged(
        "R13", f"subscription of {_MAIL}", found=state, needed="confirmed",
        mend="follow the link in AWS's mail; to have it anew: " + subscribe
        if state == "pending" else subscribe,
    )  # fmt: skip
    yield encrypted(
        clients, "R13", "messages of the topic", attributes.get("KmsMasterKeyId", ""),
        f"aws sns set-topic-attributes --topic-arn {subjects.topic} --attribute-name "
        "KmsMasterKeyId --attribute-value KEY; the key must admit cloudwatch.amazonaws.com",
    )  # fmt: skip


def alarms(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """R14."""
    pages = (
        clients("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    )
    described = {
        each["AlarmName"]: each
        for page in pages
        for each in (*page.get("MetricAlarms", []), *page.get("CompositeAlarms", []))
        if each["AlarmName"] in subjects.alarms
    }
    good = 0
    for name in subjects.alarms:
        if name not in described:
            yield problem(
                "R14", f"alarm {name}", found="deleted", needed="there",
                mend="put it as the templates say: aws cloudwatch put-metric-alarm",
            )  # fmt: skip
            continue
        alarm = described[name]
        actions = alarm.get("AlarmActions", [])
        # Where no alerts topic was found, which is told by itself, any action will do.
        to_topic = subjects.topic in actions if subjects.topic else bool(actions)
        enabled = alarm.get("ActionsEnabled", True)
        if to_topic and enabled:
            good += 1
            continue
        yield problem(
            "R14", f"alarm {name}",
            found="switched off" if to_topic else "tells the alerts topic nothing",
            needed="an action to the alerts topic, switched on",
            mend=f"aws cloudwatch enable-alarm-actions --alarm-names {name}" if to_topic else
            "put the alarm anew with --alarm-actions (and --ok-actions) "
            + (subjects.topic or "TOPIC"),
        )  # fmt: skip
    yield judged(
        "R14", "alarms that tell the alerts topic", found=f"{good} of {len(subjects.alarms)}",
        needed="all", held=bool(good) and good == len(subjects.alarms),
        mend="see those above" if subjects.alarms else "deploying PaymentsProd makes them",
    )  # fmt: skip
    watched = {
        (metric.get("Namespace"), metric.get("MetricName"))
        for alarm in described.values()
        for metric in (
            alarm,
            *(each.get("MetricStat", {}).get("Metric", {}) for each in alarm.get("Metrics", [])),
        )
    }
    unwatched = [" ".join(metric) for metric in _CRITICAL if metric not in watched]
    if unwatched and clients.emulated and ("MetricMath", "expr_1") in watched:
        # The embedded environment does not keep what an expression is calculated from.
        yield Finding(
            requirement="R14",
            what=f"alarms on {', '.join(unwatched)}",
            found="cannot be seen here: the embedded environment knows no alarms on expressions",
            needed="one each",
            verdict=Verdict.UNSEEN,
        )
        return
    yield judged(
        "R14", "critical metrics without an alarm", found=unwatched, needed="none",
        held=not unwatched, mend="docs/observability.md tells what each alarm watches, and when",
    )  # fmt: skip


def logs(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """R15: of the groups that were declared, and of those that AWS made behind our back."""
    exact = {f"/aws/lambda/{name}" for name in subjects.all_functions}
    prefixes = []
    if subjects.database:
        prefixes.append(f"/aws/rds/instance/{subjects.database}/")
    if subjects.api:
        prefixes.append(f"API-Gateway-Execution-Logs_{subjects.api}/")
    described = {
        group["logGroupName"]: group
        for page in clients("logs").get_paginator("describe_log_groups").paginate()
        for group in page["logGroups"]
        if group["logGroupName"] in exact.union(subjects.log_groups)
        or group["logGroupName"].startswith(tuple(prefixes))
    }
    good = 0
    for name in sorted({*subjects.log_groups, *described}):
        group = described.get(name)
        if group is None:
            yield problem(
                "R15", f"log group {name}", found="deleted", needed=f"{_LOG_DAYS} days",
                mend=f"aws logs create-log-group --log-group-name {name} --kms-key-id KEY, then "
                f"put-retention-policy --retention-in-days {_LOG_DAYS}",
            )  # fmt: skip
        elif (days := group.get("retentionInDays")) != _LOG_DAYS:
            yield problem(
                "R15", f"log group {name}", found=f"{days} days" if days else "kept for ever",
                needed=f"{_LOG_DAYS} days",
                mend=f"aws logs put-retention-policy --log-group-name '{name}' "
                f"--retention-in-days {_LOG_DAYS}",
            )  # fmt: skip
        elif not group.get("kmsKeyId"):
            yield problem(
                "R15", f"encryption: log group {name}", found="without a key of ours",
                needed="a customer-managed key",
                mend=f"aws logs associate-kms-key --log-group-name '{name}' --kms-key-id KEY",
            )  # fmt: skip
        else:
            good += 1
    yield judged(
        "R15", f"log groups kept {_LOG_DAYS} days, under a key of ours", needed="all",
        found=f"{good} of {len({*subjects.log_groups, *described})}",
        held=bool(good) and good == len({*subjects.log_groups, *described}),
        mend="see those above" if described else "deploying PaymentsProd declares them",
    )  # fmt: skip


def _metrics(body: Item) -> Iterator[tuple[str, str]]:
    """Namespace and name of the metrics of a dashboard; a dot repeats the line before."""
    for widget in body["widgets"]:
        namespace = name = ""
        for row in widget.get("properties", {}).get("metrics", []):
            # Three dots repeat all of it but for the last dimension.
            if len(row) > 1 and isinstance(row[1], str) and row[0] != "...":
                namespace = namespace if row[0] == "." else row[0]
                name = name if row[1] == "." else row[1]
                yield namespace, name


def _is_confirmed(sns: Any, subscription: Item) -> bool:
    arn = subscription["SubscriptionArn"]
    if not arn.startswith("arn:"):
        return False
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    return bool(attributes.get("PendingConfirmation") != "true")
