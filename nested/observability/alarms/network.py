"""The NAT gateways, and the firewall at the edge."""

from __future__ import annotations

from aws_cdk import Aws
from aws_cdk import aws_cloudwatch as cloudwatch

from building_blocks.alert import Severity
from config import ProductionConfig
from nested.network import NetworkOutputs
from nested.observability.alarms.metric_alarm import MINUTE, MetricAlarm, harmless

_FAMILY = "network"
_IMPACT = "Calls to AWS's services from one zone are slow or fail; payments are queued."
_CARRIES_NOTHING = harmless("A gateway that carries nothing reports nothing.")
# Fewer a minute are a share of nothing when a gateway carries little.
_FEW_DROPS = 10


def nat_gateway_alarms(config: ProductionConfig, network: NetworkOutputs) -> list[MetricAlarm]:
    return [
        alarm
        for number, gateway in enumerate(network.nat_gateway_ids, start=1)
        for alarm in (_ports(number, gateway), _drops(config, number, gateway))
    ]


def _ports(number: int, gateway: str) -> MetricAlarm:
    return MetricAlarm(
        name="nat-port-allocation-errors",
        subject=str(number),
        family=_FAMILY,
        severity=Severity.CRITICAL,
        summary=(
            f"NAT gateway {number} had no source port left for a connection, in three minutes of "
            "five."
        ),
        impact=_IMPACT,
        metric=_metric(gateway, "ErrorPortAllocation"),
        threshold=0,
        label=f"gateway {number}",
        no_data=_CARRIES_NOTHING,
    )


def _drops(config: ProductionConfig, number: int, gateway: str) -> MetricAlarm:
    """Amazon VPC user guide, "Monitor NAT gateways using Amazon CloudWatch": the share of all
    packets is what matters."""
    limit = config.alarm_nat_drops_per_million
    return MetricAlarm(
        name="nat-packets-dropped",
        subject=str(number),
        family=_FAMILY,
        severity=Severity.WARNING,
        summary=(
            f"NAT gateway {number} dropped more than {limit} of a million packets, in three "
            "minutes of five."
        ),
        impact=_IMPACT,
        metric=cloudwatch.MathExpression(
            expression=(
                f"IF(dropped_{number} > {_FEW_DROPS}, 1000000 * dropped_{number} / "
                f"(from_inside_{number} + from_outside_{number}), 0)"
            ),
            period=MINUTE,
            using_metrics={
                f"dropped_{number}": _metric(gateway, "PacketsDropCount"),
                f"from_inside_{number}": _metric(gateway, "PacketsInFromSource"),
                f"from_outside_{number}": _metric(gateway, "PacketsInFromDestination"),
            },
        ),
        threshold=limit,
        label=f"gateway {number}",
        no_data=_CARRIES_NOTHING,
    )


def _metric(gateway: str, name: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace="AWS/NATGateway",
        metric_name=name,
        dimensions_map={"NatGatewayId": gateway},
        statistic="Sum",
        period=MINUTE,
    )


def edge_alarms(config: ProductionConfig) -> list[MetricAlarm]:
    return [
        MetricAlarm(
            name="waf-blocked-requests",
            family="edge",
            severity=Severity.WARNING,
            summary=(
                f"WAF blocked more than {config.alarm_blocked_requests} requests a minute, "
                "in three minutes of five."
            ),
            impact="None if it is an attack; if a rule is wrong, clients get 403.",
            metric=cloudwatch.Metric(
                namespace="AWS/WAFV2",
                metric_name="BlockedRequests",
                # The name of the web ACL's metric, in nested/compute/web_firewall.py.
                dimensions_map={"WebACL": "payments", "Region": Aws.REGION, "Rule": "ALL"},
                statistic="Sum",
                period=MINUTE,
            ),
            threshold=config.alarm_blocked_requests,
            no_data=harmless("WAF reports these only when it blocks something."),
        )
    ]
