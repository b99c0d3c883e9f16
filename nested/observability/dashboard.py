"""The one dashboard (R12): alarm states, then the three views that were asked for, then the rest in
the order in which an incident asks."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from building_blocks.alert import Severity
from nested.compute import ComputeOutputs
from nested.data import DataOutputs
from nested.network import NetworkOutputs
from nested.observability.alarms import MetricAlarm
from nested.observability.alarms.business import reported
from nested.observability.alarms.metric_alarm import MINUTE
from nested.observability.alerts_topic import AlertsTopic
from nested.observability.monitoring import Alarms

_WIDTH = 24  # of a dashboard, in CloudWatch's grid
_THIRD, _HALF = _WIDTH // 3, _WIDTH // 2
_HEIGHT = 6

_Metric = cloudwatch.Metric | cloudwatch.MathExpression


class PaymentsDashboard(Construct):
    """Such as ``payments-production``; the thresholds of alarms are lines in their graphs."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        watched: Sequence[MetricAlarm],
        alarms: Alarms,
        network: NetworkOutputs,
        data: DataOutputs,
        compute: ComputeOutputs,
        topic: AlertsTopic,
    ) -> None:
        super().__init__(scope, construct_id)
        self._watched = watched
        self._dashboard = cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=name,
            default_interval=Duration.hours(3),
            period_override=cloudwatch.PeriodOverride.INHERIT,
        )
        self._add_alarm_states(alarms)
        self._add_required_views(compute)
        self._add_traffic(compute)
        self._add_money()
        self._add_queues()
        self._add_database(data)
        self._add_network(network)
        self._add_alerts_and_cost(topic)

    def _add_alarm_states(self, alarms: Alarms) -> None:
        self._head("Alarm states")
        self._row(
            cloudwatch.AlarmStatusWidget(
                title="Critical, summed up by payments-system-health",
                alarms=[*alarms.health, *alarms.by_severity[Severity.CRITICAL]],
                width=_HALF,
                height=8,
            ),
            cloudwatch.AlarmStatusWidget(
                title="Warnings",
                alarms=alarms.by_severity[Severity.WARNING],
                width=_HALF,
                height=8,
            ),
        )

    def _add_required_views(self, compute: ComputeOutputs) -> None:
        stage = compute.api.deployment_stage
        self._head("API latency, function error rates, database CPU")
        self._row(
            self._graph(
                "API latency",
                *(
                    stage.metric_latency(statistic=statistic, period=MINUTE, label=statistic)
                    for statistic in ("p50", "p90")
                ),
                stage.metric_latency(statistic="p99", period=MINUTE, label="p99"),
                limits="api-latency",
                unit="milliseconds",
            ),
            self._graph(
                "Function error rates",
                *(
                    function.metric_errors(statistic="Average", period=MINUTE, label=name)
                    for name, function in (
                        ("payment-validator", compute.payment_validator),
                        ("payment-processor", compute.payment_processor),
                        ("audit-logger", compute.audit_logger),
                    )
                ),
                limits="function-errors",
                unit="share of calls",
            ),
            self._watch("Ledger database: CPU", "database-cpu", unit="percent", highest=100),
        )

    def _add_traffic(self, compute: ComputeOutputs) -> None:
        stage = compute.api.deployment_stage
        self._head("Traffic")
        self._row(
            self._graph(
                "API calls",
                stage.metric_count(statistic="SampleCount", period=MINUTE, label="calls"),
                unit="a minute",
            ),
            self._graph(
                "API error rates",
                stage.metric_server_error(statistic="Average", period=MINUTE, label="5xx"),
                stage.metric_client_error(statistic="Average", period=MINUTE, label="4xx"),
                limits="api-server-errors",
                unit="share of calls",
            ),
            self._graph(
                "API calls refused with 429",
                *self._graphed("api-throttled", "quota-exceeded"),
                limits="api-throttled",
                unit="calls",
            ),
        )
        self._row(
            self._watch("Function duration, longest", "function-duration", unit="milliseconds"),
            self._watch("Function concurrency", "function-concurrency", unit="executions"),
            self._watch("Function throttles", "function-throttles", unit="calls"),
        )

    def _add_money(self) -> None:
        self._head("Money")
        self._row(
            self._graph(
                "Payments",
                reported("PaymentsApproved", "payment-validator", label="approved"),
                reported("PaymentsDeclined", "payment-validator", label="declined"),
                reported("PaymentsProcessed", "payment-processor", label="posted"),
                reported("PaymentsQueued", "payment-processor", label="queued"),
                reported("PaymentsGivenUp", "payment-processor", label="given up"),
                unit="a minute",
            ),
            self._graph(
                "Amount posted, by currency",
                _each("AmountProcessed", "currency"),
                unit="minor units a minute",
            ),
            self._graph(
                "Declines, by reason", _each("PaymentsDeclined", "reason"), unit="a minute"
            ),
        )
        self._row(
            self._watch("Decline rate", "decline-rate", unit="percent", highest=100),
            self._watch("Requests without a payment", "nothing-processed"),
            self._graph(
                "Must be zero",
                *self._graphed("ledger-imbalance", "history-changed", "audit-trail-forged"),
                unit="entries, items, objects",
            ),
        )
        self._row(
            self._graph(
                "Must be zero: found at night",
                *self._graphed("stores-differ", "audit-trail-broken"),
                unit="differences, objects",
            ),
            self._watch("Reports of the night", "reconciliation-missing"),
        )

    def _add_queues(self) -> None:
        self._head("Queues")
        set_aside = (
            "retry-dead-letter-queue",
            "audit-failure-queue",
            "failed-invocations-queue",
            "undelivered-alerts-queue",
        )
        self._row(
            self._watch("Payments to retry", "retry-queue-backlog", unit="payments"),
            self._watch("Payments to retry: age", "retry-queue-age", unit="seconds"),
            self._graph(
                "Set aside, for a person",
                *self._graphed(*set_aside),
                unit="messages",
            ),
        )
        self._row(
            self._watch("Outbox: age", "outbox-age", unit="seconds"),
            self._watch("Audit trail: age of the stream", "stream-age", unit="milliseconds"),
            self._graph(
                "Audit trail: records",
                reported("RecordsAudited", "audit-logger", label="audited"),
                unit="a minute",
            ),
        )
        self._row(
            self._watch("Audit trail: fed", "audit-trail-not-fed"),
            self._graph(
                "Must be zero: lost, or not called",
                *self._graphed("function-events-lost", "sweep-not-called"),
                unit="events",
            ),
        )

    def _add_database(self, data: DataOutputs) -> None:
        self._head("Database and table")
        self._row(
            self._watch("Ledger database: connections", "database-connections"),
            self._watch("Ledger database: free storage", "database-free-storage", unit="bytes"),
            self._watch(
                "Ledger database: freeable memory", "database-freeable-memory", unit="bytes"
            ),
        )
        self._row(
            self._watch("Ledger database: CPU credits", "database-cpu-credits"),
            self._graph(
                "Ledger database: storage latency",
                *self._graphed("database-read-latency", "database-write-latency"),
                limits="database-write-latency",
                unit="seconds",
            ),
            self._graph(
                "Transactions table: errors and throttles",
                *self._graphed(
                    "table-system-errors", "table-read-throttles", "table-write-throttles"
                ),
                unit="requests",
            ),
        )
        self._row(
            self._watch(
                "Ledger database: EBS balance", "database-ebs-balance", unit="percent", highest=100
            ),
            self._watch("Ledger database: transaction ids", "database-transaction-ids"),
        )
        table = data.transactions_table
        self._row(
            self._graph(
                "Transactions table: latency",
                *(
                    table.metric_successful_request_latency(
                        dimensions_map={"TableName": table.table_name, "Operation": operation},
                        statistic="Average",
                        period=MINUTE,
                        label=operation,
                    )
                    for operation in ("GetItem", "PutItem")
                ),
                unit="milliseconds",
            ),
            self._graph(
                "Transactions table: consumed capacity",
                table.metric_consumed_read_capacity_units(period=MINUTE, label="read"),
                table.metric_consumed_write_capacity_units(period=MINUTE, label="write"),
                unit="units a minute",
            ),
        )

    def _add_network(self, network: NetworkOutputs) -> None:
        self._head("Network")
        self._row(
            self._watch("NAT gateways: port allocation errors", "nat-port-allocation-errors"),
            self._watch("NAT gateways: packets dropped", "nat-packets-dropped"),
            self._graph(
                "WAF",
                *(
                    cloudwatch.Metric(
                        namespace="AWS/WAFV2",
                        metric_name=f"{decision}Requests",
                        dimensions_map={"WebACL": "payments", "Region": Aws.REGION, "Rule": "ALL"},
                        statistic="Sum",
                        period=MINUTE,
                        label=decision.lower(),
                    )
                    for decision in ("Allowed", "Blocked")
                ),
                limits="waf-blocked-requests",
                unit="requests",
            ),
        )
        self._row(
            self._graph(
                "NAT gateways: data to the internet",
                *_by_gateway(network, "BytesOutToDestination"),
                unit="bytes a minute",
                width=_HALF,
            ),
            self._graph(
                "NAT gateways: connections",
                *_by_gateway(network, "ActiveConnectionCount", "Maximum"),
                width=_HALF,
            ),
        )

    def _add_alerts_and_cost(self, topic: AlertsTopic) -> None:
        self._head("Alerts and cost")
        self._row(
            self._graph(
                "Alerts",
                topic.metric_number_of_notifications_delivered(
                    statistic="Sum", period=MINUTE, label="delivered"
                ),
                topic.metric_number_of_notifications_failed(
                    statistic="Sum", period=MINUTE, label="failed"
                ),
                unit="mails",
            ),
            self._graph(
                "Account's charges this month, estimated",
                # Of the whole account, in us-east-1 only, once the owner has switched on billing
                # alerts; AWS brings it up to date every few hours.
                cloudwatch.Metric(
                    namespace="AWS/Billing",
                    metric_name="EstimatedCharges",
                    dimensions_map={"Currency": "USD"},
                    statistic="Maximum",
                    period=Duration.hours(6),
                    label="USD",
                ),
                unit="USD",
            ),
            self._graph(
                "Logs taken in",
                cloudwatch.Metric(
                    namespace="AWS/Logs",
                    metric_name="IncomingBytes",
                    statistic="Sum",
                    period=Duration.minutes(5),
                    label="all log groups",
                ),
                unit="bytes in five minutes",
            ),
        )

    def _head(self, text: str) -> None:
        self._row(cloudwatch.TextWidget(markdown=f"# {text}", width=_WIDTH, height=1))

    def _row(self, *widgets: cloudwatch.IWidget) -> None:
        self._dashboard.add_widgets(*widgets)

    def _named(self, name: str) -> list[MetricAlarm]:
        found = [alarm for alarm in self._watched if alarm.name == name]
        if not found:
            raise ValueError(f"no alarm is named {name}")
        return found

    def _graphed(self, *names: str) -> list[_Metric]:
        """What the alarms of these names watch."""
        return [alarm.graphed() for name in names for alarm in self._named(name)]

    def _watch(
        self, title: str, name: str, *, unit: str = "", highest: float | None = None
    ) -> cloudwatch.GraphWidget:
        """A graph of what the alarms of one name watch."""
        return self._graph(title, *self._graphed(name), limits=name, unit=unit, highest=highest)

    def _graph(
        self,
        title: str,
        *metrics: _Metric,
        limits: str = "",
        unit: str = "",
        highest: float | None = None,
        width: int = _THIRD,
    ) -> cloudwatch.GraphWidget:
        """
        :param limits: name of the alarms whose thresholds are shown.
        """
        thresholds = {alarm.threshold for alarm in self._named(limits)} if limits else set()
        return cloudwatch.GraphWidget(
            title=title,
            left=list(metrics),
            left_annotations=[
                cloudwatch.HorizontalAnnotation(
                    value=threshold, label=f"alarm: {limits}", color=cloudwatch.Color.RED
                )
                for threshold in sorted(thresholds)
            ],
            left_y_axis=cloudwatch.YAxisProps(
                label=unit or None, show_units=False, min=0, max=highest
            ),
            legend_position=cloudwatch.LegendPosition.BOTTOM,
            width=width,
            height=_HEIGHT,
        )


def _each(metric: str, dimension: str) -> cloudwatch.MathExpression:
    """A metric's series for each value of a dimension, whichever there are."""
    return cloudwatch.MathExpression(
        expression=f"SEARCH('{{Payments,service,{dimension}}} MetricName=\"{metric}\"', 'Sum', 60)",
        using_metrics={},
        label="",
        period=MINUTE,
    )


def _by_gateway(
    network: NetworkOutputs, metric: str, statistic: str = "Sum"
) -> list[cloudwatch.Metric]:
    return [
        cloudwatch.Metric(
            namespace="AWS/NATGateway",
            metric_name=metric,
            dimensions_map={"NatGatewayId": gateway},
            statistic=statistic,
            period=MINUTE,
            label=f"gateway {number}",
        )
        for number, gateway in enumerate(network.nat_gateway_ids, start=1)
    ]
