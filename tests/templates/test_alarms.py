"""Every critical metric has its alarm, every alarm reaches a person, and says what to do (R14)."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest
from aws_cdk.aws_budgets import CfnBudget
from aws_cdk.aws_cloudwatch import CfnDashboard

from assurance.alerting.scenarios import events
from assurance.alerting.simulation import composite
from assurance.alerting.simulation.definitions import Definitions
from assurance.alerting.simulation.event_pattern import matches
from assurance.permissions.templates import ACCOUNT
from building_blocks.alert import Alert, Severity
from config import ConfigurationError, ProductionConfig
from nested.observability.alarms import MetricAlarm
from nested.observability.budget import OVER_BUDGET
from root_stack import PaymentsProd
from tests.synthesis import Synthesized

Json = dict[str, Any]


READ_BY_ALARMS = {
    "Average of AWS/ApiGateway 4XXError by ApiName, Stage": 1,
    "SampleCount of AWS/ApiGateway 4XXError by ApiName, Stage": 1,
    "SampleCount of AWS/ApiGateway 5XXError by ApiName, Stage": 1,
    "Sum of AWS/ApiGateway 5XXError by ApiName, Stage": 1,
    "SampleCount of AWS/ApiGateway IntegrationLatency by ApiName, Method, Resource, Stage": 1,
    "SampleCount of AWS/ApiGateway Latency by ApiName, Stage": 1,
    "p99 of AWS/ApiGateway Latency by ApiName, Stage": 1,
    "Sum of AWS/DynamoDB SystemErrors by Operation, TableName": 3,
    "Sum of AWS/DynamoDB ThrottledRequests by Operation, TableName": 2,
    "Sum of AWS/Events FailedInvocations by RuleName": 1,
    "Maximum of AWS/Lambda ConcurrentExecutions by FunctionName": 3,
    "Sum of AWS/Lambda DeadLetterErrors by FunctionName": 1,
    "Sum of AWS/Lambda DestinationDeliveryFailures by FunctionName": 1,
    "Maximum of AWS/Lambda Duration by FunctionName": 3,
    "SampleCount of AWS/Lambda Errors by FunctionName": 3,
    "Sum of AWS/Lambda Errors by FunctionName": 3,
    # Of payment-processor, for its sweep, and for what should be reported at night while it is
    # called; of audit-logger, which must be called for payments.
    "Sum of AWS/Lambda Invocations by FunctionName": 4,
    "Maximum of AWS/Lambda IteratorAge by FunctionName": 1,
    "Sum of AWS/Lambda Throttles by FunctionName": 3,
    "Sum of AWS/NATGateway ErrorPortAllocation by NatGatewayId": 3,
    "Sum of AWS/NATGateway PacketsDropCount by NatGatewayId": 3,
    "Sum of AWS/NATGateway PacketsInFromDestination by NatGatewayId": 3,
    "Sum of AWS/NATGateway PacketsInFromSource by NatGatewayId": 3,
    "Average of AWS/RDS CPUCreditBalance by DBInstanceIdentifier": 1,
    "Average of AWS/RDS CPUUtilization by DBInstanceIdentifier": 1,
    "Maximum of AWS/RDS DatabaseConnections by DBInstanceIdentifier": 1,
    "Average of AWS/RDS EBSByteBalance% by DBInstanceIdentifier": 1,
    "Average of AWS/RDS EBSIOBalance% by DBInstanceIdentifier": 1,
    "Minimum of AWS/RDS FreeStorageSpace by DBInstanceIdentifier": 1,
    "Average of AWS/RDS FreeableMemory by DBInstanceIdentifier": 1,
    "Maximum of AWS/RDS MaximumUsedTransactionIDs by DBInstanceIdentifier": 1,
    "Average of AWS/RDS ReadLatency by DBInstanceIdentifier": 1,
    "Average of AWS/RDS WriteLatency by DBInstanceIdentifier": 1,
    "Sum of AWS/SNS NumberOfNotificationsFailed by TopicName": 1,
    "Maximum of AWS/SQS ApproximateAgeOfOldestMessage by QueueName": 1,
    "Maximum of AWS/SQS ApproximateNumberOfMessagesNotVisible by QueueName": 1,
    # Retry queue, retry dead letters, audit failures, failed invocations, undelivered alerts.
    "Maximum of AWS/SQS ApproximateNumberOfMessagesVisible by QueueName": 5,
    "Sum of AWS/WAFV2 BlockedRequests by Region, Rule, WebACL": 1,
    "Sum of Payments CallsOverQuota": 1,
    "Sum of Payments CallsThrottled": 1,
    "Maximum of Payments DifferencesFound by service": 1,
    "SampleCount of Payments DifferencesFound by service": 1,
    "Sum of Payments ForeignAuditObjects by service": 1,
    "Sum of Payments HistoryChanged by service": 1,
    "Maximum of Payments LedgerImbalance by service": 1,
    "Maximum of Payments OutboxAge by service": 1,
    "Sum of Payments PaymentsApproved by service": 2,
    "Sum of Payments PaymentsDeclined by service": 1,
    "Sum of Payments PaymentsGivenUp by service": 1,
    "Sum of Payments PaymentsProcessed by service": 2,
    "Sum of Payments SchemaChanges": 1,
    "Maximum of Payments TrailFaultsFound by service": 1,
    "SampleCount of Payments TrailFaultsFound by service": 1,
}
"""How many alarms must look at each statistic of a metric: one for each function, queue, gateway or
operation. Written by hand."""

BY_ROOT = {"eventType": "AwsApiCall", "userIdentity": {"type": "Root"}}
BY_CONSOLE = {"sessionCredentialFromConsole": "true"}
SIGN_IN = events.event(
    "aws.signin",
    "AWS Console Sign In via CloudTrail",
    eventName="ConsoleLogin",
    eventType="AwsConsoleSignIn",
    userIdentity={"type": "Root"},
)
EVENTS: tuple[tuple[str, events.Event], ...] = (
    ("key-disabled", events.call("kms", "DisableKey")),
    ("key-disabled", events.call("kms", "ScheduleKeyDeletion")),
    ("key-deleted", events.event("aws.kms", "KMS CMK Deletion", **{"key-id": "1234"})),
    *(
        ("stack-rollback", events.stack(status))
        for begin in ("ROLLBACK", "UPDATE_ROLLBACK")
        for status in (f"{begin}_IN_PROGRESS", f"{begin}_FAILED")
    ),
    *(("database-failover", events.rds(number, "availability")) for number in (13, 15, 49)),
    *(
        ("database-failed", events.rds(number, "availability"))
        for number in (3, 4, 7, 31, 35, 36, 87, 221, 222)
    ),
    ("database-maintenance", events.rds(26, "maintenance")),
    ("root-activity", SIGN_IN),
    ("root-activity", events.call("iam", "CreateAccessKey", **BY_ROOT)),
    ("console-changes", events.call("rds", "ModifyDBInstance", **BY_CONSOLE)),
)
QUIET: tuple[events.Event, ...] = (
    events.call("kms", "Decrypt"),
    events.stack("UPDATE_COMPLETE"),
    # The nested stacks and the end of it all: the root has told.
    events.stack("UPDATE_ROLLBACK_FAILED", "DataNestedStack-AB"),
    events.stack("UPDATE_ROLLBACK_COMPLETE"),
    events.rds(1, "backup"),
    events.rds(13, "failover", "another"),
    *(events.rds(number, "failure") for number in (79, 80, 219, 220, 223, 224)),
    events.call("ec2", "CreateGrant", eventType="AwsServiceEvent", userIdentity={"type": "Root"}),
    events.call("kms", "CreateGrant", userIdentity={"type": "Root", "invokedBy": "rds"}),
    events.call("rds", "ModifyDBInstance", **BY_CONSOLE, readOnly=True),
    events.call("rds", "ModifyDBInstance"),
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


def read_by(alarm: Json) -> set[str]:
    """Statistic, namespace, name and dimensions of each metric that an alarm looks at."""
    stats = [query["MetricStat"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
    if "MetricName" in alarm:
        stats = [{"Metric": alarm, "Stat": alarm["Statistic"]}]
    told = set()
    for stat in stats:
        metric = stat["Metric"]
        by = ", ".join(sorted(each["Name"] for each in metric.get("Dimensions", [])))
        name = f"{stat['Stat']} of {metric['Namespace']} {metric['MetricName']}"
        told.add(f"{name} by {by}" if by else name)
    return told


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


def test_critical_metrics_and_no_others_have_their_alarms(synthesized: Synthesized) -> None:
    read = Counter(chain.from_iterable(map(read_by, alarms(synthesized).values())))
    assert read == READ_BY_ALARMS


@pytest.mark.parametrize(("name", "event"), EVENTS)
def test_an_event_raises_its_alert(
    definitions: Definitions, name: str, event: events.Event
) -> None:
    raised = {rule.name for rule in definitions.rules if matches(rule.pattern, event)}
    assert raised == {f"payments-{name}"}


@pytest.mark.parametrize("event", QUIET)
def test_an_event_that_harms_nobody_raises_none(
    definitions: Definitions, event: events.Event
) -> None:
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
            if treatment != "notBreaching":
                telling.add((alert.name, treatment))
    assert telling == {
        # What reports every minute, whatever happens.
        ("database-cpu", "breaching"),
        ("outbox-age", "missing"),
        # What reports once a night, whatever it finds.
        ("stores-differ", "ignore"),
        ("audit-trail-broken", "ignore"),
    }
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


def test_what_waits_for_a_person_is_in_a_queue_that_nobody_empties_or_was_found_at_night(
    alerts: tuple[Alert, ...],
) -> None:
    assert {alert.name for alert in alerts if isinstance(alert, MetricAlarm) and alert.waits} == {
        "retry-dead-letter-queue",
        "audit-failure-queue",
        "failed-invocations-queue",
        "undelivered-alerts-queue",
        # And what a night has found, until another finds nothing.
        "stores-differ",
        "audit-trail-broken",
    }


def test_no_alarm_hangs_on_minutes_that_have_not_arrived(alerts: tuple[Alert, ...]) -> None:
    """Metrics are up to three minutes late, which is little of an hour."""
    for alert in alerts:
        if isinstance(alert, MetricAlarm) and alert.metric.period.to_minutes() < 60:
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


def test_the_subscription_takes_all_and_keeps_what_cannot_be_delivered(
    synthesized: Synthesized,
) -> None:
    subscription = synthesized.only("AWS::SNS::Subscription")
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
