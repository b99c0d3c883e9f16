"""Every critical metric has its alarm, every alarm reaches a person, and says what to do (R14)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from aws_cdk.aws_budgets import CfnBudget
from aws_cdk.aws_cloudwatch import CfnDashboard

from assurance.alerting.simulation import composite
from assurance.alerting.simulation.definitions import Definitions
from assurance.alerting.simulation.event_pattern import matches
from assurance.permissions.templates import ACCOUNT
from building_blocks.alert import Alert, Severity
from config import ConfigurationError, ProductionConfig
from nested.observability.alarms import MetricAlarm
from nested.observability.budget import OVER_BUDGET
from nested.observability.events import EventAlert
from root_stack import PaymentsProd
from tests.synthesis import Synthesized

Json = dict[str, Any]


@dataclass(frozen=True)
class Watched:
    """A metric that must have its alarm: as the issue of this app names it, written by hand."""

    what: str
    namespace: str
    metric: str
    dimensions: tuple[str, ...]
    statistic: str
    alarms: int = 1
    """How many: one for each function, queue, gateway or operation."""


_SQS_WAITING = "ApproximateNumberOfMessagesVisible"

CRITICAL_METRICS = (
    Watched("API 5xx", "AWS/ApiGateway", "5XXError", ("ApiName", "Stage"), "Sum"),
    Watched("of all calls", "AWS/ApiGateway", "5XXError", ("ApiName", "Stage"), "SampleCount"),
    Watched("API 4xx surge", "AWS/ApiGateway", "4XXError", ("ApiName", "Stage"), "Average"),
    Watched("API p99 latency", "AWS/ApiGateway", "Latency", ("ApiName", "Stage"), "p99"),
    Watched("API throttles", "Payments", "CallsThrottled", (), "Sum"),
    Watched("API quota", "Payments", "CallsOverQuota", (), "Sum"),
    Watched("the ledger's schema changed", "Payments", "SchemaChanges", (), "Sum"),
    Watched("function errors", "AWS/Lambda", "Errors", ("FunctionName",), "Sum", 3),
    Watched("of their calls", "AWS/Lambda", "Errors", ("FunctionName",), "SampleCount", 3),
    Watched("function throttles", "AWS/Lambda", "Throttles", ("FunctionName",), "Sum", 3),
    Watched("duration near the timeout", "AWS/Lambda", "Duration", ("FunctionName",), "Maximum", 3),
    Watched(
        "concurrency near the reservation",
        "AWS/Lambda",
        "ConcurrentExecutions",
        ("FunctionName",),
        "Maximum",
        3,
    ),
    Watched("stream iterator age", "AWS/Lambda", "IteratorAge", ("FunctionName",), "Maximum"),
    Watched(
        "retry queue age", "AWS/SQS", "ApproximateAgeOfOldestMessage", ("QueueName",), "Maximum"
    ),
    Watched(
        "retry queue depth, in flight",
        "AWS/SQS",
        "ApproximateNumberOfMessagesNotVisible",
        ("QueueName",),
        "Maximum",
    ),
    # Retry queue, retry dead letters, audit failures, failed invocations, undelivered alerts.
    Watched("depth; dead letters not empty", "AWS/SQS", _SQS_WAITING, ("QueueName",), "Maximum", 5),
    Watched("outbox age", "Payments", "OutboxAge", ("service",), "Maximum"),
    # Of payment-processor, for its sweep; of audit-logger, which must be called for payments.
    Watched("or no sweep; or no audit", "AWS/Lambda", "Invocations", ("FunctionName",), "Sum", 2),
    Watched("sweep not called", "AWS/Events", "FailedInvocations", ("RuleName",), "Sum"),
    Watched("dead letters lost", "AWS/Lambda", "DeadLetterErrors", ("FunctionName",), "Sum"),
    Watched("batches lost", "AWS/Lambda", "DestinationDeliveryFailures", ("FunctionName",), "Sum"),
    Watched(
        "table throttles, read and write",
        "AWS/DynamoDB",
        "ThrottledRequests",
        ("Operation", "TableName"),
        "Sum",
        2,
    ),
    Watched(
        "table system errors",
        "AWS/DynamoDB",
        "SystemErrors",
        ("Operation", "TableName"),
        "Sum",
        3,
    ),
    *(
        Watched(what, "AWS/RDS", metric, ("DBInstanceIdentifier",), statistic)
        for what, metric, statistic in (
            ("RDS CPU", "CPUUtilization", "Average"),
            ("RDS connections", "DatabaseConnections", "Maximum"),
            ("RDS free storage", "FreeStorageSpace", "Minimum"),
            ("RDS freeable memory", "FreeableMemory", "Average"),
            ("RDS CPU credits", "CPUCreditBalance", "Average"),
            ("RDS read latency", "ReadLatency", "Average"),
            ("RDS write latency", "WriteLatency", "Average"),
            ("RDS transaction ids", "MaximumUsedTransactionIDs", "Maximum"),
            ("RDS EBS balance, operations", "EBSIOBalance%", "Average"),
            ("RDS EBS balance, bytes", "EBSByteBalance%", "Average"),
        )
    ),
    *(
        Watched(what, "AWS/NATGateway", metric, ("NatGatewayId",), "Sum", 3)
        for what, metric in (
            ("NAT port allocation errors", "ErrorPortAllocation"),
            ("NAT drops", "PacketsDropCount"),
            ("of the packets from inside", "PacketsInFromSource"),
            ("of the packets from outside", "PacketsInFromDestination"),
        )
    ),
    Watched("WAF block surge", "AWS/WAFV2", "BlockedRequests", ("Region", "Rule", "WebACL"), "Sum"),
    Watched(
        "SNS delivery failures", "AWS/SNS", "NumberOfNotificationsFailed", ("TopicName",), "Sum"
    ),
    Watched("decline-rate surge", "Payments", "PaymentsDeclined", ("service",), "Sum"),
    Watched(
        "no payments processed; or not audited",
        "Payments",
        "PaymentsProcessed",
        ("service",),
        "Sum",
        2,
    ),
    Watched(
        "while requests arrive",
        "AWS/ApiGateway",
        "IntegrationLatency",
        ("ApiName", "Method", "Resource", "Stage"),
        "SampleCount",
    ),
    Watched("ledger imbalance", "Payments", "LedgerImbalance", ("service",), "Maximum"),
    Watched("history changed", "Payments", "HistoryChanged", ("service",), "Sum"),
    Watched("audit trail forged", "Payments", "ForeignAuditObjects", ("service",), "Sum"),
    Watched("payments given up", "Payments", "PaymentsGivenUp", ("service",), "Sum"),
)

# Samples of what AWS sends, cut to what tells them apart; the first is to match, by rule.
_BY_CALL = "AWS API Call via CloudTrail"
_STACK = f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack"
_CONSOLE_CALL = {
    "eventSource": "rds.amazonaws.com",
    "eventName": "ModifyDBInstance",
    "readOnly": False,
    "sessionCredentialFromConsole": "true",
    "eventType": "AwsApiCall",
    "userIdentity": {"type": "AssumedRole"},
}


def _event(source: str, kind: str, **detail: Any) -> Json:
    return {"source": source, "detail-type": kind, "detail": detail}


def _status(stack: str, status: str) -> Json:
    return _event(
        "aws.cloudformation",
        "CloudFormation Stack Status Change",
        **{"stack-id": f"{_STACK}/{stack}", "status-details": {"status": status}},
    )


def _rds(number: int, category: str = "availability", instance: str = "payments-ledger") -> Json:
    return _event(
        "aws.rds",
        "RDS DB Instance Event",
        EventCategories=[category],
        EventID=f"RDS-EVENT-{number:04}",
        SourceIdentifier=instance,
    )


EVENTS: tuple[tuple[str, Json], ...] = (
    ("key-disabled", _event("aws.kms", _BY_CALL, eventName="DisableKey")),
    ("key-disabled", _event("aws.kms", _BY_CALL, eventName="ScheduleKeyDeletion")),
    ("key-deleted", _event("aws.kms", "KMS CMK Deletion", **{"key-id": "1234"})),
    ("stack-rollback", _status("PaymentsProd/1", "UPDATE_ROLLBACK_IN_PROGRESS")),
    ("stack-rollback", _status("PaymentsProd/1", "ROLLBACK_FAILED")),
    ("stack-rollback", _status("PaymentsProd/1", "ROLLBACK_IN_PROGRESS")),
    ("stack-rollback", _status("PaymentsProd/1", "UPDATE_ROLLBACK_FAILED")),
    *(("database-failover", _rds(number)) for number in (13, 15, 49)),
    *(("database-failed", _rds(number)) for number in (3, 4, 7, 31, 35, 36, 87, 221, 222)),
    ("database-maintenance", _rds(26, "maintenance")),
    (
        "root-activity",
        _event(
            "aws.signin",
            "AWS Console Sign In via CloudTrail",
            eventName="ConsoleLogin",
            eventType="AwsConsoleSignIn",
            userIdentity={"type": "Root"},
        ),
    ),
    (
        "root-activity",
        _event(
            "aws.iam",
            _BY_CALL,
            eventName="CreateAccessKey",
            eventType="AwsApiCall",
            userIdentity={"type": "Root"},
        ),
    ),
    ("console-changes", _event("aws.rds", _BY_CALL, **_CONSOLE_CALL)),
)
QUIET: tuple[Json, ...] = (
    _event("aws.kms", _BY_CALL, eventName="Decrypt"),
    _status("PaymentsProd/1", "UPDATE_COMPLETE"),
    _status("Another/1", "UPDATE_ROLLBACK_COMPLETE"),
    # The nested stacks and the end of it all: the root has told.
    _status("PaymentsProd-DataNestedStack-AB/2", "UPDATE_ROLLBACK_FAILED"),
    _status("PaymentsProd/1", "UPDATE_ROLLBACK_COMPLETE"),
    _rds(1, "backup"),
    _rds(13, "failover", "another"),
    *(_rds(number, "failure") for number in (79, 80, 219, 220, 223, 224)),
    _event("aws.ec2", _BY_CALL, eventType="AwsServiceEvent", userIdentity={"type": "Root"}),
    _event(
        "aws.kms",
        _BY_CALL,
        eventName="CreateGrant",
        eventType="AwsApiCall",
        userIdentity={"type": "Root", "invokedBy": "rds.amazonaws.com"},
    ),
    _event("aws.rds", _BY_CALL, **_CONSOLE_CALL | {"readOnly": True}),
    _event(
        "aws.rds",
        _BY_CALL,
        **{k: v for k, v in _CONSOLE_CALL.items() if k != "sessionCredentialFromConsole"},
    ),
)

SECTION = re.compile(r"Runbook: docs/runbooks/[a-z-]+\.md#[a-z0-9-]+$", re.MULTILINE)


def alarms(synthesized: Synthesized) -> dict[str, Json]:
    """Those that are mailed, by name; the compute layer's speak to CodeDeploy."""
    return {
        resource["Properties"]["AlarmName"]: resource["Properties"]
        for kind in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
        for layer, _, resource in synthesized.resources(kind)
        if layer == "observability"
    }


def rules(synthesized: Synthesized) -> dict[str, tuple[str, Json]]:
    """Logical id and properties of the rules that mail, by their names."""
    return {
        resource["Properties"]["Name"]: (name, resource["Properties"])
        for layer, name, resource in synthesized.resources("AWS::Events::Rule")
        if layer == "observability"
    }


def read_by(alarm: Json) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Namespace, name, dimensions and statistic of each metric that an alarm looks at."""
    stats = [query["MetricStat"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
    if "MetricName" in alarm:
        stats = [{"Metric": alarm, "Stat": alarm.get("Statistic") or alarm["ExtendedStatistic"]}]
    for stat in stats:
        metric = stat["Metric"]
        dimensions = tuple(sorted(d["Name"] for d in metric.get("Dimensions", [])))
        yield metric["Namespace"], metric["MetricName"], dimensions, stat["Stat"]


def text(value: Any) -> str:
    """A template's value as it will read, but for what is known only in AWS."""
    if isinstance(value, dict):
        if "Fn::Join" in value:
            return str(value["Fn::Join"][0].join(text(part) for part in value["Fn::Join"][1]))
        known = {
            "AWS::Partition": "aws",
            "AWS::Region": "us-east-1",
            "AWS::AccountId": "123456789012",
        }
        return known.get(value.get("Ref", ""), "known-in-aws")
    return str(value)


@pytest.mark.parametrize("watched", CRITICAL_METRICS, ids=lambda watched: watched.what)
def test_a_critical_metric_has_its_alarms(synthesized: Synthesized, watched: Watched) -> None:
    wanted = (watched.namespace, watched.metric, watched.dimensions, watched.statistic)
    found = [name for name, alarm in alarms(synthesized).items() if wanted in read_by(alarm)]
    assert len(found) == watched.alarms, found


def test_no_alarm_watches_what_the_list_does_not_have(synthesized: Synthesized) -> None:
    listed = {(watched.namespace, watched.metric) for watched in CRITICAL_METRICS}
    listed |= {("Payments", "PaymentsApproved")}  # the other half of the decline rate
    read = {metric[:2] for alarm in alarms(synthesized).values() for metric in read_by(alarm)}
    assert read == listed


@pytest.mark.parametrize(("name", "event"), EVENTS)
def test_an_event_raises_its_alert(definitions: Definitions, name: str, event: Json) -> None:
    raised = {rule.name for rule in definitions.rules if matches(rule.pattern, event)}
    assert raised == {f"payments-{name}"}


@pytest.mark.parametrize("event", QUIET)
def test_an_event_that_harms_nobody_raises_none(definitions: Definitions, event: Json) -> None:
    for rule in definitions.rules:
        assert not matches(rule.pattern, event), rule.name


def test_the_list_of_alerts_is_what_is_deployed(
    synthesized: Synthesized, alerts: tuple[Alert, ...]
) -> None:
    listed = {alert.full_name: alert for alert in alerts if alert is not OVER_BUDGET}
    deployed = {
        **{name: alarm["AlarmDescription"] for name, alarm in alarms(synthesized).items()},
        **{name: rule["Description"] for name, (_, rule) in rules(synthesized).items()},
    }
    assert {name: alert.description() for name, alert in listed.items()} == deployed
    assert len(listed) == len(alerts) - 1


def test_every_alarm_says_how_urgent_it_is_whom_it_hurts_and_what_to_do(
    synthesized: Synthesized,
) -> None:
    told = [
        resource["Properties"].get(key, "")
        for kind, key in (
            ("AWS::CloudWatch::Alarm", "AlarmDescription"),
            ("AWS::CloudWatch::CompositeAlarm", "AlarmDescription"),
            ("AWS::Events::Rule", "Description"),
        )
        for layer, _, resource in synthesized.resources(kind)
        if layer == "observability" or kind == "AWS::CloudWatch::Alarm"
    ]
    for description in told:
        assert re.match(r"Severity: (critical|warning)\nWhat: .+\nUsers: .+\n", description)
        assert SECTION.search(description), description
        assert len(description) <= 512  # EventBridge's limit; CloudWatch's is 1,024


def test_names_are_anchors(alerts: tuple[Alert, ...]) -> None:
    for alert in alerts:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", alert.name)
        assert re.fullmatch(r"[a-z0-9-]*", alert.subject)


def test_missing_data_is_decided_with_a_reason(
    synthesized: Synthesized, alerts: tuple[Alert, ...]
) -> None:
    telling = set()
    for alert in alerts:
        if isinstance(alert, MetricAlarm):
            assert alert.no_data.reason.endswith(".")
            treatment = alarms(synthesized)[alert.full_name]["TreatMissingData"]
            assert treatment in ("breaching", "notBreaching", "missing"), alert.full_name
            if treatment != "notBreaching":
                telling.add((alert.name, treatment))
    # What reports every minute, whatever happens.
    assert telling == {("database-cpu", "breaching"), ("outbox-age", "missing")}
    for alarm in synthesized.properties("AWS::CloudWatch::Alarm"):
        assert "TreatMissingData" in alarm


@pytest.mark.parametrize(
    "name", ["payments-api-client-errors", "payments-api-latency", "payments-decline-rate"]
)
def test_a_share_or_percentile_of_a_few_calls_raises_nothing(
    synthesized: Synthesized, name: str
) -> None:
    (expression,) = [
        query["Expression"]
        for query in alarms(synthesized)[name]["Metrics"]
        if "Expression" in query
    ]
    assert re.match(r"IF\(.*(> 19|>= 20), ", expression)


def test_an_area_is_unwell_while_any_of_its_critical_alarms_is_on(
    definitions: Definitions, alerts: tuple[Alert, ...]
) -> None:
    """All but those of the alerts themselves, and those that wait for a person, for days."""
    critical = {
        alert.full_name
        for alert in alerts
        if isinstance(alert, MetricAlarm) and alert.severity is Severity.CRITICAL
        if not alert.waits and alert.family != "alerts"
    }
    named = [name for alarm in definitions.composites for name in composite.names(alarm.rule)]
    assert sorted(named) == sorted(critical)
    for alarm in definitions.composites:
        parts = composite.names(alarm.rule)
        arn = f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:"
        assert set(re.findall(rf'ALARM\("{arn}([a-z0-9-]+)"\)', alarm.rule)) == parts
        assert alarm.rule.count(" OR ") == len(parts) - 1
        # 100 alarms, 10,240 characters (Amazon CloudWatch API reference, PutCompositeAlarm)
        assert len(parts) <= 100
        assert len(alarm.rule) <= 10_240


def test_what_waits_for_a_person_is_a_queue_that_nobody_empties(
    alerts: tuple[Alert, ...],
) -> None:
    assert {alert.name for alert in alerts if isinstance(alert, MetricAlarm) and alert.waits} == {
        "retry-dead-letter-queue",
        "audit-failure-queue",
        "failed-invocations-queue",
        "undelivered-alerts-queue",
    }


def test_no_alarm_hangs_on_minutes_that_have_not_arrived(alerts: tuple[Alert, ...]) -> None:
    """Metrics are up to three minutes late."""
    for alert in alerts:
        if isinstance(alert, MetricAlarm):
            bad, of = alert.datapoints
            assert of - bad >= 2, alert.full_name


def topic(synthesized: Synthesized) -> str:
    ((_, name, _),) = synthesized.resources("AWS::SNS::Topic")
    return name


def admitted(synthesized: Synthesized, service: str, action: str) -> list[Json]:
    """The statements of the topic's policy by which an AWS service may act on it."""
    (policy,) = synthesized.properties("AWS::SNS::TopicPolicy")
    assert policy["Topics"] == [{"Ref": topic(synthesized)}]
    return [
        statement
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
        and statement["Principal"] == {"Service": service}
        and statement["Action"] == action
        and statement["Resource"] == {"Ref": topic(synthesized)}
    ]


def test_every_alarm_and_its_recovery_go_to_the_topic(synthesized: Synthesized) -> None:
    here = [{"Ref": topic(synthesized)}]
    assert len(alarms(synthesized)) > 40
    for name, alarm in alarms(synthesized).items():
        assert alarm["ActionsEnabled"] is True, name
        assert (alarm["AlarmActions"], alarm["OKActions"]) == (here, here), name
        told = here if alarm.get("TreatMissingData") == "missing" else None
        assert alarm.get("InsufficientDataActions") == told, name


def test_the_topic_admits_alarms_of_this_account(synthesized: Synthesized) -> None:
    (statement,) = admitted(synthesized, "cloudwatch.amazonaws.com", "sns:Publish")
    assert statement["Condition"]["StringEquals"] == {
        "aws:SourceAccount": {"Ref": "AWS::AccountId"}
    }
    assert text(statement["Condition"]["ArnLike"]["aws:SourceArn"]) == (
        "arn:aws:cloudwatch:us-east-1:123456789012:alarm:*"
    )


def test_every_event_goes_to_the_topic_which_admits_its_rule(synthesized: Synthesized) -> None:
    (statement,) = admitted(synthesized, "events.amazonaws.com", "sns:Publish")
    assert statement["Condition"]["StringEqualsIfExists"] == {
        "aws:SourceAccount": {"Ref": "AWS::AccountId"}
    }
    sources = statement["Condition"]["ArnEqualsIfExists"]["aws:SourceArn"]
    assert sources == [{"Fn::GetAtt": [name, "Arn"]} for name, _ in rules(synthesized).values()]
    for name, rule in rules(synthesized).values():
        (target,) = rule["Targets"]
        assert target["Arn"] == {"Ref": topic(synthesized)}, name
        assert "RoleArn" not in target, name  # the topic's policy would not count
        assert "FailedInvocationsQueue" in target["DeadLetterConfig"]["Arn"]["Ref"], name


def test_an_events_mail_reads_as_the_alerts_do(
    synthesized: Synthesized, alerts: tuple[Alert, ...]
) -> None:
    told = {alert.full_name: alert for alert in alerts}
    for name, (_, rule) in rules(synthesized).items():
        transformer = rule["Targets"][0]["InputTransformer"]
        lines = [json.loads(line) for line in transformer["InputTemplate"].split("\n")]
        assert lines[0] == f"ALERT: {name}"
        assert tuple(lines[1:5]) == told[name].lines()
        quoted = set(re.findall(r"<([^>]+)>", transformer["InputTemplate"]))
        assert quoted == set(transformer["InputPathsMap"])
        assert "when" in quoted


@pytest.mark.parametrize("service", ["cloudwatch.amazonaws.com", "events.amazonaws.com"])
def test_the_topics_key_lets_whoever_publishes_encrypt(
    synthesized: Synthesized, service: str
) -> None:
    """Without it, every mail is lost without a word (aws/aws-cdk#11121)."""
    properties = synthesized.observability["Resources"][topic(synthesized)]["Properties"]
    assert "ApplicationKey" in json.dumps(properties["KmsMasterKeyId"])
    (key,) = [
        resource["Properties"]["KeyPolicy"]
        for _, name, resource in synthesized.resources("AWS::KMS::Key")
        if name.startswith("ApplicationKey")
    ]
    (statement,) = [
        statement
        for statement in key["Statement"]
        if statement["Effect"] == "Allow" and statement["Principal"] == {"Service": service}
    ]
    assert {"kms:Decrypt", "kms:GenerateDataKey"} <= set(statement["Action"])
    if service.startswith("events"):
        # EventBridge does not tell KMS for whom it acts (Amazon SNS developer guide, "Key
        # management"): any condition on that would keep it out.
        assert "Condition" not in statement


def test_a_person_is_subscribed_to_the_topic(synthesized: Synthesized) -> None:
    subscription = synthesized.only("AWS::SNS::Subscription")
    assert subscription["TopicArn"] == {"Ref": topic(synthesized)}
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "ops@company.com")
    assert "FilterPolicy" not in subscription
    assert "RedrivePolicy" in subscription


def widgets(synthesized: Synthesized) -> list[Json]:
    body = text(synthesized.only("AWS::CloudWatch::Dashboard")["DashboardBody"])
    found: list[Json] = json.loads(body)["widgets"]
    return found


def test_the_dashboard_shows_states_then_what_was_asked_for_then_the_rest(
    synthesized: Synthesized,
) -> None:
    shown = widgets(synthesized)
    assert shown == sorted(shown, key=lambda widget: (widget["y"], widget["x"]))
    states = [widget for widget in shown if widget["type"] == "alarm"]
    assert sum(len(widget["properties"]["alarms"]) for widget in states) == len(alarms(synthesized))
    graphs = [widget["properties"]["title"] for widget in shown if widget["type"] == "metric"]
    assert graphs[:3] == ["API latency", "Function error rates", "Ledger database: CPU"]
    assert max(w["y"] for w in states) < min(w["y"] for w in shown if w["type"] == "metric")
    headings = [w["properties"]["markdown"][2:] for w in shown if w["type"] == "text"]
    assert headings == [
        "Alarm states",
        "API latency, function error rates, database CPU",
        "Traffic",
        "Money",
        "Queues",
        "Database and table",
        "Network",
        "Alerts and cost",
    ]


def test_the_questions_of_an_incident_are_saved_as_queries(synthesized: Synthesized) -> None:
    groups = {
        group.get("LogGroupName")
        for group in synthesized.properties("AWS::Logs::LogGroup")
        if isinstance(group.get("LogGroupName"), str)
    }
    queries = {
        query["Name"]: query for query in synthesized.properties("AWS::Logs::QueryDefinition")
    }
    assert {
        "payments/one payment's whole story",
        "payments/slowest calls",
        "payments/declines by reason",
        "payments/errors by release",
    } <= queries.keys()
    for name, query in queries.items():
        assert set(query["LogGroupNames"]) <= groups, name


def log_metrics(synthesized: Synthesized) -> dict[str, Json]:
    """The metric filters, by the metric that they count."""
    return {
        f"{metric['MetricNamespace']}/{metric['MetricName']}": counted
        for counted in synthesized.properties("AWS::Logs::MetricFilter")
        for metric in counted["MetricTransformations"]
    }


def test_calls_refused_with_429_are_counted_from_the_access_log(synthesized: Synthesized) -> None:
    """A used-up quota is another thing than a second's throttle, and counted for itself."""
    throttled = log_metrics(synthesized)["Payments/CallsThrottled"]
    over_quota = log_metrics(synthesized)["Payments/CallsOverQuota"]
    assert throttled["LogGroupName"] == over_quota["LogGroupName"] == "/payments/api-access"
    assert throttled["FilterPattern"] == (
        '{ ($.status = "429") && ($.errorType != "QUOTA_EXCEEDED") }'
    )
    assert over_quota["FilterPattern"] == '{ $.errorType = "QUOTA_EXCEEDED" }'
    (stage,) = synthesized.properties("AWS::ApiGateway::Stage")
    logged = json.loads(stage["AccessLogSetting"]["Format"])
    assert logged["status"] == "$context.status"
    assert logged["errorType"] == "$context.error.responseType"


def test_changes_of_the_ledgers_schema_are_counted_from_what_pgaudit_logs(
    synthesized: Synthesized,
) -> None:
    counted = log_metrics(synthesized)["Payments/SchemaChanges"]
    (database,) = synthesized.properties("AWS::RDS::DBInstance")
    identifier = database["DBInstanceIdentifier"]
    assert counted["LogGroupName"] == f"/aws/rds/instance/{identifier}/postgresql"
    assert "postgresql" in database["EnableCloudwatchLogsExports"]
    # As pgaudit writes them: "LOG:  AUDIT: SESSION,1,1,DDL,ALTER TABLE,TABLE,ledger.entries,..."
    assert counted["FilterPattern"] == '"AUDIT: SESSION"'


def test_the_list_has_events_and_the_summary_too(alerts: tuple[Alert, ...]) -> None:
    kinds = [type(alert) for alert in alerts]
    assert (kinds.count(EventAlert), kinds.count(Alert)) == (12, 4)


def test_the_operators_are_told_when_the_month_costs_too_much(synthesized: Synthesized) -> None:
    """Before it is over, with a forecast and, where there is none yet, without."""
    (budget,) = synthesized.properties("AWS::Budgets::Budget")
    assert budget["Budget"] == {
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": 500, "Unit": "USD"},
    }
    told = {}
    for each in budget["NotificationsWithSubscribers"]:
        notification = each["Notification"]
        assert notification["ComparisonOperator"] == "GREATER_THAN"
        assert notification["ThresholdType"] == "PERCENTAGE"
        assert each["Subscribers"] == [{"SubscriptionType": "EMAIL", "Address": "ops@company.com"}]
        told[notification["NotificationType"]] = notification["Threshold"]
    assert told == {"FORECASTED": 100, "ACTUAL": 80}


def test_an_account_that_may_have_no_budget_is_asked_for_none(
    build: Callable[..., PaymentsProd],
) -> None:
    """It would fail the deployment."""
    without = {type(construct) for construct in build(monthly_budget_usd=0).node.find_all()}
    assert CfnDashboard in without
    assert CfnBudget not in without


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("alarm_server_error_percent", "0"),
        ("alarm_latency_seconds", "30"),  # API Gateway waits 29 s
        ("alarm_free_storage_gib", "100"),  # of 100: never quiet
    ],
)
def test_a_threshold_that_makes_no_sense_is_refused(key: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{key} is '?{value}"):
        ProductionConfig.from_context({key: value})
