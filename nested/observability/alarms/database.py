"""The ledger's database. It has no replica that could lag: its failovers are events."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from building_blocks.alert import Severity
from config import DATABASE_MAX_CONNECTIONS, ProductionConfig
from nested.data import DataOutputs
from nested.observability.alarms.metric_alarm import (
    AT_ONCE,
    BELOW,
    MINUTE,
    OUTLASTING,
    MetricAlarm,
    alarming,
    harmless,
)
from nested.observability.log_metrics import NAMESPACE, schema_changes

_FAMILY = "database"
_GIB = 1024**3
_MIB = 1024**2
# One alarm for a database that is gone, not seven.
_TOLD = harmless("A database that reports nothing is told by database-cpu.")


def database_alarms(config: ProductionConfig, data: DataOutputs) -> list[MetricAlarm]:
    instance = data.ledger.instance
    connections = int(DATABASE_MAX_CONNECTIONS * config.alarm_connections_percent / 100)
    latency = config.alarm_storage_latency_milliseconds
    return [
        MetricAlarm(
            name="database-cpu",
            label="CPU",
            family=_FAMILY,
            severity=Severity.CRITICAL,
            summary=(
                f"The ledger's database uses more than {config.alarm_cpu_percent} % of its CPU, "
                "or reports nothing at all, in five minutes of ten."
            ),
            impact="Payments are posted slowly, or are queued (202).",
            metric=instance.metric_cpu_utilization(period=MINUTE),
            threshold=config.alarm_cpu_percent,
            datapoints=OUTLASTING,
            no_data=alarming("A database reports this every minute, or it is not there."),
        ),
        MetricAlarm(
            name="database-connections",
            family=_FAMILY,
            severity=Severity.CRITICAL,
            summary=(
                f"More than {connections} of the database's {DATABASE_MAX_CONNECTIONS} "
                "connections are open; it will soon refuse more."
            ),
            impact="None yet; payments that get no connection are queued (202).",
            metric=instance.metric_database_connections(statistic="Maximum", period=MINUTE),
            threshold=connections,
            no_data=_TOLD,
        ),
        MetricAlarm(
            name="database-free-storage",
            family=_FAMILY,
            severity=Severity.CRITICAL,
            summary=(
                f"Less than {config.alarm_free_storage_gib} GiB are free: the storage did not "
                "grow by itself."
            ),
            impact="None yet; a full database stops, and payments are queued (202).",
            metric=instance.metric_free_storage_space(statistic="Minimum", period=MINUTE),
            comparison=BELOW,
            threshold=config.alarm_free_storage_gib * _GIB,
            no_data=_TOLD,
        ),
        MetricAlarm(
            name="database-freeable-memory",
            family=_FAMILY,
            severity=Severity.WARNING,
            summary=(
                f"Less than {config.alarm_freeable_memory_mib} MiB of memory are free: "
                "PostgreSQL is about to swap."
            ),
            impact="None yet; every payment will be slower.",
            metric=instance.metric_freeable_memory(period=MINUTE),
            comparison=BELOW,
            threshold=config.alarm_freeable_memory_mib * _MIB,
            no_data=_TOLD,
        ),
        MetricAlarm(
            name="database-cpu-credits",
            family=_FAMILY,
            severity=Severity.WARNING,
            summary=(
                f"For an hour the database has had fewer than {config.alarm_cpu_credits} CPU "
                "credits: it is too small for its load, and charged for the rest."
            ),
            impact="None while it is charged for; the database is close to its limit.",
            # Burstable instances report this every five minutes. A new one starts with none and
            # earns 24 an hour, so only an hour without counts.
            metric=instance.metric("CPUCreditBalance", period=Duration.minutes(5)),
            comparison=BELOW,
            threshold=config.alarm_cpu_credits,
            datapoints=(12, 15),
            no_data=_TOLD,
        ),
        *(
            MetricAlarm(
                name=f"database-{kind}-latency",
                label=kind,
                family=_FAMILY,
                severity=Severity.WARNING,
                summary=f"The database's storage takes longer than {latency} ms to {kind}.",
                impact="Payments are posted slowly.",
                metric=instance.metric(metric, period=MINUTE),
                threshold=latency / 1000,
                no_data=_TOLD,
            )
            for kind, metric in (("read", "ReadLatency"), ("write", "WriteLatency"))
        ),
        MetricAlarm(
            name="database-transaction-ids",
            family=_FAMILY,
            severity=Severity.WARNING,
            summary=(
                f"More than {config.alarm_transaction_ids_million} million transaction ids are in "
                "use: vacuum does not free them."
            ),
            impact="None yet; at two thousand million PostgreSQL refuses every change.",
            metric=instance.metric("MaximumUsedTransactionIDs", statistic="Maximum", period=MINUTE),
            threshold=config.alarm_transaction_ids_million * 1_000_000,
            no_data=_TOLD,
        ),
        *(
            MetricAlarm(
                name="database-ebs-balance",
                subject=kind,
                family=_FAMILY,
                severity=Severity.WARNING,
                summary=(
                    f"Less than {config.alarm_ebs_balance_percent} % is left of what the instance "
                    f"may burst to its storage in {kind}."
                ),
                impact="None yet; then the storage is slow, and with it every payment.",
                # gp3 has no balance of its own (BurstBalance): this is the instance's, of those
                # that burst. Every five minutes, as their CPU credits.
                metric=instance.metric(metric, period=Duration.minutes(5)),
                comparison=BELOW,
                threshold=config.alarm_ebs_balance_percent,
                datapoints=(3, 6),
                no_data=harmless("The instance does not burst, or database-cpu tells."),
            )
            for kind, metric in (("operations", "EBSIOBalance%"), ("bytes", "EBSByteBalance%"))
        ),
        MetricAlarm(
            name="ledger-schema-changed",
            label="statements that change the schema or rights",
            family=_FAMILY,
            # Also after a release that brings a migration, which must not wake anybody: what rows
            # say is watched on its own (ledger-imbalance, reconcile).
            severity=Severity.WARNING,
            summary="The ledger's schema, users or rights were changed.",
            impact="None at once; without its triggers the ledger is not append-only.",
            metric=cloudwatch.Metric(
                namespace=NAMESPACE,
                metric_name=schema_changes(data.ledger.IDENTIFIER).name,
                statistic="Sum",
                period=MINUTE,
            ),
            threshold=0,
            datapoints=AT_ONCE,
            no_data=harmless("A line is counted only when there is one."),
        ),
    ]
