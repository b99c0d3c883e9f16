"""The alarms in AWS, and the one that sums them up (R14)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk.aws_cloudwatch_actions import SnsAction
from constructs import Construct

from building_blocks.alert import Alert, Severity
from nested.observability.alarms import MetricAlarm
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
        self._action = SnsAction(topic)
        made = [(alarm, self._add(alarm)) for alarm in alarms]
        self.health = [
            self._sum_up(
                SYSTEM_HEALTH[area],
                [
                    added
                    for alarm, added in made
                    if alarm.severity is Severity.CRITICAL
                    and alarm.family in families
                    and not alarm.waits
                ],
            )
            for area, families in _AREAS.items()
        ]
        self.by_severity = {
            severity: [added for alarm, added in made if alarm.severity is severity]
            for severity in Severity
        }

    def _add(self, alarm: MetricAlarm) -> cloudwatch.Alarm:
        bad, of = alarm.datapoints
        added = cloudwatch.Alarm(
            self,
            alarm.full_name,
            alarm_name=alarm.full_name,
            alarm_description=alarm.description(),
            metric=alarm.evaluated(),
            comparison_operator=alarm.comparison,
            threshold=alarm.threshold,
            datapoints_to_alarm=bad,
            evaluation_periods=of,
            treat_missing_data=alarm.no_data.treatment,
            actions_enabled=True,
        )
        self._tell(added)
        if alarm.no_data.treatment is cloudwatch.TreatMissingData.MISSING:
            added.add_insufficient_data_action(self._action)
        return added

    def _sum_up(
        self, alert: Alert, alarms: Sequence[cloudwatch.Alarm]
    ) -> cloudwatch.CompositeAlarm:
        on = cloudwatch.AlarmState.ALARM
        added = cloudwatch.CompositeAlarm(
            self,
            alert.full_name,
            composite_alarm_name=alert.full_name,
            alarm_description=alert.description(),
            alarm_rule=cloudwatch.AlarmRule.any_of(
                *(cloudwatch.AlarmRule.from_alarm(alarm, on) for alarm in alarms)
            ),
            actions_enabled=True,
        )
        self._tell(added)
        return added

    def _tell(self, alarm: cloudwatch.AlarmBase) -> None:
        alarm.add_alarm_action(self._action)
        alarm.add_ok_action(self._action)
