"""Every alarm on a metric (R14), a module a family; the list is data that tests and documents
read."""

from __future__ import annotations

from config import ProductionConfig
from nested.compute import ComputeOutputs
from nested.data import DataOutputs
from nested.network import NetworkOutputs
from nested.observability.alarms.alerts import alerts_alarms
from nested.observability.alarms.api import api_alarms
from nested.observability.alarms.business import business_alarms
from nested.observability.alarms.database import database_alarms
from nested.observability.alarms.functions import function_alarms
from nested.observability.alarms.metric_alarm import MetricAlarm
from nested.observability.alarms.network import edge_alarms, nat_gateway_alarms
from nested.observability.alarms.queues import queue_alarms
from nested.observability.alarms.reconciliation import reconciliation_alarms
from nested.observability.alarms.table import table_alarms
from nested.observability.alerts_topic import AlertsTopic

__all__ = ["MetricAlarm", "all_alarms"]


def all_alarms(
    *,
    config: ProductionConfig,
    network: NetworkOutputs,
    data: DataOutputs,
    compute: ComputeOutputs,
    topic: AlertsTopic,
) -> tuple[MetricAlarm, ...]:
    return (
        *api_alarms(config, compute),
        *function_alarms(config, compute),
        *queue_alarms(config, data),
        *table_alarms(config, data),
        *database_alarms(config, data),
        *nat_gateway_alarms(config, network),
        *edge_alarms(config),
        *alerts_alarms(topic),
        *business_alarms(config, compute),
        *reconciliation_alarms(compute),
    )
