"""The observability stack: alerts topic, alarms and dashboard."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import NestedStack
from aws_cdk import aws_sns as sns
from constructs import Construct

from config import ProductionConfig
from nested.compute import ComputeOutputs
from nested.data import DataOutputs
from nested.network import NetworkOutputs
from nested.observability.alerts_topic import AlertsTopic
from nested.observability.monitoring import DASHBOARD_NAME, PaymentsMonitoring


@dataclass(frozen=True, kw_only=True)
class ObservabilityOutputs:
    """What the observability layer hands on."""

    alerts_topic: sns.ITopic
    dashboard_name: str


class ObservabilityNestedStack(NestedStack):
    """The dashboard (R12), the alerts topic (R13), and an alarm on every critical metric (R14)."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: ProductionConfig,
        network: NetworkOutputs,
        data: DataOutputs,
        compute: ComputeOutputs,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            description="Payments production, observability: alerts, alarms, dashboard",
        )
        topic = AlertsTopic(
            self, "AlertsTopic", key=network.application_key, email=config.alert_email
        )
        PaymentsMonitoring(
            self,
            "Monitoring",
            config=config,
            network=network,
            data=data,
            compute=compute,
            topic=topic,
        )
        self.layer = ObservabilityOutputs(alerts_topic=topic, dashboard_name=DASHBOARD_NAME)
