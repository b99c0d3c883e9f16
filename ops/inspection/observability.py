"""R12 to R15: dashboard, alerts, alarms and logs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from ops.console.environment import required
from ops.console.failure import or_none
from ops.inspection.data import encrypted
from ops.inspection.findings import Finding, judged, problem, unseen
from ops.inspection.policies import NOBODY, opened
from ops.inspection.subjects import Subjects
from ops.production.alarms import declared, differences, restoring
from ops.production.questions import Clients
from ops.production.stack import all_alarms, every
from ops.production.subscriptions import State, best, how_to_confirm, of_topic, safe
from ops.production.templates import properties

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
    ask = partial(clients("cloudwatch").get_dashboard, DashboardName=subjects.dashboard)
    found = or_none(ask, "ResourceNotFound", "DashboardNotFoundError")
    if found is None:
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
    listed = list(of_topic(sns, subjects.topic))
    mail = required().alert_email
    operators = ("email", mail)
    found = best(listed, *operators)
    declared = properties(clients, subjects.stack, "AWS::SNS::Subscription").values()
    known = {operators, *((each["Protocol"], each["Endpoint"]) for each in declared)}
    strangers = {
        (each.protocol, each.endpoint) for each in listed if each.state is not State.ENDED
    } - known
    yield judged(
        "R13", f"subscription of {mail}", found=found.state if found else "none",
        needed="confirmed", held=found is not None and found.confirmed,
        mend=how_to_confirm(found, topic=subjects.topic, protocol="email", endpoint=mail),
    )  # fmt: skip
    for each in safe(listed, subjects.topic):
        yield Finding(requirement="R13", **vars(each))
    yield judged(
        "R13", f"subscribers besides {mail}", needed="none",
        found=[" ".join(each) for each in strangers],
        mend="alarms go to somebody unknown: aws sns unsubscribe --subscription-arn ARN; what is "
        "not confirmed has none, and AWS forgets it within two days",
    )  # fmt: skip
    yield judged(
        "R13", "whom the topic's policy lets in without a condition",
        found=opened(attributes.get("Policy")) or NOBODY, needed=NOBODY,
        mend=f"aws sns set-topic-attributes --topic-arn {subjects.topic} --attribute-name Policy "
        "with the templates' policy",
    )  # fmt: skip
    yield encrypted(
        clients, "R13", "messages of the topic", attributes.get("KmsMasterKeyId", ""),
        f"aws sns set-topic-attributes --topic-arn {subjects.topic} --attribute-name "
        "KmsMasterKeyId --attribute-value KEY; the key must admit cloudwatch.amazonaws.com",
    )  # fmt: skip


def alarms(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """R14."""
    described = {
        each["AlarmName"]: each
        for each in all_alarms(clients("cloudwatch"))
        if each["AlarmName"] in subjects.alarms
    }
    of_templates = declared(clients, subjects.stack)
    good = 0
    for name in subjects.alarms:
        if name not in described:
            yield problem(
                "R14", f"alarm {name}", found="deleted", needed="there", mend=restoring(name)
            )
            continue
        silent = _silent(described[name], subjects.topic)
        faults = list(silent.values())
        if name in of_templates:
            faults = [(found, needed, restoring(name)) for found, needed, _ in faults] + [
                (f"{each.setting} {each.found}", f"{each.setting} {each.needed}", restoring(name))
                for each in differences(described[name], of_templates[name])
                if each.setting not in silent
            ]
        if not faults:
            good += 1
            continue
        found, needed, mend = (
            "; ".join(dict.fromkeys(parts)) for parts in zip(*faults, strict=True)
        )
        yield problem("R14", f"alarm {name}", found=found, needed=needed, mend=mend)
    yield judged(
        "R14", "alarms that tell the alerts topic, and when they should",
        found=f"{good} of {len(subjects.alarms)}",
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
        yield unseen(
            "R14", f"alarms on {', '.join(unwatched)}", needed="one each",
            found="cannot be seen here: the embedded environment knows no alarms on expressions",
        )  # fmt: skip
        return
    yield judged(
        "R14", "critical metrics without an alarm", found=unwatched, needed="none",
        mend="docs/observability.md tells what each alarm watches, and when",
    )  # fmt: skip


def _silent(alarm: Item, topic: str) -> dict[str, tuple[str, str, str]]:
    """What keeps it from telling the operators, by setting: found, needed, and how to mend it."""
    name, silent = alarm["AlarmName"], {}
    for kind, option, what in (
        ("AlarmActions", "--alarm-actions", "nothing"),
        ("OKActions", "--ok-actions", "nothing of its recovery"),
    ):
        actions = alarm.get(kind, [])
        # Where no alerts topic was found, which is told by itself, any action will do.
        if not (topic in actions if topic else actions):
            silent[kind] = (
                f"tells the alerts topic {what}", f"{kind} to the alerts topic",
                f"put the alarm anew with {option} {topic or 'TOPIC'}",
            )  # fmt: skip
    if not alarm.get("ActionsEnabled", True):
        silent["ActionsEnabled"] = (
            "switched off", "actions that are switched on",
            f"aws cloudwatch enable-alarm-actions --alarm-names {name}",
        )  # fmt: skip
    return silent


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
        for group in every(clients("logs"), "describe_log_groups")
        if group["logGroupName"] in exact.union(subjects.log_groups)
        or group["logGroupName"].startswith(tuple(prefixes))
    }
    names = sorted({*subjects.log_groups, *described})
    wrong = 0
    for name in names:
        group = described.get(name, {})
        days, keep = group.get("retentionInDays"), f"--retention-in-days {_LOG_DAYS}"
        found, needed = f"{days} days" if days else "kept for ever", f"{_LOG_DAYS} days"
        what = f"log group {name}"
        if not group:
            found = "deleted"
            mend = f"aws logs create-log-group --log-group-name {name} --kms-key-id KEY, then "
            mend += f"put-retention-policy {keep}"
        elif days != _LOG_DAYS:
            mend = f"aws logs put-retention-policy --log-group-name '{name}' {keep}"
        elif not group.get("kmsKeyId"):
            what = f"encryption: {what}"
            found, needed = "without a key of ours", "a customer-managed key"
            mend = f"aws logs associate-kms-key --log-group-name '{name}' --kms-key-id KEY"
        else:
            continue
        wrong += 1
        yield problem("R15", what, found=found, needed=needed, mend=mend)
    yield judged(
        "R15", f"log groups kept {_LOG_DAYS} days, under a key of ours", needed="all",
        found=f"{len(names) - wrong} of {len(names)}", held=len(names) > 0 and not wrong,
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
