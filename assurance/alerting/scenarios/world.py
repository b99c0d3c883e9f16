"""Production as it is when nothing is wrong: each metric, minute by minute, by how much is called.

Metrics stand here as AWS and the functions report them, and not as alarms read them: an alarm on
another dimension reads nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Final

from assurance.alerting.simulation.datapoint import Datapoint, Metric, counted, level, occurred

VALIDATOR: Final = "payment-validator"
PROCESSOR: Final = "payment-processor"
AUDIT_LOGGER: Final = "audit-logger"
RECONCILIATION: Final = "payments-reconciliation"

DAY: Final = 24 * 60
NIGHT: Final = 180
"""The minute of a day in which the night's reconciliation has reported."""
FOUND_AT_NIGHT: Final = ("DifferencesFound", "TrailFaultsFound")

RETRY_QUEUE: Final = "QueuesRetryQueue"
RETRY_DEAD_LETTERS: Final = "QueuesRetryDeadLetterQueue"
AUDIT_FAILURES: Final = "QueuesAuditFailureQueue"
FAILED_INVOCATIONS: Final = "QueuesFailedInvocationsQueue"
UNDELIVERED: Final = "AlertsTopicDeadLetterQueue"

OPERATIONS: Final = ("GetItem", "Query", "PutItem", "GetRecords")
GATEWAYS: Final = (1, 2, 3)

GIB: Final = 1024**3
MIB: Final = 1024**2


def _metric(namespace: str, name: str, **dimensions: str) -> Metric:
    return Metric(namespace, name, frozenset(dimensions.items()))


api: Final = partial(_metric, "AWS/ApiGateway", ApiName="payments", Stage="prod")
database: Final = partial(_metric, "AWS/RDS", DBInstanceIdentifier="payments-ledger")
topic: Final = partial(_metric, "AWS/SNS", TopicName="AlertsTopic")
schedule: Final = partial(_metric, "AWS/Events", RuleName="PaymentProcessorOutboxSweep")
"""Of the outbox's sweep."""
logged: Final = partial(_metric, "Payments")
"""By a metric filter."""
firewall: Final = partial(
    _metric, "AWS/WAFV2", "BlockedRequests", Region="us-east-1", Rule="ALL", WebACL="payments"
)


def method(resource: str, name: str) -> Metric:
    return api(name, Resource=resource, Method="POST")


def function(service: str, name: str, **dimensions: str) -> Metric:
    return _metric("AWS/Lambda", name, FunctionName=service, **dimensions)


def released(service: str, name: str, version: str) -> Metric:
    """Of one version, as the alias calls it."""
    return function(service, name, Resource=f"{service}:live", ExecutedVersion=version)


def queue(metric: str, name: str) -> Metric:
    return _metric("AWS/SQS", metric, QueueName=name)


waiting: Final = partial(queue, "ApproximateNumberOfMessagesVisible")
in_flight: Final = partial(queue, "ApproximateNumberOfMessagesNotVisible")
oldest: Final = partial(queue, "ApproximateAgeOfOldestMessage")


def table(name: str, operation: str) -> Metric:
    return _metric("AWS/DynamoDB", name, TableName="payment-transactions", Operation=operation)


def gateway(number: int, name: str) -> Metric:
    identifier = f"nat-NetworkVpcPublicSubnet{number}NATGateway"
    return _metric("AWS/NATGateway", name, NatGatewayId=identifier)


def reported(service: str, name: str, **dimension: str) -> Metric:
    """By a function, in the embedded metric format."""
    return _metric("Payments", name, service=service, **dimension)


@lru_cache(maxsize=8192)
def quiet_minute(
    of_five: int, validated: int, processed: int, *, at_night: bool
) -> tuple[tuple[Metric, Datapoint], ...]:
    """Every metric of a minute in which nothing is wrong.

    :param of_five: which minute of five it is: some metrics have one datapoint in these.
    :param validated: calls of ``/validate``.
    :param processed: calls of ``/process``; each is posted.
    :param at_night: it is the minute of the day in which the reconciliation reports.
    """
    return (
        *(
            (metric, datapoint)
            for metric, datapoint in _quiet(of_five, validated, processed)
            if datapoint is not None
        ),
        *(
            (reported(RECONCILIATION, name), level(0))
            for name in (FOUND_AT_NIGHT if at_night else ())
        ),
    )


def _quiet(
    of_five: int, validated: int, processed: int
) -> Iterator[tuple[Metric, Datapoint | None]]:
    calls = validated + processed
    yield from _edge(calls, processed)
    yield from _called(VALIDATOR, validated, milliseconds=120)
    # The sweep is a call, too.
    yield from _called(PROCESSOR, processed + 1, milliseconds=200)
    # Records of the stream, in batches.
    batches = min(calls, 60)
    yield from _called(AUDIT_LOGGER, batches, milliseconds=300)
    if batches:
        yield function(AUDIT_LOGGER, "IteratorAge"), level(1_500, batches)
    # Lambda asks the retry queue for messages all the time, so that it is never idle; the others
    # hold nothing, and nobody asks them.
    for metric in (waiting(RETRY_QUEUE), in_flight(RETRY_QUEUE), oldest(RETRY_QUEUE)):
        yield metric, level(0)
    yield from _ledger(of_five)
    for number in GATEWAYS:
        yield from _gateway(number, packets=2_000 + 40 * calls)
    declined = validated // 30
    yield reported(VALIDATOR, "PaymentsApproved"), occurred(validated - declined)
    yield reported(VALIDATOR, "PaymentsDeclined"), occurred(declined)
    yield reported(PROCESSOR, "PaymentsProcessed"), occurred(processed)
    yield reported(PROCESSOR, "OutboxAge"), level(0)
    yield reported(PROCESSOR, "OutboxBacklog"), level(0)
    yield reported(PROCESSOR, "LedgerImbalance"), level(0)
    yield reported(AUDIT_LOGGER, "RecordsAudited"), level(2, calls) if calls else None


def _edge(calls: int, processed: int) -> Iterator[tuple[Metric, Datapoint]]:
    if calls:
        yield api("5XXError"), counted(calls)
        yield api("4XXError"), counted(calls, calls // 50)
        yield api("Latency"), level(350, calls)
    if processed:
        yield method("/process", "5XXError"), counted(processed)
        yield method("/process", "4XXError"), counted(processed)
        yield method("/process", "IntegrationLatency"), level(300, processed)


def _called(service: str, calls: int, milliseconds: int) -> Iterator[tuple[Metric, Datapoint]]:
    if calls:
        at_once = math.ceil(calls * milliseconds / 60_000)
        yield function(service, "Invocations"), level(1, calls)
        yield function(service, "Errors"), counted(calls)
        yield function(service, "Throttles"), counted(calls)
        yield function(service, "Duration"), level(milliseconds, calls)
        yield function(service, "ConcurrentExecutions"), level(at_once, calls)


def _ledger(of_five: int) -> Iterator[tuple[Metric, Datapoint]]:
    for name, value in (
        ("CPUUtilization", 12),
        ("DatabaseConnections", 6),
        ("FreeStorageSpace", 80 * GIB),
        ("FreeableMemory", 1_500 * MIB),
        ("ReadLatency", 0.001),
        ("WriteLatency", 0.003),
        ("MaximumUsedTransactionIDs", 90_000_000),
    ):
        yield database(name), level(value)
    if of_five == 0:
        yield database("CPUCreditBalance"), level(400)
        yield database("EBSIOBalance%"), level(99)
        yield database("EBSByteBalance%"), level(99)


def _gateway(number: int, packets: int) -> Iterator[tuple[Metric, Datapoint]]:
    yield gateway(number, "PacketsOutToDestination"), level(packets)
    yield gateway(number, "PacketsOutToSource"), level(packets)
    yield gateway(number, "PacketsInFromSource"), level(packets)
    yield gateway(number, "PacketsInFromDestination"), level(packets)
    yield gateway(number, "PacketsDropCount"), level(0)
    yield gateway(number, "ErrorPortAllocation"), level(0)
