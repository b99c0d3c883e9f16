"""Verify asks for data behind every alarm, but for what is reported only when something happens:
its list of that agrees with the alarms."""

from __future__ import annotations

from typing import Any

from building_blocks.alert import Alert
from nested.observability.alarms import MetricAlarm
from ops.inspection import metrics
from ops.inspection.metrics import ONLY_WHEN_IT_HAPPENS, Metric
from tests.synthesis import Synthesized


def watched(synthesized: Synthesized) -> set[tuple[str, str]]:
    return {
        (metric.namespace, metric.name)
        for each in synthesized.properties("AWS::CloudWatch::Alarm")
        for metric in metrics._read_by(_with_plain_dimensions(each))
    }


def _with_plain_dimensions(properties: Any) -> Any:
    """Of a template, where values are references: those do not matter here."""
    match properties:
        case {"Namespace": _, "MetricName": _}:
            return {**properties, "Dimensions": []}
        case dict():
            return {key: _with_plain_dimensions(value) for key, value in properties.items()}
        case list():
            return [_with_plain_dimensions(each) for each in properties]
    return properties


def test_the_list_names_nothing_that_no_alarm_watches(synthesized: Synthesized) -> None:
    known = watched(synthesized)
    namespaces = {namespace for namespace, _ in known}
    for namespace, name in ONLY_WHEN_IT_HAPPENS:
        assert (namespace, name) in known if name else namespace in namespaces


RARE = ("only when", "nothing of a queue", "No alert was sent", "carries nothing reports nothing")
"""In the reasons with which the alarms say that silence is harmless."""


def test_what_an_alarm_says_is_silent_when_all_is_well_is_not_asked_for(
    alerts: tuple[Alert, ...],
) -> None:
    silent = [
        alert
        for alert in alerts
        if isinstance(alert, MetricAlarm) and any(word in alert.no_data.reason for word in RARE)
    ]
    assert len(silent) > 10
    for alert in silent:
        parts = getattr(alert.metric, "using_metrics", None) or {"m": alert.metric}
        for metric in parts.values():
            assert Metric(namespace=metric.namespace, name=metric.metric_name).rare, alert.name
