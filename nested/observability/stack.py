"""The observability stack: alerts topic, alarms, events, budget, dashboard and saved queries."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import NestedStack
from aws_cdk import aws_sns as sns
from constructs import Construct

from building_blocks.alert import Alert
from config import ProductionConfig
from nested.compute import ComputeOutputs
from nested.data import DataOutputs
from nested.network import NetworkOutputs
from nested.observability.alarms import all_alarms
from nested.observability.alerts_topic import AlertsTopic
from nested.observability.budget import OVER_BUDGET, MonthlyBudget
from nested.observability.dashboard import PaymentsDashboard
from nested.observability.events import EventAlerts
from nested.observability.log_metrics import (
    CALLS_OVER_QUOTA,
    CALLS_THROTTLED,
    LogMetrics,
    schema_changes,
)
from nested.observability.monitoring import SYSTEM_HEALTH, Alarms
from nested.observability.queries import SavedQueries


@dataclass(frozen=True, kw_only=True)
class ObservabilityOutputs:
    """What the observability layer hands on."""

    alerts_topic: sns.ITopic
    dashboard_name: str
    alerts: tuple[Alert, ...]
    """All that the operators are told of, as data for tests and documents."""


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
            description=f"Payments {config.environment}, observability: alerts, alarms, dashboard",
        )
        topic = AlertsTopic(
            self,
            "AlertsTopic",
            environment=config.environment,
            key=network.application_key,
            email=config.alert_email,
        )
        LogMetrics(
            self,
            "LogMetrics",
            CALLS_THROTTLED,
            CALLS_OVER_QUOTA,
            schema_changes(data.ledger.IDENTIFIER),
        )
        watched = all_alarms(
            config=config, network=network, data=data, compute=compute, topic=topic
        )
        alarms = Alarms(self, "Alarms", alarms=watched, topic=topic)
        events = EventAlerts(self, "Events", environment=config.environment, data=data, topic=topic)
        dashboard_name = f"payments-{config.environment}"
        PaymentsDashboard(
            self,
            "Dashboard",
            name=dashboard_name,
            watched=watched,
            alarms=alarms,
            network=network,
            data=data,
            compute=compute,
            topic=topic,
        )
        SavedQueries(self, "Queries")
        if config.monthly_budget_usd:
            MonthlyBudget(self, "MonthlyBudget", config=config)
        self.layer = ObservabilityOutputs(
            alerts_topic=topic,
            dashboard_name=dashboard_name,
            alerts=(*SYSTEM_HEALTH.values(), *watched, *events.alerts, OVER_BUDGET),
        )
