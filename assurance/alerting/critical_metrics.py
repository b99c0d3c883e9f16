"""The critical metrics (R14), written by hand as the specification: what must not pass unseen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CriticalMetric:
    """One line of the list.

    Attributes:
        alerts: names of the alerts that watch it, as in ``Alert.name``.
        settings: of ``config.py``, that say when it is too much; none: one is one too many, or
            the reason stands in ``limit``.
        limit: when it is too much, where no setting says so.
    """

    what: str
    alerts: tuple[str, ...]
    settings: tuple[str, ...] = ()
    limit: str = "any: it must never happen"


def _line(what: str, *alerts: str, of: tuple[str, ...] = (), limit: str = "") -> CriticalMetric:
    return CriticalMetric(
        what=what, alerts=alerts, settings=of, limit=limit or CriticalMetric.limit
    )


_ENOUGH = "alarm_minimum_calls"
_SET_ASIDE = "any: each waits for a person"
_EVENT = "each event"

CRITICAL_METRICS = (
    _line("API: 5xx", "api-server-errors", of=("alarm_server_error_percent",)),
    _line("API: 4xx surge", "api-client-errors", of=("alarm_client_error_percent", _ENOUGH)),
    _line("API: p99 latency", "api-latency", of=("alarm_latency_seconds", _ENOUGH)),
    _line("API: throttled calls", "api-throttled", of=("alarm_throttled_calls",)),
    _line("API: quota used up", "quota-exceeded", limit="a call in an hour: all others fail too"),
    _line("Functions: errors", "function-errors", of=("alarm_function_error_percent",)),
    _line("Functions: throttles", "function-throttles", limit="any: concurrency is reserved (R6)"),
    _line(
        "Functions: duration near the time limit",
        "function-duration",
        of=("alarm_duration_percent",),
    ),
    _line(
        "Functions: concurrency near the reservation",
        "function-concurrency",
        of=("alarm_concurrency_percent",),
    ),
    _line("Stream: iterator age", "stream-age", of=("alarm_stream_age_minutes",)),
    _line(
        "Stream: payments are posted, and nobody audits them",
        "audit-trail-not-fed",
        limit="three quarters of an hour in four: see the alarm",
    ),
    _line("Functions: what failed is lost", "function-events-lost"),
    _line(
        "Sweep: its schedule cannot call it",
        "sweep-not-called",
        limit="any, in three minutes of five",
    ),
    _line("Retry queue: age", "retry-queue-age", of=("alarm_retry_age_seconds",)),
    _line(
        "Retry queue: depth",
        "retry-queue-backlog",
        limit="a message in ten minutes of fifteen: a queue that works is emptied between them",
    ),
    _line(
        "Dead-letter queues: not empty",
        "retry-dead-letter-queue",
        "audit-failure-queue",
        "failed-invocations-queue",
        "undelivered-alerts-queue",
        limit=_SET_ASIDE,
    ),
    _line("Outbox: age", "outbox-age", of=("alarm_outbox_age_seconds",)),
    _line(
        "Table: throttles",
        "table-read-throttles",
        "table-write-throttles",
        limit="any: on demand, there should be none",
    ),
    _line(
        "Table: system errors",
        "table-system-errors",
        of=("alarm_table_errors",),
    ),
    _line("Database: CPU, or no report at all", "database-cpu", of=("alarm_cpu_percent",)),
    _line("Database: connections", "database-connections", of=("alarm_connections_percent",)),
    _line("Database: free storage", "database-free-storage", of=("alarm_free_storage_gib",)),
    _line(
        "Database: freeable memory",
        "database-freeable-memory",
        of=("alarm_freeable_memory_mib",),
    ),
    _line("Database: CPU credits", "database-cpu-credits", of=("alarm_cpu_credits",)),
    _line(
        "Database: read and write latency",
        "database-read-latency",
        "database-write-latency",
        of=("alarm_storage_latency_milliseconds",),
    ),
    _line(
        "Database: transaction ids",
        "database-transaction-ids",
        of=("alarm_transaction_ids_million",),
    ),
    _line("Database: EBS balance", "database-ebs-balance", of=("alarm_ebs_balance_percent",)),
    _line(
        "Database: failover, failure, maintenance",
        "database-failover",
        "database-failed",
        "database-maintenance",
        limit=_EVENT,
    ),
    _line(
        "NAT gateways: port allocation errors",
        "nat-port-allocation-errors",
        limit="any, in three minutes of five",
    ),
    _line(
        "NAT gateways: dropped packets",
        "nat-packets-dropped",
        of=("alarm_nat_drops_per_million",),
    ),
    _line("WAF: block surge", "waf-blocked-requests", of=("alarm_blocked_requests",)),
    _line("Alerts: delivery failures", "alerts-not-delivered"),
    _line("Alerts: the drill's event", "alert-drill", limit=_EVENT),
    _line("Keys: disabled, to be deleted", "key-disabled", "key-deleted", limit=_EVENT),
    _line("CloudFormation: rollback", "stack-rollback", limit=_EVENT),
    _line("People: root, changes in the console", "root-activity", "console-changes", limit=_EVENT),
    _line("Safeguards: changed by hand", "safeguard-changed", limit=_EVENT),
    _line("Ledger's master secret: rotation failed", "secret-rotation-failed", limit=_EVENT),
    _line("AWS: faults and planned changes", "aws-health", limit=_EVENT),
    _line("AWS: cost of the month", "over-budget", of=("monthly_budget_usd",)),
    _line("Payments: decline-rate surge", "decline-rate", of=("alarm_decline_percent", _ENOUGH)),
    _line(
        "Payments: none processed while requests arrive",
        "nothing-processed",
        of=("alarm_unprocessed_requests",),
    ),
    _line("Payments: given up", "retries-exhausted", limit=_SET_ASIDE),
    _line("Ledger: imbalance", "ledger-imbalance"),
    _line("Ledger: schema, users or rights changed", "ledger-schema-changed"),
    _line("History: changed or removed", "history-changed"),
    _line("Audit trail: forged objects", "audit-trail-forged"),
    _line(
        "Ledger, history and audit trail: differences, every night",
        "stores-differ",
        limit="any: they must agree",
    ),
    _line("Audit trail: missing or altered objects, every night", "audit-trail-broken"),
    _line(
        "Reconciliation: a night without",
        "reconciliation-missing",
        limit="26 hours, of each of its two tasks",
    ),
    _line("All critical alarms of an area", "system-health", limit="any of them is on"),
)
