"""The API, as its clients see it."""

from __future__ import annotations

from aws_cdk import aws_cloudwatch as cloudwatch

from building_blocks.alert import Severity
from config import ProductionConfig
from nested.compute import ComputeOutputs
from nested.observability.alarms.metric_alarm import (
    MINUTE,
    MetricAlarm,
    harmless,
    share_of_failures,
)
from nested.observability.log_metrics import CALLS_OVER_QUOTA, CALLS_THROTTLED, NAMESPACE

_FAMILY = "api"
_QUIET = harmless("Nobody called.")


def api_alarms(config: ProductionConfig, compute: ComputeOutputs) -> list[MetricAlarm]:
    stage = compute.api.deployment_stage
    return [
        MetricAlarm(
            name="api-server-errors",
            family=_FAMILY,
            severity=Severity.CRITICAL,
            summary=(
                f"More than {config.alarm_server_error_percent} % of the calls were answered "
                "with 5xx, in three minutes of five."
            ),
            impact="Payments fail; clients do not know what became of them until they ask again.",
            metric=share_of_failures("api", stage.metric_server_error()),
            threshold=config.alarm_server_error_percent / 100,
            no_data=_QUIET,
        ),
        MetricAlarm(
            name="api-client-errors",
            family=_FAMILY,
            severity=Severity.WARNING,
            summary=(
                f"More than {config.alarm_client_error_percent} % of the calls were refused "
                "with 4xx, in three minutes of five."
            ),
            impact="A client sends what is refused: its payments do not get through.",
            metric=stage.metric_client_error(statistic="Average", period=MINUTE),
            threshold=config.alarm_client_error_percent / 100,
            minimum_samples=config.alarm_minimum_calls,
            no_data=_QUIET,
        ),
        MetricAlarm(
            name="api-latency",
            family=_FAMILY,
            severity=Severity.WARNING,
            summary=(
                f"One call in a hundred took longer than {config.alarm_latency_seconds} s, "
                "in three minutes of five."
            ),
            impact="Clients wait; those with shorter time limits give up and send again.",
            metric=stage.metric_latency(statistic="p99", period=MINUTE),
            threshold=config.alarm_latency_seconds * 1000,
            minimum_samples=config.alarm_minimum_calls,
            no_data=_QUIET,
        ),
        MetricAlarm(
            name="api-throttled",
            family=_FAMILY,
            severity=Severity.WARNING,
            summary=(
                f"More than {config.alarm_throttled_calls} calls a minute were refused with 429, "
                "in three minutes of five."
            ),
            impact="A client sends more than its usage plan allows, and must send again later.",
            metric=cloudwatch.Metric(
                namespace=NAMESPACE,
                metric_name=CALLS_THROTTLED.name,
                statistic="Sum",
                period=MINUTE,
            ),
            threshold=config.alarm_throttled_calls,
            no_data=_QUIET,
        ),
        MetricAlarm(
            name="quota-exceeded",
            family=_FAMILY,
            severity=Severity.WARNING,
            summary="In the last hour a client called that has used up its quota of the day.",
            impact="All that this client sends is refused (429) until midnight UTC.",
            metric=cloudwatch.Metric(
                namespace=NAMESPACE,
                metric_name=CALLS_OVER_QUOTA.name,
                statistic="Sum",
                period=MINUTE,
            ),
            threshold=0,
            # One call is enough; a client that calls now and then is one alert, not many.
            datapoints=(1, 60),
            no_data=harmless("Nobody called who has used up a quota."),
        ),
    ]
