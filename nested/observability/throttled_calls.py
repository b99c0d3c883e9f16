"""A metric of the calls that were refused with 429, which API Gateway has none of.

Its own metrics count them with all other errors of clients. The access log has each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aws_cdk import aws_logs as logs
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class _Name:
    namespace: str
    name: str


THROTTLED_CALLS: Final = _Name(namespace="Payments", name="CallsThrottled")


class ThrottledCalls(logs.MetricFilter):
    """Counts the lines of the API's access log with status 429: too many requests, or a used-up
    quota."""

    def __init__(self, scope: Construct, construct_id: str, *, access_log: str) -> None:
        super().__init__(
            scope,
            construct_id,
            log_group=logs.LogGroup.from_log_group_name(scope, "AccessLog", access_log),
            # API Gateway writes every value as a string.
            filter_pattern=logs.FilterPattern.string_value("$.status", "=", "429"),
            metric_namespace=THROTTLED_CALLS.namespace,
            metric_name=THROTTLED_CALLS.name,
            metric_value="1",
        )
