"""The alerts themselves. Told through the same topic: a mail that was lost does not mean that all
are."""

from __future__ import annotations

from building_blocks.alert import Severity
from nested.observability.alarms.metric_alarm import AT_ONCE, MINUTE, MetricAlarm, harmless
from nested.observability.alarms.queues import not_empty
from nested.observability.alerts_topic import AlertsTopic

_FAMILY = "alerts"


def alerts_alarms(topic: AlertsTopic) -> list[MetricAlarm]:
    return [
        MetricAlarm(
            name="alerts-not-delivered",
            family=_FAMILY,
            severity=Severity.CRITICAL,
            summary="SNS could not deliver an alert.",
            impact="None; the operators may not have heard of something that users notice.",
            metric=topic.metric_number_of_notifications_failed(statistic="Sum", period=MINUTE),
            threshold=0,
            datapoints=AT_ONCE,
            no_data=harmless("No alert was sent."),
        ),
        not_empty(
            "undelivered-alerts-queue",
            _FAMILY,
            topic.undelivered,
            Severity.CRITICAL,
            "An alert reached nobody, and was set aside.",
            "None; the operators may not have heard of something that users notice.",
        ),
    ]
