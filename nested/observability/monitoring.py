"""The alarms in AWS, and the one that sums them up (R14)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aws_cdk.aws_cloudwatch import TreatMissingData
from cdk_monitoring_constructs import (
    AlarmFactory,
    AlarmFactoryDefaults,
    AlarmWithAnnotation,
    CompositeAlarmOperator,
    MetricFactoryDefaults,
    SnsAlarmActionStrategy,
)
from constructs import Construct

from building_blocks.alert import Alert, Severity
from nested.observability.alarms import MetricAlarm
from nested.observability.alarms.metric_alarm import MINUTE
from nested.observability.alerts_topic import AlertsTopic

_AREAS: Final = {
    "service": ("api", "functions", "network", "table"),
    "payments": ("business", "queues"),
    "ledger": ("database",),
}
"""The families of each. The alerts themselves are in none: who is not reached by an alert is not
reached by the next one either."""


def _health(area: str) -> Alert:
    return Alert(
        name="system-health",
        subject=area,
        family="alerts",
        severity=Severity.CRITICAL,
        summary=f"At least one critical alarm of the {area} is on.",
        impact="As the critical alarms say that are on; the dashboard shows them at the top.",
    )


SYSTEM_HEALTH: Final = {area: _health(area) for area in _AREAS}
"""What any critical alarm of an area raises, once: it is off again when all of them are.

CloudWatch tells of a composite alarm only when it changes. One for everything would be deaf while
any alarm stays on for days: so there is one an area, and what waits for a person's decision
(``MetricAlarm.waits``) is in none.
"""


class Alarms(Construct):
    """Every alarm, and its recovery, goes to the alerts topic."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        alarms: Sequence[MetricAlarm],
        topic: AlertsTopic,
    ) -> None:
        super().__init__(scope, construct_id)
        self._factory = AlarmFactory(
            self,
            global_alarm_defaults=AlarmFactoryDefaults(
                actions_enabled=True,
                alarm_name_prefix="payments",
                action=SnsAlarmActionStrategy(on_alarm_topic=topic, on_ok_topic=topic),
            ),
            global_metric_defaults=MetricFactoryDefaults(period=MINUTE),
            local_alarm_name_prefix="payments",
        )
        self._topic = topic
        made = [(alarm, self._add(alarm)) for alarm in alarms]
        self.health = [
            self._factory.add_composite_alarm(
                [
                    added
                    for alarm, added in made
                    if alarm.severity is Severity.CRITICAL
                    and alarm.family in families
                    and not alarm.waits
                ],
                disambiguator=f"Health{area.capitalize()}",
                composite_operator=CompositeAlarmOperator.OR,
                alarm_name_override=SYSTEM_HEALTH[area].full_name,
                alarm_description_override=SYSTEM_HEALTH[area].description(),
            )
            for area, families in _AREAS.items()
        ]
        self.by_severity = {
            severity: [added.alarm for alarm, added in made if alarm.severity is severity]
            for severity in Severity
        }

    def _add(self, alarm: MetricAlarm) -> AlarmWithAnnotation:
        bad, of = alarm.datapoints
        tells_no_data = alarm.no_data.treatment is TreatMissingData.MISSING
        return self._factory.add_alarm(
            alarm.metric,
            alarm_name_suffix=alarm.name,
            alarm_name_override=alarm.full_name,
            alarm_description=alarm.description(),
            comparison_operator=alarm.comparison,
            threshold=alarm.threshold,
            datapoints_to_alarm=bad,
            evaluation_periods=of,
            treat_missing_data=alarm.no_data.treatment,
            action_override=SnsAlarmActionStrategy(
                on_alarm_topic=self._topic,
                on_ok_topic=self._topic,
                on_insufficient_data_topic=self._topic,
            )
            if tells_no_data
            else None,
            # The library counts a datapoint with more samples than this.
            min_sample_count_to_evaluate_datapoint=alarm.minimum_samples - 1
            if alarm.minimum_samples > 1
            else None,
        )
