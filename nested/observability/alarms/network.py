"""The NAT gateways, and the firewall at the edge."""

from __future__ import annotations

from aws_cdk import Aws
from aws_cdk import aws_cloudwatch as cloudwatch

from building_blocks.alert import Severity
from config import ProductionConfig
from nested.network import NetworkOutputs
from nested.observability.alarms.metric_alarm import MINUTE, MetricAlarm, harmless


def nat_gateway_alarms(network: NetworkOutputs) -> list[MetricAlarm]:
    return [
        MetricAlarm(
            name=name,
            subject=str(number),
            family="network",
            severity=severity,
            summary=f"NAT gateway {number} {fault}, in three minutes of five.",
            impact="Calls to AWS's services from one zone are slow or fail; payments are queued.",
            metric=cloudwatch.Metric(
                namespace="AWS/NATGateway",
                metric_name=metric,
                dimensions_map={"NatGatewayId": gateway},
                statistic="Sum",
                period=MINUTE,
            ),
            threshold=0,
            label=f"gateway {number}",
            no_data=harmless("A gateway that carries nothing reports nothing."),
        )
        for number, gateway in enumerate(network.nat_gateway_ids, start=1)
        for name, severity, metric, fault in (
            (
                "nat-port-allocation-errors",
                Severity.CRITICAL,
                "ErrorPortAllocation",
                "had no source port left for a connection",
            ),
            ("nat-packets-dropped", Severity.WARNING, "PacketsDropCount", "dropped packets"),
        )
    ]


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
