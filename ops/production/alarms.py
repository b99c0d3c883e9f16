"""The alarms as their stacks' templates have them, and in what the live ones differ.

A template's properties carry the names of PutMetricAlarm's and PutCompositeAlarm's parameters. They
are resolved from what CloudFormation tells of the stack, as it resolved them itself; intrinsic
functions that no alarm of ours uses are refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

import botocore.session

from ops.console.failure import OpsError, did_you_mean
from ops.production.questions import Clients
from ops.production.stack import Resource
from ops.production.templates import properties, stacks

METRIC: Final = "AWS::CloudWatch::Alarm"
COMPOSITE: Final = "AWS::CloudWatch::CompositeAlarm"

_DEFAULTS: Final[Mapping[str, Any]] = {
    "ActionsEnabled": True,
    "TreatMissingData": "missing",
    "EvaluateLowSampleCountPercentile": "evaluate",
}
"""Of PutMetricAlarm and PutCompositeAlarm (CloudWatch API reference)."""
_STATISTICS: Final = ("Average", "Maximum", "Minimum", "SampleCount", "Sum")
"""The others are an ExtendedStatistic."""
_ON_EXPRESSION: Final = "MetricMath"
"""Namespace that the embedded environment gives to alarms on expressions; it does not keep what
they are calculated from."""
_NOT_KEPT: Final = ("Namespace", "MetricName", "Dimensions", "Statistic", "Period", "Metrics")

_OF_ARN: Final = {"AWS::Partition": 1, "AWS::Region": 3, "AWS::AccountId": 4}
"""Parameters of CloudFormation's own: where they stand in the stack's ARN."""

Item = Mapping[str, Any]
AlarmT = TypeVar("AlarmT")


@dataclass(frozen=True, kw_only=True)
class Declared:
    """An alarm as the template has it: the request for PutMetricAlarm, or PutCompositeAlarm."""

    request: Item
    composite: bool

    def put(self, cloudwatch: Any, *, anew: bool) -> None:
        """
        Args:
            anew: there is none; CloudWatch takes the tags only then.
        """
        put = cloudwatch.put_composite_alarm if self.composite else cloudwatch.put_metric_alarm
        put(**{name: value for name, value in self.request.items() if anew or name != "Tags"})


@dataclass(frozen=True, kw_only=True)
class Difference:
    """In a parameter of PutMetricAlarm or PutCompositeAlarm; needed is what the template says."""

    setting: str
    found: str
    needed: str


def declared(clients: Clients, resources: Sequence[Resource]) -> dict[str, Declared]:
    """Those of the templates that the stacks were deployed from, by name.

    Raises:
        OpsError: a property cannot be resolved.
    """
    stacks_ = {
        name: _Stack(clients, id_, [each for each in resources if each.stack == name])
        for name, id_ in stacks(resources).items()
    }
    of_stacks = {(each.type, each.name): each.stack for each in resources}
    return {
        name: Declared(
            request={
                "AlarmName": name,
                **stacks_[of_stacks[type_, name]].resolved(
                    {key: value for key, value in known.items() if key != "AlarmName"}
                ),
            },
            composite=type_ == COMPOSITE,
        )
        for type_ in (METRIC, COMPOSITE)
        for name, known in properties(clients, resources, type_).items()
    }


def differences(live: Item, wanted: Declared) -> Iterator[Difference]:
    """In what an alarm, as DescribeAlarms tells it, is not as the template has it."""
    found, needed = _comparable(live), _comparable(wanted.request)
    unseen = _NOT_KEPT if live.get("Namespace") == _ON_EXPRESSION else ()
    for setting in _settings(wanted.composite):
        one, other = found.get(setting), needed.get(setting)
        if one != other and setting not in unseen:
            yield Difference(setting=setting, found=_text(one), needed=_text(other))


def named(alarms: Mapping[str, AlarmT], name: str) -> AlarmT:
    """
    Raises:
        OpsError: there is none of that name; with those that are alike.
    """
    if name not in alarms:
        hint = did_you_mean(name, alarms) or f"there are {len(alarms)} others"
        raise OpsError(f"no alarm is called {name}: {hint}")
    return alarms[name]


def restoring(name: str) -> str:
    """The command that puts an alarm back."""
    return f".venv/bin/python -m ops alerts restore {name} --yes"


# -- resolving ---------------------------------------------------------------------------


class _Stack:
    """A stack of the tree, as far as templates refer to it and its own resources."""

    def __init__(self, clients: Clients, id_: str, resources: Sequence[Resource]) -> None:
        self._cloudformation = clients("cloudformation")
        self._id = id_
        self._resources = {each.logical_id: each for each in resources}
        self._parameters: dict[str, str] | None = None

    def resolved(self, value: Any) -> Any:
        match value:
            case {"Ref": str(name)}:
                return self._reference(name)
            case {"Fn::GetAtt": [str(name), str(attribute)]}:
                return self._attribute(name, attribute)
            case {"Fn::Join": [str(separator), list(parts)]}:
                return separator.join(str(self.resolved(part)) for part in parts)
            case dict():
                for unknown in (key for key in value if key.startswith("Fn::")):
                    raise OpsError(f"{unknown} is not resolved here: {json.dumps(value)}")
                return {key: self.resolved(part) for key, part in value.items()}
            case list():
                return [self.resolved(part) for part in value]
        return value

    def _reference(self, name: str) -> str:
        if name in self._resources:
            return self._resources[name].name
        if name in _OF_ARN:
            return self._id.split(":")[_OF_ARN[name]]
        if self._parameters is None:
            (stack,) = self._cloudformation.describe_stacks(StackName=self._id)["Stacks"]
            self._parameters = {
                each["ParameterKey"]: each.get("ResolvedValue", each["ParameterValue"])
                for each in stack.get("Parameters", [])
            }
        if name not in self._parameters:
            raise OpsError(f"{self._id} has no resource or parameter {name}: deploy it first")
        return self._parameters[name]

    def _attribute(self, name: str, attribute: str) -> str:
        physical = self._reference(name)
        match self._resources[name].type, attribute:
            case (("AWS::CloudWatch::Alarm" | "AWS::CloudWatch::CompositeAlarm"), "Arn"):
                partition, region, account = map(self._reference, _OF_ARN)
                return f"arn:{partition}:cloudwatch:{region}:{account}:alarm:{physical}"
            case ("AWS::SNS::Topic", "TopicName") | ("AWS::Lambda::Version", "Version"):
                return physical.rpartition(":")[2]
            case "AWS::SQS::Queue", "QueueName":
                return physical.rpartition("/")[2]
        raise OpsError(f"{attribute} of {name} ({self._resources[name].type}) is not known here")


# -- comparing ---------------------------------------------------------------------------


@cache
def _settings(composite: bool) -> list[str]:
    """Parameters of PutCompositeAlarm, or PutMetricAlarm."""
    operation = "PutCompositeAlarm" if composite else "PutMetricAlarm"
    model = botocore.session.get_session().get_service_model("cloudwatch")
    parameters = model.operation_model(operation).input_shape.members  # type: ignore[union-attr]
    return [name for name in parameters if name not in ("AlarmName", "Tags")]


def _comparable(alarm: Item) -> Item:
    """Without what makes no difference: defaults, order, and how numbers are written."""
    found = {**_DEFAULTS, **alarm}
    match found.get("Metrics"):
        case [{"MetricStat": {"Metric": metric, "Period": period, "Stat": statistic}}]:
            # One metric by itself, which can be written in two ways.
            kind = "Statistic" if statistic in _STATISTICS else "ExtendedStatistic"
            found = {**found, **metric, "Period": period, kind: statistic, "Metrics": None}
        case list(metrics) if metrics:
            found["Metrics"] = [{"ReturnData": True, **metric} for metric in metrics]
    if found.get("ExtendedStatistic"):
        found["Statistic"] = None
    if found.get("DatapointsToAlarm") is None:
        found["DatapointsToAlarm"] = found.get("EvaluationPeriods")
    if "Threshold" in found:
        found["Threshold"] = float(found["Threshold"])
    made: Item = _plain(found)
    return made


def _plain(value: Any) -> Any:
    match value:
        case bool():
            return value
        case int() | float():
            return f"{float(value):g}"
        case dict():
            parts = {key: _plain(part) for key, part in value.items()}
            return {key: part for key, part in parts.items() if part not in (None, "", [])}
        case list():
            return sorted(map(_plain, value), key=lambda part: json.dumps(part, sort_keys=True))
    return value


def _text(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case str():
            return value
    return json.dumps(value)
