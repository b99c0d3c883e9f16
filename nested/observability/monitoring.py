"""Alarms on every critical metric (R14), and the dashboard (R12)."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from cdk_monitoring_constructs import (
    AlarmFactoryDefaults,
    CustomMetricGroup,
    CustomMetricWithAlarm,
    CustomThreshold,
    DefaultDashboardFactory,
    ErrorCountThreshold,
    ErrorRateThreshold,
    LatencyThreshold,
    MaxAgeThreshold,
    MaxMessageCountThreshold,
    MetricFactoryDefaults,
    MonitoringFacade,
    NotificationsFailedThreshold,
    RunningTaskCountThreshold,
    SnsAlarmActionStrategy,
    UsageThreshold,
)
from constructs import Construct

from config import (
    DATABASE_MAX_CONNECTIONS,
    FUNCTION_TIMEOUT_SECONDS,
    ProductionConfig,
)
from nested.compute import ComputeOutputs
from nested.data import DataOutputs
from nested.network import NetworkOutputs
from nested.observability.alerts_topic import AlertsTopic

DASHBOARD_NAME = "payments-production"

_GIB = 1024**3
_MINUTE = Duration.minutes(1)
_BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
_ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
_ANY = "Alarm"
"""The library's disambiguator, where one alarm of a kind is enough."""


@dataclass(frozen=True, kw_only=True)
class _Watched:
    """A metric that the library has no alarm of its own for."""

    name: str
    metric: cloudwatch.Metric | cloudwatch.MathExpression
    comparison: cloudwatch.ComparisonOperator
    threshold: float
    description: str
    datapoints: tuple[int, int] = (3, 5)
    """How many bad ones of how many make the alarm."""
    no_data: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING
    """What it means when nothing is published: usually, that nothing happened."""


class PaymentsMonitoring(Construct):
    """One dashboard and all alarms; each alarm, and its recovery, goes to the alerts topic."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: ProductionConfig,
        network: NetworkOutputs,
        data: DataOutputs,
        compute: ComputeOutputs,
        topic: AlertsTopic,
    ) -> None:
        super().__init__(scope, construct_id)
        self._facade = MonitoringFacade(
            self,
            "Facade",
            alarm_factory_defaults=AlarmFactoryDefaults(
                actions_enabled=True,
                alarm_name_prefix="payments",
                action=SnsAlarmActionStrategy(on_alarm_topic=topic, on_ok_topic=topic),
                # Three bad minutes in five: one bad minute wakes nobody, a flapping fault does.
                evaluation_periods=5,
                datapoints_to_alarm=3,
            ),
            metric_factory_defaults=MetricFactoryDefaults(period=_MINUTE),
            dashboard_factory=DefaultDashboardFactory(
                self,
                "Dashboards",
                dashboard_name_prefix=DASHBOARD_NAME,
                create_dashboard=True,
                create_summary_dashboard=False,
                create_alarm_dashboard=False,
            ),
        )
        # The three views that R12 asks for come first.
        self._watch_api(compute)
        self._watch_functions(config, compute)
        self._watch_database(data)
        self._watch_queues(data, topic.undelivered)
        self._watch_table(data)
        self._watch_nat_gateways(network)
        self._facade.monitor_sns_topic(
            topic=topic,
            alarm_friendly_name="alerts-topic",
            human_readable_name="Alerts topic",
            add_message_notifications_failed_alarm={
                _ANY: NotificationsFailedThreshold(
                    max_notifications_failed_count=0, evaluation_periods=1, datapoints_to_alarm=1
                )
            },
        )

    def _watch_api(self, compute: ComputeOutputs) -> None:
        self._facade.add_large_header("API")
        self._facade.monitor_api_gateway(
            api=compute.api,
            api_stage=compute.api.deployment_stage.stage_name,
            alarm_friendly_name="api",
            human_readable_name="Payments API",
            # One failed call in a hundred.
            add5_xx_fault_rate_alarm={_ANY: ErrorRateThreshold(max_error_rate=0.01)},
            # Clients' mistakes are theirs, until every second call is one.
            add4_xx_error_rate_alarm={_ANY: ErrorRateThreshold(max_error_rate=0.5)},
            add_latency_p99_alarm={_ANY: LatencyThreshold(max_latency=Duration.seconds(3))},
        )

    def _watch_functions(self, config: ProductionConfig, compute: ComputeOutputs) -> None:
        self._facade.add_large_header("Functions")
        for function, concurrency in (
            (compute.payment_validator, config.validator_concurrency),
            (compute.payment_processor, config.processor_concurrency),
        ):
            self._watch_function(function, concurrency)
        self._watch_function(
            compute.audit_logger,
            config.audit_logger_concurrency,
            # A quarter of an hour without audit; the stream keeps its records for a day.
            max_iterator_age=Duration.minutes(15),
        )

    def _watch_function(
        self,
        function: lambda_.Function,
        concurrency: int,
        *,
        max_iterator_age: Duration | None = None,
    ) -> None:
        name = function.node.path.split("/")[-2]
        self._facade.monitor_lambda_function(
            lambda_function=function,
            alarm_friendly_name=name,
            human_readable_name=name,
            add_fault_rate_alarm={_ANY: ErrorRateThreshold(max_error_rate=0.01)},
            # Reserved concurrency is there so that this never happens (R6).
            add_throttles_count_alarm={
                _ANY: ErrorCountThreshold(
                    max_error_count=0, evaluation_periods=1, datapoints_to_alarm=1
                )
            },
            add_max_latency_alarm={
                _ANY: LatencyThreshold(max_latency=Duration.seconds(FUNCTION_TIMEOUT_SECONDS * 0.8))
            },
            add_concurrent_executions_count_alarm={
                _ANY: RunningTaskCountThreshold(
                    max_running_tasks=int(concurrency * 0.8),
                    treat_missing_data_override=cloudwatch.TreatMissingData.NOT_BREACHING,
                )
            },
            is_iterator=max_iterator_age is not None,
            add_max_iterator_age_alarm=(
                {
                    _ANY: MaxAgeThreshold(
                        max_age_in_millis=max_iterator_age.to_milliseconds(),
                        treat_missing_data_override=cloudwatch.TreatMissingData.NOT_BREACHING,
                    )
                }
                if max_iterator_age
                else None
            ),
        )

    def _watch_database(self, data: DataOutputs) -> None:
        instance = data.ledger.instance
        self._facade.add_large_header("Ledger database")
        self._facade.monitor_rds_instance(
            instance=instance,
            alarm_friendly_name="ledger-database",
            human_readable_name="Ledger database",
            add_cpu_usage_alarm={
                _ANY: UsageThreshold(
                    max_usage_percent=80,
                    # A database publishes this every minute, or it is not there.
                    treat_missing_data_override=cloudwatch.TreatMissingData.BREACHING,
                )
            },
        )
        self._watch(
            "ledger-database",
            "Ledger database: connections, storage, memory, credits, latency",
            # The library has alarms for the first two, but adds up the connections that were
            # seen in a period, and takes the period's most free storage.
            _Watched(
                name="connections",
                metric=instance.metric_database_connections(statistic="Maximum", period=_MINUTE),
                comparison=_ABOVE,
                threshold=DATABASE_MAX_CONNECTIONS * 0.8,
                description="The database will soon refuse connections; payments will be queued",
            ),
            _Watched(
                name="free-storage",
                metric=instance.metric_free_storage_space(statistic="Minimum", period=_MINUTE),
                comparison=_BELOW,
                threshold=10 * _GIB,
                description="Storage did not grow by itself; a full database stops",
            ),
            _Watched(
                name="freeable-memory",
                metric=instance.metric_freeable_memory(period=_MINUTE),
                comparison=_BELOW,
                threshold=_GIB / 4,
                description="PostgreSQL is about to swap; every query will slow down",
            ),
            _Watched(
                name="cpu-credits",
                # Burstable instances publish this every five minutes. A new one starts with
                # none and earns 24 an hour, so only an hour without counts.
                metric=instance.metric("CPUCreditBalance", period=Duration.minutes(5)),
                comparison=_BELOW,
                threshold=10,
                description="A t3 without credits is charged for what it uses: it is too small",
                datapoints=(12, 12),
            ),
            _Watched(
                name="read-latency",
                metric=instance.metric("ReadLatency", period=_MINUTE),
                comparison=_ABOVE,
                threshold=0.05,
                description="Reads from storage take longer than 50 ms",
            ),
            _Watched(
                name="write-latency",
                metric=instance.metric("WriteLatency", period=_MINUTE),
                comparison=_ABOVE,
                threshold=0.05,
                description="Writes to storage take longer than 50 ms",
            ),
        )

    def _watch_queues(self, data: DataOutputs, undelivered_alerts: sqs.IQueue) -> None:
        self._facade.add_large_header("Queues")
        # One such message is one too many.
        not_empty = MaxMessageCountThreshold(
            max_message_count=0, evaluation_periods=1, datapoints_to_alarm=1
        )
        self._facade.monitor_sqs_queue_with_dlq(
            queue=data.retry_queue,
            dead_letter_queue=data.retry_dead_letter_queue,
            alarm_friendly_name="retry-queue",
            human_readable_name="Payments to retry",
            add_dead_letter_queue_max_size_alarm={_ANY: not_empty},
        )
        queue = data.retry_queue
        self._watch(
            "retry-queue",
            "Payments to retry: backlog and consumer",
            _Watched(
                name="backlog",
                # A message that keeps failing is mostly in flight, and SQS leaves it out of the
                # age of the oldest one after three tries: so both counts are watched.
                metric=cloudwatch.MathExpression(
                    expression="FILL(waiting, 0) + FILL(in_flight, 0)",
                    label="Payments waiting or being retried",
                    period=_MINUTE,
                    using_metrics={
                        "waiting": queue.metric_approximate_number_of_messages_visible(
                            statistic="Maximum", period=_MINUTE
                        ),
                        "in_flight": queue.metric_approximate_number_of_messages_not_visible(
                            statistic="Maximum", period=_MINUTE
                        ),
                    },
                ),
                comparison=_ABOVE,
                threshold=0,
                description="Payments have waited for ten minutes: the ledger may be away",
                datapoints=(10, 10),
            ),
            _Watched(
                name="oldest-message",
                metric=queue.metric_approximate_age_of_oldest_message(
                    statistic="Maximum", period=_MINUTE
                ),
                comparison=_ABOVE,
                threshold=300,
                description="Nothing takes payments from the retry queue",
            ),
        )
        for set_aside, name, title in (
            (data.audit_failure_queue, "audit-failure-queue", "Records not audited"),
            (data.failed_invocations_queue, "failed-invocations", "Failed invocations"),
            # Told through the same topic: a mail that was lost does not mean that all are.
            (undelivered_alerts, "undelivered-alerts", "Alerts that reached nobody"),
        ):
            self._facade.monitor_sqs_queue(
                queue=set_aside,
                alarm_friendly_name=name,
                human_readable_name=title,
                add_queue_max_size_alarm={_ANY: not_empty},
            )

    def _watch_table(self, data: DataOutputs) -> None:
        self._facade.add_large_header("Transactions table")
        self._facade.monitor_dynamo_table(
            table=data.transactions_table,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            alarm_friendly_name="transactions-table",
            human_readable_name="Transactions table",
        )
        table = data.transactions_table
        # DynamoDB publishes these only when they happen, an operation at a time; the library's
        # sum over all operations has no value unless every one of them failed.
        self._watch(
            "transactions-table",
            "Transactions table: errors and throttles",
            *(
                _Watched(
                    name=f"{name}-{operation}",
                    metric=table.metric(
                        metric,
                        dimensions_map={"TableName": table.table_name, "Operation": operation},
                        statistic="Sum",
                        period=_MINUTE,
                    ),
                    comparison=_ABOVE,
                    threshold=0,
                    description=description,
                    datapoints=(1, 1),
                )
                for name, metric, description, operations in (
                    (
                        "system-errors",
                        "SystemErrors",
                        "DynamoDB fails; payments get 503 or wait in the outbox",
                        ("GetItem", "PutItem", "GetRecords"),
                    ),
                    (
                        "throttles",
                        "ThrottledRequests",
                        "DynamoDB refuses requests; payments get 503 or wait in the outbox",
                        ("GetItem", "PutItem"),
                    ),
                )
                for operation in operations
            ),
        )

    def _watch_nat_gateways(self, network: NetworkOutputs) -> None:
        self._facade.add_large_header("Network")
        for number, gateway in enumerate(network.nat_gateway_ids, start=1):
            self._watch(
                f"nat-gateway-{number}",
                f"NAT gateway {number}",
                *(
                    _Watched(
                        name=name,
                        metric=cloudwatch.Metric(
                            namespace="AWS/NATGateway",
                            metric_name=metric,
                            dimensions_map={"NatGatewayId": gateway},
                            statistic="Sum",
                            period=_MINUTE,
                        ),
                        comparison=_ABOVE,
                        threshold=0,
                        description=description,
                    )
                    for name, metric, description in (
                        (
                            "port-allocation-errors",
                            "ErrorPortAllocation",
                            "The gateway has no source port left; calls to AWS fail",
                        ),
                        (
                            "packets-dropped",
                            "PacketsDropCount",
                            "The gateway drops packets; calls to AWS are slow or fail",
                        ),
                    )
                ),
            )

    def _watch(self, friendly_name: str, title: str, *watched: _Watched) -> None:
        """Puts metrics on the dashboard, a graph each, with an alarm each."""
        self._facade.monitor_custom(
            alarm_friendly_name=friendly_name,
            human_readable_name=title,
            metric_groups=[
                CustomMetricGroup(
                    title=item.name.replace("-", " ").capitalize(),
                    metrics=[
                        CustomMetricWithAlarm(
                            metric=item.metric,
                            alarm_friendly_name=item.name,
                            add_alarm={
                                _ANY: CustomThreshold(
                                    threshold=item.threshold,
                                    comparison_operator=item.comparison,
                                    additional_description=item.description,
                                    datapoints_to_alarm=item.datapoints[0],
                                    evaluation_periods=item.datapoints[1],
                                    treat_missing_data_override=item.no_data,
                                    dedupe_string=f"{friendly_name}-{item.name}",
                                )
                            },
                        )
                    ],
                )
                for item in watched
            ],
        )
