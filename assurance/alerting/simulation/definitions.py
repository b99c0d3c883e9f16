"""Alarms, composite alarms and rules, as the synthesized templates define them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from assurance.alerting.simulation.datapoint import Metric
from assurance.alerting.simulation.evaluation import BREACHES, Missing, State
from assurance.alerting.simulation.expression import Expression
from assurance.permissions.templates import Resource, Templates

_ACTIONS: Final = {
    State.ALARM: "AlarmActions",
    State.OK: "OKActions",
    State.INSUFFICIENT_DATA: "InsufficientDataActions",
}
LONGEST_DAYS: Final = 7
"""Of the evaluation periods together (API reference, ``PutMetricAlarm``)."""


class DefinitionError(ValueError):
    """CloudWatch would refuse the alarm, or it is none that can be judged here."""


@dataclass(frozen=True)
class Statistic:
    """What an alarm reads of a metric."""

    metric: Metric
    name: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Alarm:
    """An alarm on a metric, or on an expression over metrics.

    Attributes:
        reads: by the ids that the expression has for them.
        period: in minutes.
        mails: states that are told when the alarm changes to them.
    """

    name: str
    reads: Mapping[str, Statistic]
    expression: Expression
    period: int
    comparison: str
    threshold: float
    needed: int
    periods: int
    missing: Missing
    mails: frozenset[State]

    @property
    def takes_days(self) -> bool:
        """It is evaluated once an hour, on what there is of whole hours (user guide, "Alarm
        evaluation", the example of a multi-day alarm)."""
        return self.period * self.periods > 24 * 60

    @cached_property
    def is_dynamodb(self) -> bool:
        return any(read.metric.namespace == "AWS/DynamoDB" for read in self.reads.values())

    def breaching(self, value: float) -> bool:
        return BREACHES[self.comparison](value, self.threshold)


@dataclass(frozen=True, kw_only=True)
class Composite:
    """An alarm on other alarms' states."""

    name: str
    rule: str
    mails: frozenset[State]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule that mails the events that it matches."""

    name: str
    pattern: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Definitions:
    """Everything that tells the operators, or CodeDeploy, something.

    Attributes:
        releases: names of the alarms that CodeDeploy watches, by the function that is released.
    """

    alarms: tuple[Alarm, ...]
    composites: tuple[Composite, ...]
    rules: tuple[Rule, ...]
    releases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def alert(self, name: str) -> str:
        """What an alarm or rule tells: its name, or the release that it would stop."""
        for group, names in self.releases.items():
            if name in names:
                return f"release of {group}"
        return name.removeprefix("payments-")

    def is_release(self, name: str) -> bool:
        return any(name in names for names in self.releases.values())

    def alerts_that_recover(self) -> frozenset[str]:
        """All but those of events, which have no end."""
        names = [alarm.name for alarm in self.alarms] + [alarm.name for alarm in self.composites]
        return frozenset(map(self.alert, names))

    @classmethod
    def of(cls, templates: Templates) -> Definitions:
        """:raises DefinitionError: for an alarm that cannot be."""
        return cls(
            alarms=tuple(
                alarm(_properties(templates, found), _topics(templates))
                for found in templates.resources("AWS::CloudWatch::Alarm")
            ),
            composites=tuple(
                composite(_properties(templates, found), _topics(templates))
                for found in templates.resources("AWS::CloudWatch::CompositeAlarm")
            ),
            rules=tuple(
                Rule(name=properties["Name"], pattern=properties["EventPattern"])
                for found in templates.resources("AWS::Events::Rule")
                if "EventPattern" in found.properties
                for properties in [_properties(templates, found)]
                if _topics(templates) & {target["Arn"] for target in properties["Targets"]}
                and properties.get("State", "ENABLED") == "ENABLED"
            ),
            releases={
                # The construct of the deployment group has the name of the function's.
                found.construct.removeprefix("Releases"): tuple(
                    watched["Name"]
                    for watched in _properties(templates, found)
                    .get("AlarmConfiguration", {})
                    .get("Alarms", [])
                )
                for found in templates.resources("AWS::CodeDeploy::DeploymentGroup")
            },
        )


def alarm(properties: Mapping[str, Any], topics: frozenset[str]) -> Alarm:
    """
    :param properties: of the resource, without intrinsic functions.
    :param topics: ARNs of what reaches the operators.
    :raises DefinitionError: if CloudWatch would refuse it, or it cannot be judged here.
    """
    name = properties["AlarmName"]
    if "MetricName" in properties:
        statistic = properties.get("Statistic") or properties["ExtendedStatistic"]
        read = Statistic(_metric(properties), statistic)
        reads, expression, seconds = {"metric": read}, "metric", properties["Period"]
    else:
        reads, expression, seconds = _queried(name, properties["Metrics"])
    periods = properties["EvaluationPeriods"]
    needed = properties.get("DatapointsToAlarm", periods)
    if needed > periods or seconds % 60 or seconds * periods > LONGEST_DAYS * 86_400:
        raise DefinitionError(f"{name}: {needed} of {periods} periods of {seconds} s")
    if properties["ComparisonOperator"] not in BREACHES:
        raise DefinitionError(f"{name}: {properties['ComparisonOperator']} is not known")
    return Alarm(
        name=name,
        reads=reads,
        expression=Expression.parse(expression),
        period=seconds // 60,
        comparison=properties["ComparisonOperator"],
        threshold=properties["Threshold"],
        needed=needed,
        periods=periods,
        missing=Missing(properties.get("TreatMissingData", Missing.MISSING)),
        mails=_mails(properties, topics),
    )


def composite(properties: Mapping[str, Any], topics: frozenset[str]) -> Composite:
    return Composite(
        name=properties["AlarmName"],
        rule=properties["AlarmRule"],
        mails=_mails(properties, topics),
    )


def _queried(name: str, queries: list[Mapping[str, Any]]) -> tuple[dict[str, Statistic], str, int]:
    """Metrics, expression and period of an alarm that has ``Metrics``."""
    stats = {query["Id"]: query["MetricStat"] for query in queries if "MetricStat" in query}
    expressions = {query["Id"]: query["Expression"] for query in queries if "Expression" in query}
    returned = [query["Id"] for query in queries if query.get("ReturnData", True)]
    seconds = {stat["Period"] for stat in stats.values()}
    if len(returned) != 1 or len(seconds) != 1:
        raise DefinitionError(f"{name}: not one result, or not one period")
    told = expressions.get(returned[0], returned[0])
    # An expression may use another one: it stands in its place.
    for identifier, text in expressions.items():
        told = re.sub(rf"\b{identifier}\b", f"({text})", told)
    reads = {
        identifier: Statistic(_metric(stat["Metric"]), stat["Stat"])
        for identifier, stat in stats.items()
    }
    return reads, told, seconds.pop()


def _metric(properties: Mapping[str, Any]) -> Metric:
    return Metric(
        properties["Namespace"],
        properties["MetricName"],
        frozenset(
            # CDK's hash, at the end of a name that AWS makes of a logical id, says nothing.
            (dimension["Name"], re.sub(r"[0-9A-F]{8}$", "", str(dimension["Value"])))
            for dimension in properties.get("Dimensions", [])
        ),
    )


def _mails(properties: Mapping[str, Any], topics: frozenset[str]) -> frozenset[State]:
    if not properties.get("ActionsEnabled", True):
        return frozenset()
    return frozenset(
        state for state, actions in _ACTIONS.items() if topics & set(properties.get(actions, []))
    )


def _properties(templates: Templates, found: Resource) -> Mapping[str, Any]:
    resolved: Mapping[str, Any] = templates.resolved(found.properties, found.stack)
    return resolved


def _topics(templates: Templates) -> frozenset[str]:
    """Those that somebody is subscribed to."""
    return frozenset(
        str(_properties(templates, found)["TopicArn"])
        for found in templates.resources("AWS::SNS::Subscription")
    )
