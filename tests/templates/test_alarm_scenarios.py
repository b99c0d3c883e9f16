"""The alarms and rules of the templates, under every scenario: who must be told is told in time,
nobody else is, and everything recovers."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from assurance.alerting.document import told_within
from assurance.alerting.scenarios import events
from assurance.alerting.scenarios.catalogue import SCENARIOS
from assurance.alerting.scenarios.scenario import Scenario
from assurance.alerting.scenarios.verdict import Row, row
from assurance.alerting.simulation.datapoint import Metric
from assurance.alerting.simulation.definitions import Alarm, DefinitionError, Definitions
from assurance.alerting.simulation.event_pattern import matches
from assurance.permissions.templates import Templates
from tests.synthesis import Synthesized

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@pytest.fixture(scope="module")
def templates(synthesized: Synthesized) -> Templates:
    return Templates.of(synthesized.folder)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_scenario_is_told_as_it_must_be(
    scenario_rows: Mapping[str, Row], name: str, record_property: Callable[[str, object], None]
) -> None:
    # For the table at the end of the run (tests/conftest.py).
    record_property("scenario", (name, told_within(scenario_rows[name])))
    assert scenario_rows[name].faults == ()


def test_each_alert_is_demanded_by_a_scenario(definitions: Definitions) -> None:
    demanded = {alert for scenario in SCENARIOS for alert in scenario.must}
    known = definitions.alerts_that_recover() | {
        definitions.alert(rule.name) for rule in definitions.rules
    }
    assert known == demanded
    assert len(BY_NAME) == len(SCENARIOS)


def test_scenarios_report_every_metric_that_an_alarm_reads(definitions: Definitions) -> None:
    """Another dimension, or one less, is silent for ever."""
    reported: set[Metric] = set().union(*(scenario.streams for scenario in SCENARIOS))
    read = {read.metric for alarm in definitions.alarms for read in alarm.reads.values()}
    assert read <= reported


def unit(alarm: Alarm) -> float:
    """What its threshold is counted in: percent of a share, milliseconds of a second."""
    if alarm.name.endswith("-latency") and alarm.threshold < 1:
        return 0.001
    return 0.01 if 0 < alarm.threshold < 1 else 1


@pytest.mark.parametrize(
    ("steps", "name", "wrong"),
    [
        (1, "everything a step beyond its limit", "does not come"),
        (-1, "everything at its limit", "comes after"),
    ],
)
def test_no_threshold_can_be_off_by_one(
    definitions: Definitions, steps: int, name: str, wrong: str
) -> None:
    """Thresholds that are a limit from below go the other way."""
    off = replace(
        definitions,
        alarms=tuple(
            replace(
                alarm,
                threshold=alarm.threshold
                + steps * unit(alarm) * (-1 if alarm.comparison.startswith("Less") else 1),
            )
            for alarm in definitions.alarms
        ),
    )
    limited = {
        alert
        for alert in BY_NAME["everything a step beyond its limit"].must
        # Its limit is in its expression, which is 1 or 0.
        if alert != "nothing-processed" and not alert.startswith("system-health")
    }
    found = {
        fault.partition(f" {wrong}")[0]
        for fault in row(off, BY_NAME[name]).faults
        if wrong in fault
    }
    assert limited <= found


# One fault in the templates, and the scenario that finds it.

Properties = dict[str, Any]
Spoil = Callable[[Properties], None]


def setting(**values: Any) -> Spoil:
    return lambda properties: properties.update(values)


def window(needed: int, of: int) -> Spoil:
    return setting(DatapointsToAlarm=needed, EvaluationPeriods=of)


def without(name: str) -> Spoil:
    return lambda properties: properties.pop(name)


def dimension(value: str, name: str) -> Spoil:
    def spoil(properties: Properties) -> None:
        stats = [
            query["MetricStat"] for query in properties.get("Metrics", []) if "MetricStat" in query
        ]
        for metric in [stat["Metric"] for stat in stats] or [properties]:
            for each in metric["Dimensions"]:
                if each["Name"] == name:
                    each["Value"] = value

    return spoil


def expression(old: str, new: str) -> Spoil:
    def spoil(properties: Properties) -> None:
        (query,) = (query for query in properties["Metrics"] if "Expression" in query)
        assert old in query["Expression"]
        query["Expression"] = query["Expression"].replace(old, new)

    return spoil


def statistic(name: str) -> Spoil:
    def spoil(properties: Properties) -> None:
        for query in properties["Metrics"]:
            if "MetricStat" in query:
                query["MetricStat"]["Stat"] = name

    return spoil


def detail(**values: Any) -> Spoil:
    return lambda properties: properties["EventPattern"]["detail"].update(values)


def rule(old: str, new: str) -> Spoil:
    def spoil(properties: Properties) -> None:
        parts = properties["AlarmRule"]["Fn::Join"][1]
        spoilt = [part.replace(old, new) if isinstance(part, str) else part for part in parts]
        assert spoilt != parts
        properties["AlarmRule"]["Fn::Join"][1] = spoilt

    return spoil


def no_more_than_one_alarm(properties: Properties) -> None:
    properties["AlarmRule"]["Fn::Join"][1] = [*properties["AlarmRule"]["Fn::Join"][1][:2], '"))']


FAULTS: tuple[tuple[str, str, Spoil], ...] = (
    # Wrong dimensions, names and statistics
    ("api-server-errors", "functions that fail", dimension("Prod", "Stage")),
    ("retry-queue-age", "nothing takes what is on the retry queue", dimension("x", "QueueName")),
    ("table-write-throttles", "DynamoDB throttles", dimension("Put", "Operation")),
    ("ledger-imbalance", "what must never happen", without("Dimensions")),
    ("history-changed", "what must never happen", setting(Namespace="payments")),
    ("stream-age", "a stalled audit stream", setting(MetricName="IteratorAgeMilliseconds")),
    ("database-free-storage", "storage that does not grow", setting(Statistic="SampleCount")),
    ("api-throttled", "a client beyond its rate", setting(Statistic="Average")),
    # Windows
    ("nothing-processed", "a ledger outage of 35 minutes", window(10, 10)),
    ("table-read-throttles", "DynamoDB throttles", window(1, 1)),
    ("table-system-errors-reads", "DynamoDB fails", window(3, 5)),
    ("retries-exhausted", "what must never happen", window(1, 1)),
    ("retry-queue-backlog", "a ledger outage of 35 minutes", window(10, 10)),
    ("retry-queue-age", "nothing takes what is on the retry queue", setting(Period=3600)),
    ("api-throttled", "a client beyond its rate", setting(Period=86_400, EvaluationPeriods=8)),
    ("api-server-errors", "an idle night", window(1, 1)),
    ("outbox-age", "Multi-AZ failover", window(2, 3)),
    ("audit-trail-not-fed", "payments whose records stand in the minute after", window(1, 16)),
    (
        "audit-trail-not-fed",
        "an audit stream that nobody reads, with a payment an hour",
        window(3, 5),
    ),
    ("quota-exceeded", "a client at its quota", window(1, 5)),
    (
        "database-ebs-balance-bytes",
        "everything a step beyond its limit",
        setting(MetricName="BurstBalance"),
    ),
    (
        "reconciliation-missing-comparison",
        "the first three days, with hardly any traffic",
        setting(DatapointsToAlarm=23),
    ),
    ("stores-differ", "a night that finds something", dimension("x", "service")),
    (
        "sweep-not-called",
        "EventBridge may not call the sweep",
        dimension("OutboxSweep", "RuleName"),
    ),
    # Missing data
    ("outbox-age", "a first deployment, before any call", setting(TreatMissingData="breaching")),
    ("outbox-age", "the sweep is not called for", setting(TreatMissingData="notBreaching")),
    ("api-client-errors", "an idle night", setting(TreatMissingData="breaching")),
    ("waf-blocked-requests", "a flood without keys", setting(TreatMissingData="ignore")),
    ("alerts-not-delivered", "a lost subscriber", without("TreatMissingData")),
    ("database-cpu", "the database is deleted", setting(TreatMissingData="notBreaching")),
    # Thresholds and comparisons
    ("failed-invocations-queue", "something is set aside", setting(Threshold=1)),
    ("stream-age", "a stalled audit stream", setting(Threshold=900)),
    (
        "nat-port-allocation-errors-2",
        "an idle night",
        setting(ComparisonOperator="GreaterThanOrEqualToThreshold"),
    ),
    (
        "database-free-storage",
        "storage that does not grow",
        setting(ComparisonOperator="GreaterThanThreshold"),
    ),
    # Expressions
    (
        "table-write-throttles",
        "DynamoDB throttles",
        expression("FILL(throttledrequests_putitem, 0)", "throttledrequests_putitem"),
    ),
    ("decline-rate", "an idle night", expression(">= 20", ">= 0")),
    ("nothing-processed", "a ledger outage of 35 minutes", expression("1, 0)", "0, 1)")),
    (
        "audit-trail-not-fed",
        "an audit stream that nobody reads",
        expression("FILL(batches, 0) == 0", "batches == -1"),
    ),
    ("retry-queue-backlog", "everything a step beyond its limit", expression(" + in_flight", "")),
    ("outbox-age", "a ledger outage at night", expression("FILL(age, 301)", "age")),
    (
        "reconciliation-missing-walk",
        "a reconciliation that has never run",
        expression(" + 0 * calls", ""),
    ),
    (
        "nat-packets-dropped-1",
        "an idle night",
        expression("IF(dropped_1 > 10, ", "IF(dropped_1 > 0, "),
    ),
    # Actions
    ("audit-trail-forged", "what must never happen", without("AlarmActions")),
    ("ledger-schema-changed", "what must never happen", without("OKActions")),
    ("outbox-age", "the sweep is not called for", without("InsufficientDataActions")),
    ("api-throttled", "a client beyond its rate", setting(ActionsEnabled=False)),
    ("system-health-service", "a stalled audit stream", setting(AlarmActions=["another"])),
    # Composite alarms
    ("system-health-payments", "a ledger outage at night", rule(" OR ", " AND ")),
    ("system-health-service", "a stalled audit stream", no_more_than_one_alarm),
    ("system-health-ledger", "an idle night", rule("ALARM(", "OK(")),
    # Events
    ("database-failover", "Multi-AZ failover", detail(SourceIdentifier=["ledger"])),
    ("database-failed", "the database is deleted", detail(EventID=["RDS-EVENT-0004"])),
    (
        "database-failed",
        "backup and maintenance windows",
        lambda properties: properties["EventPattern"].update(
            detail={"EventCategories": ["failure"], "SourceIdentifier": ["payments-ledger"]}
        ),
    ),
    (
        "stack-rollback",
        "a deployment that is rolled back",
        detail(**{"stack-id": [{"prefix": "arn:aws:cloudformation:"}]}),
    ),
    ("root-activity", "people who may do everything", setting(State="DISABLED")),
    ("key-disabled", "the application's key is disabled", setting(Targets=[])),
    (
        "console-changes",
        "somebody takes the safeguards away",
        lambda properties: properties["EventPattern"]["detail"].pop("eventName"),
    ),
    (
        "safeguard-changed",
        "a deployment that changes the safeguards",
        detail(userIdentity={"type": ["AssumedRole"]}, sourceIPAddress=[{"exists": True}]),
    ),
    (
        "safeguard-changed",
        "somebody takes the safeguards away",
        detail(sessionCredentialFromConsole=[{"exists": False}]),
    ),
    ("secret-rotation-failed", "a master password that is not rotated", setting(Targets=[])),
    (
        "secret-rotation-failed",
        "a master password that is not rotated",
        detail(additionalEventData={}),
    ),
    ("aws-health", "AWS's own trouble", detail(statusCode=[{"exists": True}])),
    ("aws-health", "AWS's own trouble", detail(service=["lambda"])),
    (
        "console-changes",
        "people who may do everything",
        detail(userIdentity={"type": ["Root", "AssumedRole"]}),
    ),
)


def spoilt(templates: Templates, name: str, spoil: Spoil) -> Templates:
    """The templates with one alarm or rule changed."""
    ((stack, logical_id, resource),) = (
        (stack, logical_id, resource)
        for stack, template in templates.by_stack.items()
        for logical_id, resource in template["Resources"].items()
        if f"payments-{name}"
        in (resource.get("Properties", {}).get(key) for key in ("AlarmName", "Name"))
    )
    found = copy.deepcopy(resource)
    spoil(found["Properties"])
    template = templates.by_stack[stack]
    changed = {**template, "Resources": {**template["Resources"], logical_id: found}}
    return Templates({**templates.by_stack, stack: changed})


def alone(definitions: Definitions, name: str) -> Definitions:
    """Without the other alarms, if it is an alarm that hangs on no others."""
    alarms = tuple(alarm for alarm in definitions.alarms if alarm.name == f"payments-{name}")
    return replace(definitions, alarms=alarms, composites=()) if alarms else definitions


@pytest.mark.parametrize(
    ("alert", "scenario", "spoil"),
    FAULTS,
    ids=[f"{number} {alert}" for number, (alert, _, _) in enumerate(FAULTS)],
)
def test_a_fault_of_an_alarm_is_found(
    templates: Templates, alert: str, scenario: str, spoil: Spoil
) -> None:
    try:
        found = Definitions.of(spoilt(templates, alert, spoil))
    except DefinitionError:
        return
    judged = row(alone(found, alert), BY_NAME[scenario])
    assert any(alert in fault for fault in judged.faults), judged.faults


def test_each_safeguard_that_somebody_changes_is_told_by_itself(definitions: Definitions) -> None:
    """Not only all of them together."""
    (told,) = (rule for rule in definitions.rules if rule.name == "payments-safeguard-changed")
    for service, name, about in events.SAFEGUARDS:
        assert matches(told.pattern, events.call(service, name, requestParameters=about)), name
        root = {"type": "Root"}
        for_root = events.call(service, name, requestParameters=about, userIdentity=root)
        assert not matches(told.pattern, for_root), "root-activity tells"


def test_whoever_may_put_events_cannot_forge_any_of_awss(definitions: Definitions) -> None:
    """EventBridge lets nobody but AWS name a source of AWS's."""
    for scenario in SCENARIOS:
        for _, event in scenario.events:
            forged = {**event, "source": "payments"}
            assert not [rule.name for rule in definitions.rules if matches(rule.pattern, forged)]


def test_no_pattern_is_longer_than_eventbridge_takes(definitions: Definitions) -> None:
    """2,048 characters (Amazon EventBridge user guide, "Amazon EventBridge quotas"), of which 200
    are for names that AWS makes longer than they are here."""
    for rule in definitions.rules:
        assert len(json.dumps(rule.pattern, separators=(",", ":"))) <= 1_848, rule.name


def test_a_scenario_without_anything_wrong_is_judged_so(definitions: Definitions) -> None:
    """A verdict that finds fault with everything would find all of the above."""
    quiet = Scenario(name="x", why="y", minutes=60, traffic=lambda minute: (1, 1))
    assert row(definitions, quiet) == Row(quiet, (), {})
