"""All scenarios. Times are in minutes; a trouble begins at ``AT``, where nothing else is said.

A scenario says what the system's parts report, as they are documented to, and who must be told; it
knows nothing of how alarms are made. An alert that is neither among those that must come nor among
those that were on before is one too many.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from assurance.alerting.scenarios import events
from assurance.alerting.scenarios.scenario import (
    AT,
    PROCESSED,
    VALIDATED,
    Course,
    Scenario,
    Told,
    nobody,
    steadily,
)
from assurance.alerting.scenarios.world import (
    AUDIT_FAILURES,
    AUDIT_LOGGER,
    DAY,
    FAILED_INVOCATIONS,
    FOUND_AT_NIGHT,
    GATEWAYS,
    GIB,
    MIB,
    NIGHT,
    PROCESSOR,
    RECONCILIATION,
    RETRY_DEAD_LETTERS,
    RETRY_QUEUE,
    UNDELIVERED,
    VALIDATOR,
    api,
    database,
    firewall,
    function,
    gateway,
    in_flight,
    logged,
    method,
    oldest,
    released,
    reported,
    schedule,
    table,
    topic,
    waiting,
)
from assurance.alerting.simulation.datapoint import Datapoint, Metric, counted, level, occurred
from building_blocks.alert import DRILL_SOURCE
from config import DATABASE_MAX_CONNECTIONS, FUNCTION_TIMEOUT_SECONDS, ProductionConfig

_CALLS: Final = VALIDATED + PROCESSED
_LIMITS: Final = ProductionConfig()

# How soon somebody must know. Metrics are up to three minutes late, and an alarm that three bad
# minutes make needs those too.
_SOON: Final = Told(9)
_AT_ONCE: Final = Told(5)
_EVENT: Final = Told(0)
_IN_A_QUARTER: Final = Told(16)
# A queue that was idle reports nothing for up to fifteen minutes.
_WHEN_AWAKE: Final = Told(21, stays=True)

_OF_CALLS: Final = ("Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions")
_DATABASE_METRICS: Final = (
    "CPUUtilization",
    "DatabaseConnections",
    "FreeStorageSpace",
    "FreeableMemory",
    "ReadLatency",
    "WriteLatency",
    "CPUCreditBalance",
    "MaximumUsedTransactionIDs",
    "EBSIOBalance%",
    "EBSByteBalance%",
)


def _failing(failed: int, calls: int = _CALLS) -> dict[Metric, Course]:
    """The API answers with 5xx."""
    return {api("5XXError"): counted(calls, failed)}


def _refusing(refused: int, calls: int = _CALLS) -> dict[Metric, Course]:
    """The API answers with 4xx, to calls beside the usual ones."""
    return {
        api("4XXError"): counted(calls + refused, refused + calls // 50),
        api("5XXError"): counted(calls + refused),
        api("Latency"): level(100, calls + refused),
    }


def _ledger_away() -> dict[Metric, Course]:
    """Payments are accepted (202) and wait; those that are tried again stay on the queue, where
    SQS leaves those received three times or more out of the oldest one's age."""
    return {
        reported(PROCESSOR, "PaymentsProcessed"): None,
        reported(PROCESSOR, "PaymentsQueued"): occurred(PROCESSED),
        reported(PROCESSOR, "OutboxAge"): None,
        reported(PROCESSOR, "OutboxBacklog"): None,
        reported(PROCESSOR, "LedgerImbalance"): None,
        waiting(RETRY_QUEUE): level(10),
        in_flight(RETRY_QUEUE): lambda passed: level(PROCESSED * (passed + 1)),
        oldest(RETRY_QUEUE): lambda passed: level(min(60, 20 * passed)),
    }


def _drained(processed: int) -> dict[Metric, Course]:
    """The ledger is back, and what waited is posted."""
    return {
        reported(PROCESSOR, "PaymentsProcessed"): occurred(processed),
        waiting(RETRY_QUEUE): lambda passed: level(max(0, 100 - 25 * passed)),
    }


def _audit_stopped() -> dict[Metric, Course]:
    """Every batch of the stream fails, and is tried again."""
    return {
        function(AUDIT_LOGGER, "Errors"): counted(60, 60),
        function(AUDIT_LOGGER, "IteratorAge"): lambda passed: level(60_000 * (passed + 1), 60),
        reported(AUDIT_LOGGER, "RecordsAudited"): None,
    }


def _call_about(service: str, name: str, /, **about: Any) -> events.Event:
    return events.call(service, name, requestParameters=about)


def _audit_silent() -> dict[Metric, Course]:
    """Lambda calls audit-logger for nothing."""
    return {
        **{function(AUDIT_LOGGER, name): None for name in (*_OF_CALLS, "IteratorAge")},
        reported(AUDIT_LOGGER, "RecordsAudited"): None,
    }


def _not_swept() -> dict[Metric, Course]:
    """Nobody calls payment-processor, in a quiet hour."""
    return {
        reported(PROCESSOR, "OutboxAge"): None,
        reported(PROCESSOR, "LedgerImbalance"): None,
        **{function(PROCESSOR, name): None for name in _OF_CALLS},
    }


_TASKS: Final = ("comparison", "walk")


def _not_reconciled() -> dict[Metric, Course]:
    return {reported(RECONCILIATION, name): None for name in FOUND_AT_NIGHT}


def _a_minute_later(passed: int) -> Datapoint | None:
    return occurred(1) if passed else None


def _database_silent() -> dict[Metric, Course]:
    return {database(name): None for name in _DATABASE_METRICS}


def _dropping(dropped: int, packets: int) -> dict[str, Datapoint]:
    return {
        "PacketsDropCount": level(dropped),
        "PacketsOutToDestination": level(packets),
        "PacketsOutToSource": level(packets),
        "PacketsInFromSource": level(packets),
        "PacketsInFromDestination": level(packets),
    }


def _waves(minute: int) -> tuple[int, int]:
    """A day's trade: quiet at its ends, 3,000 calls a minute at its height."""
    height = max(0.0, math.sin(math.pi * (minute % DAY) / DAY)) ** 2
    steps = int(32 * height)
    return 50 * steps + 1, 44 * steps + 1


def _now_and_then(minute: int) -> tuple[int, int]:
    """A call every three hours."""
    return (1, 1) if minute % 180 == 0 else (0, 0)


_QUIET: Final = (
    Scenario(
        name="an idle night",
        why=(
            "Hardly anybody calls. One call that fails, five packets that a gateway drops, one 500 "
            "of DynamoDB, five payments that are declined, a few requests that the firewall "
            "blocks: none is worth a night's sleep."
        ),
        minutes=8 * 60,
        traffic=nobody,
        changes={
            (100, 101): _failing(1, calls=1),
            (140, 145): {gateway(1, n): d for n, d in _dropping(1, 500).items()},
            (200, 201): {table("SystemErrors", "GetRecords"): level(1)},
            (260, 261): {function(AUDIT_LOGGER, "Errors"): counted(1, 1)},
            (350, 355): {reported(VALIDATOR, "PaymentsDeclined"): level(1)},
            (300, 420): {firewall(): level(1, 5)},
        },
    ),
    Scenario(
        name="the first three days, with hardly any traffic",
        why="One call in three hours, of which one fails on the second day.",
        minutes=3 * DAY,
        traffic=_now_and_then,
        changes={
            (DAY + 180, DAY + 181): _failing(1, calls=2),
            (2 * DAY, 2 * DAY + 1): {reported(VALIDATOR, "PaymentsDeclined"): level(1)},
        },
    ),
    Scenario(
        name="a first deployment, before any call",
        why=(
            "Alarms are made when the functions are: what has not been called yet is not broken, "
            "and the first sweep's report is still on its way."
        ),
        minutes=2 * 60,
        traffic=lambda minute: (1, 1) if minute > AT else (0, 0),
        is_new=True,
    ),
    Scenario(
        name="a busy day",
        why="Trade as it is hoped for; one payment in thirty is declined, one call in fifty 4xx.",
        minutes=DAY,
        traffic=_waves,
    ),
    Scenario(
        name="a load test up to the plan's limit",
        why="What the usage plan admits for an hour: some calls meet the limit and are told 429.",
        traffic=lambda minute: (
            (30 * _LIMITS.api_rate_limit, 30 * _LIMITS.api_rate_limit)
            if AT <= minute < 2 * AT
            else (VALIDATED, PROCESSED)
        ),
        changed={
            database("CPUUtilization"): level(70),
            database("DatabaseConnections"): level(_LIMITS.processor_concurrency),
            logged("CallsThrottled"): level(1, 40),
        },
    ),
    Scenario(
        name="storage growing by autoscaling",
        why=(
            "RDS adds storage when less than a tenth has been free for five minutes, and takes a "
            "while: that is how it is meant to be."
        ),
        changes={
            (0, AT + 25): {
                database("FreeStorageSpace"): lambda passed: level((12.4 - passed * 0.05) * GIB)
            },
            (AT + 25, 3 * 60): {database("FreeStorageSpace"): level(17 * GIB)},
        },
        events=((AT + 10, events.rds(217, "configuration change")),),
    ),
    Scenario(
        name="the way back from a bad release",
        why=(
            "CloudFormation moves the alias back to this version by a second canary, while the "
            "bad one still fails. This one fails a single call, as any version does: were an alarm "
            "of it on, the rollback would fail."
        ),
        minutes=2 * 60,
        traffic=steadily(300, 300),
        changes={
            (AT, AT + 5): {
                released(PROCESSOR, "Errors", "2"): counted(270, 2),
                reported(PROCESSOR, "CallsFailed", version="2"): level(1, 2),
                **_failing(5, calls=600),
            },
            (AT + 1, AT + 2): {released(PROCESSOR, "Errors", "1"): counted(30, 1)},
            (AT + 3, AT + 4): {reported(PROCESSOR, "CallsFailed", version="1"): level(1)},
        },
    ),
    Scenario(
        name="a client alone at night that loops on refused payments",
        why=(
            "409 for a payment that has expired, 15 times a minute, and nobody else calls: fewer "
            "calls than a share is made of, and no payment that was to be posted."
        ),
        traffic=nobody,
        changed={
            **_refusing(15, calls=0),
            method("/process", "4XXError"): counted(15, 15),
            method("/process", "5XXError"): counted(15),
            method("/process", "IntegrationLatency"): level(200, 15),
        },
    ),
)

_BOTH_RELEASES: Final = dict.fromkeys(
    ("release of PaymentValidator", "release of PaymentProcessor"), Told(5)
)

_WORKING_HOUR: Final = steadily(300, 300)

_RELEASES: Final = (
    Scenario(
        name="a canary that raises in one call of ten",
        why="CodeDeploy watches it for five minutes: later is too late.",
        minutes=2 * 60,
        traffic=_WORKING_HOUR,
        during=(AT, AT + 6),
        changed={
            **{
                metric: counted(calls, 3)
                for service in (VALIDATOR, PROCESSOR)
                for metric, calls in (
                    (released(service, "Errors", "1"), 30),
                    (function(service, "Errors"), 300),
                )
            },
            **_failing(6, calls=600),
        },
        must=_BOTH_RELEASES,
    ),
    Scenario(
        name="a canary that answers one call of ten with 500",
        why="For Lambda, such a call is none that failed: the function itself counts it.",
        minutes=2 * 60,
        traffic=_WORKING_HOUR,
        during=(AT, AT + 6),
        changed={
            **{
                reported(service, "CallsFailed", version="1"): level(1, 3)
                for service in (VALIDATOR, PROCESSOR)
            },
            **_failing(6, calls=600),
        },
        must=_BOTH_RELEASES,
    ),
    Scenario(
        name="a spoilt release of the audit-logger",
        why="It goes to all at once: no canary would tell. Each batch runs into the time limit.",
        minutes=4 * 60,
        during=(AT, AT + 40),
        changed={
            **_audit_stopped(),
            function(AUDIT_LOGGER, "Duration"): level(1_000 * FUNCTION_TIMEOUT_SECONDS, 60),
        },
        must={
            "function-errors-audit-logger": _SOON,
            "function-duration-audit-logger": _SOON,
            "stream-age": Told(_LIMITS.alarm_stream_age_minutes + 8),
            "system-health-service": Told(_LIMITS.alarm_stream_age_minutes + 8),
        },
    ),
    Scenario(
        name="a deployment that is rolled back",
        why="The root stack and its four nested ones report the same; one of them is enough.",
        minutes=2 * 60,
        events=(
            (AT, events.stack("UPDATE_ROLLBACK_IN_PROGRESS")),
            *(
                (AT + 1, events.stack(f"UPDATE_ROLLBACK_{end}", f"{layer}NestedStack-AB12"))
                for layer in ("Network", "Data", "Compute", "Observability")
                for end in ("IN_PROGRESS", "COMPLETE")
            ),
            (AT + 9, events.stack("UPDATE_ROLLBACK_COMPLETE")),
        ),
        must={"stack-rollback": _EVENT},
    ),
    Scenario(
        name="a rollback that fails",
        why="Somebody has to go on with it, which the mail of its beginning does not say.",
        minutes=2 * 60,
        events=(
            (AT, events.stack("UPDATE_ROLLBACK_IN_PROGRESS")),
            (AT + 5, events.stack("UPDATE_ROLLBACK_FAILED", "ComputeNestedStack-AB12")),
            (AT + 5, events.stack("UPDATE_ROLLBACK_FAILED")),
        ),
        must={"stack-rollback": Told(0, times=2)},
    ),
)

_LEDGER: Final = (
    Scenario(
        name="Multi-AZ failover",
        why=(
            "Two minutes in which payments wait: RDS says so, at its beginning and at its end. "
            "Everything else mends itself, sweeps that reached no ledger too."
        ),
        changes={
            (AT, AT + 2): _ledger_away(),
            (AT, AT + 3): _database_silent(),
            (AT + 2, AT + 6): _drained(70),
            (AT + 3, AT + 6): {database("CPUUtilization"): level(75)},
        },
        events=(
            (AT, events.rds(13, "failover")),
            (AT + 2, events.rds(15, "failover")),
            (AT + 2, events.rds(49, "failover")),
        ),
        must={"database-failover": Told(0, times=3)},
    ),
    Scenario(
        name="a ledger outage of 35 minutes",
        why=(
            "The database hangs, and reports that it is there. Payments wait, and the first of "
            "them use up their tries: those are for a person."
        ),
        minutes=4 * 60,
        changes={
            (AT, AT + 35): _ledger_away(),
            (AT + 25, AT + 35): {reported(PROCESSOR, "PaymentsGivenUp"): level(1, 40)},
            (AT + 25, 4 * 60): {waiting(RETRY_DEAD_LETTERS): level(300)},
            (AT + 35, AT + 45): _drained(200),
        },
        must={
            "nothing-processed": _IN_A_QUARTER,
            "outbox-age": _IN_A_QUARTER,
            "retry-queue-backlog": _IN_A_QUARTER,
            "system-health-payments": _IN_A_QUARTER,
            "retries-exhausted": Told(25 + _AT_ONCE.within),
            "retry-dead-letter-queue": Told(25 + _WHEN_AWAKE.within, stays=True),
        },
    ),
    Scenario(
        name="a ledger outage at night",
        why="Nobody calls, so that only the sweep can tell.",
        minutes=4 * 60,
        traffic=nobody,
        changed={
            reported(PROCESSOR, "OutboxAge"): None,
            reported(PROCESSOR, "LedgerImbalance"): None,
        },
        must={"outbox-age": _IN_A_QUARTER, "system-health-payments": _IN_A_QUARTER},
    ),
    Scenario(
        name="the sweep is not called for",
        why="Somebody disabled its schedule, in a quiet hour. No data is what tells.",
        minutes=4 * 60,
        traffic=nobody,
        changed=_not_swept(),
        must={"outbox-age": Told(30)},
    ),
    Scenario(
        name="a history that falls behind",
        why="Sweeps run, and deliver nothing.",
        minutes=4 * 60,
        changed={reported(PROCESSOR, "OutboxAge"): lambda passed: level(60 * (passed + 1))},
        must={"outbox-age": Told(16), "system-health-payments": Told(16)},
    ),
    Scenario(
        name="backup and maintenance windows",
        why=(
            "A backup slows the storage; RDS maintains the database by a failover, which it "
            "announces; and it tells of trifles in the category of failures."
        ),
        minutes=6 * 60,
        begins=3 * AT,
        changes={
            (AT, AT + 20): {
                database("ReadLatency"): level(0.02),
                database("WriteLatency"): level(0.04),
            },
            (3 * AT, 3 * AT + 2): _ledger_away() | _database_silent(),
            (3 * AT + 2, 3 * AT + 6): _drained(70),
        },
        events=(
            (AT, events.rds(1, "backup")),
            (AT + 20, events.rds(2, "backup")),
            (AT + 30, events.rds(219, "failure")),
            (AT + 30, events.rds(79, "failure")),
            (AT + 30, events.rds(224, "failure")),
            (3 * AT, events.rds(26, "maintenance")),
            (3 * AT, events.rds(13, "failover")),
            (3 * AT + 2, events.rds(49, "failover")),
            (3 * AT + 9, events.rds(27, "maintenance")),
        ),
        must={"database-maintenance": Told(0, times=2), "database-failover": Told(0, times=2)},
    ),
    Scenario(
        name="storage that does not grow",
        why="The limit is reached, or RDS does not add any so soon again.",
        minutes=6 * 60,
        during=(0, 5 * 60),
        changed={
            database("FreeStorageSpace"): lambda passed: level(
                (_LIMITS.alarm_free_storage_gib - (passed >= AT) / 100) * GIB
            )
        },
        must={"database-free-storage": _SOON, "system-health-ledger": _SOON},
    ),
    Scenario(
        name="a t3 that runs out of credits",
        why="Work as hard as this is charged for; nobody is harmed.",
        minutes=6 * 60,
        during=(AT, 4 * AT),
        changed={
            database("CPUUtilization"): level(60),
            database("CPUCreditBalance"): lambda passed: (
                None if passed % 5 else level(_LIMITS.alarm_cpu_credits - 1)
            ),
        },
        must={"database-cpu-credits": Told(75)},
    ),
    Scenario(
        name="the database is deleted",
        why="It says so, and then nothing any more. What hangs on it stays on.",
        minutes=4 * 60,
        changes={
            (AT, 4 * 60): _ledger_away() | _database_silent(),
            (AT + 25, 4 * 60): {
                reported(PROCESSOR, "PaymentsGivenUp"): level(1, 40),
                waiting(RETRY_DEAD_LETTERS): level(300),
            },
        },
        events=((AT, events.rds(3, "deletion")),),
        must={
            "database-failed": _EVENT,
            "database-cpu": Told(20, stays=True),
            "system-health-ledger": Told(20, stays=True),
            "nothing-processed": Told(16, stays=True),
            "outbox-age": Told(16, stays=True),
            "retry-queue-backlog": Told(16, stays=True),
            "system-health-payments": Told(16, stays=True),
            "retries-exhausted": Told(25 + _AT_ONCE.within, stays=True),
            "retry-dead-letter-queue": Told(25 + _WHEN_AWAKE.within, stays=True),
        },
    ),
)

_CLIENTS: Final = (
    Scenario(
        name="a client that loops on errors",
        why="It sends what is refused, ever again, beside those that are in order.",
        changed=_refusing(400),
        must={"api-client-errors": _SOON},
    ),
    Scenario(
        name="a client beyond its rate",
        why="429, more than one a second: it does not slow down.",
        changed={
            **_refusing(_LIMITS.alarm_throttled_calls + 1),
            logged("CallsThrottled"): level(1, _LIMITS.alarm_throttled_calls + 1),
        },
        must={"api-throttled": _SOON},
    ),
    Scenario(
        name="a client at its quota",
        why=(
            "429 for all that it sends, until midnight: for this client, an outage, however rarely "
            "it calls. One alert."
        ),
        minutes=6 * 60,
        changes={
            (minute, minute + 1): {**_refusing(1), logged("CallsOverQuota"): level(1)}
            for minute in range(AT, 3 * AT, 20)
        },
        must={"quota-exceeded": _AT_ONCE},
    ),
    Scenario(
        name="a flood without keys",
        why="403 for all of it, until the firewall blocks the addresses; payments go on.",
        changes={
            (AT, AT + 10): _refusing(20_000),
            (AT + 5, 2 * AT): {firewall(): level(1, 20_000)},
        },
        must={"api-client-errors": _SOON, "waf-blocked-requests": Told(5 + _SOON.within)},
    ),
    Scenario(
        name="every call fails, one a minute",
        why="An outage in a quiet hour: there is no second failure in a minute to wait for.",
        traffic=steadily(0, 1),
        changed={**_failing(1, calls=1), reported(PROCESSOR, "PaymentsProcessed"): None},
        must={"api-server-errors": _SOON, "system-health-service": _SOON},
    ),
    Scenario(
        name="one call fails in each of three minutes of a busy hour",
        why="Each is the only one among a hundred: a client repeats it, and it passes.",
        minutes=2 * 60,
        changes={(minute, minute + 1): _failing(1, calls=90) for minute in (AT, AT + 2, AT + 4)},
    ),
    Scenario(
        name="every payment is refused",
        why="New ones are approved, and 409 is what all clients get for them: no error of theirs.",
        changed={
            api("4XXError"): counted(_CALLS, PROCESSED),
            method("/process", "4XXError"): counted(PROCESSED, PROCESSED),
            reported(PROCESSOR, "PaymentsProcessed"): None,
        },
        must={"nothing-processed": _IN_A_QUARTER, "system-health-payments": _IN_A_QUARTER},
    ),
    Scenario(
        name="functions that fail",
        why="Two calls in a hundred raise, of each function.",
        changed={
            **{
                function(service, "Errors"): counted(100, 2)
                for service in (VALIDATOR, PROCESSOR, AUDIT_LOGGER)
            },
            **_failing(4),
        },
        must={
            "function-errors-payment-validator": _SOON,
            "function-errors-payment-processor": _SOON,
            "function-errors-audit-logger": _SOON,
            "api-server-errors": _SOON,
            "system-health-service": _SOON,
        },
    ),
)

_PARTS: Final = (
    Scenario(
        name="an outage of one NAT gateway's zone",
        why="Payments of the other zones go on, and in this one the endpoints serve.",
        during=(AT, AT + 30),
        changed={gateway(2, n): d for n, d in _dropping(900, 2_500).items()},
        must={"nat-packets-dropped-2": _SOON},
    ),
    Scenario(
        name="a stalled audit stream",
        why="One batch fails ever again, and all behind it wait.",
        minutes=5 * 60,
        during=(AT, AT + 90),
        changed=_audit_stopped(),
        must={
            "function-errors-audit-logger": _SOON,
            "stream-age": Told(_LIMITS.alarm_stream_age_minutes + 8),
            "system-health-service": Told(_LIMITS.alarm_stream_age_minutes + 8),
        },
    ),
    Scenario(
        name="an audit stream that nobody reads",
        why=(
            "Its mapping is disabled, or may not read it any more (PROBLEM): nothing fails, and "
            "nothing is late, since nobody is called."
        ),
        minutes=8 * 60,
        during=(AT, 3 * AT),
        changed=_audit_silent(),
        must={"audit-trail-not-fed": Told(52), "system-health-service": Told(52)},
    ),
    Scenario(
        name="an audit stream that nobody reads, with a payment an hour",
        why="Three payments that nobody has audited are told all the same.",
        minutes=12 * 60,
        traffic=lambda minute: (1, 1) if minute % 60 == 5 else (0, 0),
        during=(AT, 5 * AT),
        changed=_audit_silent(),
        must={"audit-trail-not-fed": Told(3 * 60), "system-health-service": Told(3 * 60)},
    ),
    Scenario(
        name="payments whose records stand in the minute after",
        why="One in a quarter of an hour, audited forty seconds later, the clock's minute over.",
        minutes=8 * 60,
        traffic=lambda minute: (1, 1) if minute % 37 == 0 else (0, 0),
        changes={
            (minute, minute + 2): {function(AUDIT_LOGGER, "Invocations"): _a_minute_later}
            for minute in range(0, 8 * 60, 37)
        },
    ),
    Scenario(
        name="what failed cannot be set aside",
        why="Once: a batch of the audit stream, and a sweep. Nobody will ever see them again.",
        during=(AT, AT + 1),
        changed={
            function(PROCESSOR, "DeadLetterErrors"): level(1),
            function(AUDIT_LOGGER, "DestinationDeliveryFailures"): level(1),
        },
        must={
            "function-events-lost-payment-processor": _AT_ONCE,
            "function-events-lost-audit-logger": _AT_ONCE,
            "system-health-service": _AT_ONCE,
        },
    ),
    Scenario(
        name="EventBridge may not call the sweep",
        why="The function's permission is gone. Payments go on, their history too, for now.",
        minutes=4 * 60,
        traffic=nobody,
        changes={
            (AT, 2 * AT): {
                schedule("FailedInvocations"): level(1),
                waiting(FAILED_INVOCATIONS): lambda passed: level(passed + 1),
                **_not_swept(),
            },
            (2 * AT, 4 * 60): {waiting(FAILED_INVOCATIONS): level(60)},
        },
        must={
            "sweep-not-called": _SOON,
            "failed-invocations-queue": _WHEN_AWAKE,
            "outbox-age": Told(30),
        },
    ),
    Scenario(
        name="a lost subscriber",
        why="An alert reaches nobody. Who looks at the dashboard sees it.",
        changes={
            (AT, AT + 1): {topic("NumberOfNotificationsFailed"): level(1)},
            (AT, 3 * 60): {waiting(UNDELIVERED): level(1)},
        },
        must={"alerts-not-delivered": _AT_ONCE, "undelivered-alerts-queue": _WHEN_AWAKE},
    ),
    Scenario(
        name="the application's key is disabled",
        why="Table, queues and topic cannot be used: each call fails, and nothing is audited.",
        minutes=4 * 60,
        changed={
            **_failing(_CALLS),
            **_audit_stopped(),
            method("/process", "5XXError"): counted(PROCESSED, PROCESSED),
            reported(VALIDATOR, "PaymentsApproved"): None,
            reported(VALIDATOR, "PaymentsDeclined"): None,
            reported(PROCESSOR, "PaymentsProcessed"): None,
            reported(PROCESSOR, "OutboxAge"): lambda passed: level(60 * passed),
            waiting(RETRY_QUEUE): None,
            in_flight(RETRY_QUEUE): None,
            oldest(RETRY_QUEUE): None,
        },
        events=((AT, events.call("kms", "DisableKey")),),
        must={
            "key-disabled": _EVENT,
            "api-server-errors": _SOON,
            "outbox-age": Told(17),
            "function-errors-audit-logger": _SOON,
            "stream-age": Told(_LIMITS.alarm_stream_age_minutes + 8),
            "system-health-service": _SOON,
            "system-health-payments": Told(17),
        },
    ),
    Scenario(
        name="DynamoDB fails",
        why="Each call with its retries, for a quarter of an hour; then it is over.",
        during=(AT, AT + 15),
        changed={
            **{
                table("SystemErrors", operation): level(_LIMITS.alarm_table_errors + 1)
                for operation in ("Query", "PutItem", "GetRecords")
            },
            **_failing(40),
        },
        must={
            "table-system-errors-reads": _SOON,
            "table-system-errors-writes": _SOON,
            "table-system-errors-stream": _SOON,
            "api-server-errors": _SOON,
            "system-health-service": _SOON,
        },
    ),
    Scenario(
        name="DynamoDB throttles",
        why="One read and one write were too many: a table on demand should refuse none.",
        during=(AT, AT + 1),
        changed={
            table("ThrottledRequests", "GetItem"): None,
            table("ThrottledRequests", "Query"): level(1),
            table("ThrottledRequests", "PutItem"): level(1),
        },
        must={
            "table-read-throttles": _AT_ONCE,
            "table-write-throttles": _AT_ONCE,
            "system-health-service": _AT_ONCE,
        },
    ),
    Scenario(
        name="Lambda throttles",
        why="One call of each function was refused: concurrency is reserved so that none is.",
        during=(AT, AT + 1),
        changed={
            function(service, "Throttles"): counted(60, 1)
            for service in (VALIDATOR, PROCESSOR, AUDIT_LOGGER)
        },
        must={
            **{
                f"function-throttles-{service}": _AT_ONCE
                for service in (VALIDATOR, PROCESSOR, AUDIT_LOGGER)
            },
            "system-health-service": _AT_ONCE,
        },
    ),
    Scenario(
        name="nothing takes what is on the retry queue",
        why="Its mapping is disabled: a message that nobody receives ages.",
        minutes=4 * 60,
        changed={
            waiting(RETRY_QUEUE): level(1),
            oldest(RETRY_QUEUE): lambda passed: level(60 * passed),
        },
        must={
            "retry-queue-backlog": _IN_A_QUARTER,
            "retry-queue-age": Told(_LIMITS.alarm_retry_age_seconds // 60 + _SOON.within),
            "system-health-payments": Told(_LIMITS.alarm_retry_age_seconds // 60 + _SOON.within),
        },
    ),
    Scenario(
        name="something is set aside",
        why="One message in each queue that a person must look into.",
        during=(AT, 3 * 60),
        changed={
            waiting(name): level(1)
            for name in (RETRY_DEAD_LETTERS, AUDIT_FAILURES, FAILED_INVOCATIONS)
        },
        must={
            "retry-dead-letter-queue": _WHEN_AWAKE,
            "audit-failure-queue": _WHEN_AWAKE,
            "failed-invocations-queue": _WHEN_AWAKE,
        },
    ),
    Scenario(
        name="what must never happen",
        why="An entry that does not balance, history that was changed, and whatever else: once.",
        during=(AT, AT + 1),
        changed={
            reported(PROCESSOR, "LedgerImbalance"): level(1),
            reported(PROCESSOR, "PaymentsGivenUp"): level(1),
            reported(AUDIT_LOGGER, "HistoryChanged"): level(1),
            reported(AUDIT_LOGGER, "ForeignAuditObjects"): level(1),
            logged("SchemaChanges"): level(1),
        },
        must=dict.fromkeys(
            (
                "ledger-imbalance",
                "retries-exhausted",
                "history-changed",
                "audit-trail-forged",
                "ledger-schema-changed",
                "system-health-payments",
            ),
            _AT_ONCE,
        ),
    ),
    Scenario(
        name="a night that finds something",
        why=(
            "Stores that differ, and a trail that is broken: both are on until the next night "
            "finds nothing."
        ),
        minutes=41 * 60,
        traffic=nobody,
        begins=NIGHT,
        during=(NIGHT, NIGHT + 1),
        changed={reported(RECONCILIATION, name): level(3) for name in FOUND_AT_NIGHT},
        must={"stores-differ": _AT_ONCE, "audit-trail-broken": _AT_ONCE},
    ),
    Scenario(
        name="nights without a reconciliation",
        why="The last was a day before. Whether it is not called or fails, nothing is reported.",
        minutes=41 * 60,
        traffic=nobody,
        begins=NIGHT + DAY,
        during=(DAY, 41 * 60),
        changed=_not_reconciled(),
        must={f"reconciliation-missing-{task}": Told(4 * 60, stays=True) for task in _TASKS},
    ),
    Scenario(
        name="a reconciliation that has never run",
        why="Since the first deployment: an alarm that waited for a first report would be silent.",
        minutes=DAY + 4 * 60,
        traffic=nobody,
        begins=0,
        during=(0, 2 * DAY),
        changed=_not_reconciled(),
        is_new=True,
        must={f"reconciliation-missing-{task}": Told(27 * 60, stays=True) for task in _TASKS},
    ),
    Scenario(
        name="somebody takes the safeguards away",
        why=(
            "Alarms, rules, trail, topic, bucket, mapping and firewall, with the CLI and in the "
            "console; each call is told, and once."
        ),
        minutes=2 * 60,
        events=tuple(
            (AT, events.call(service, name, requestParameters=about, **how))
            for service, name, about in events.SAFEGUARDS
            for how in ({}, {"sessionCredentialFromConsole": "true"})
        ),
        must={"safeguard-changed": Told(0, times=2 * len(events.SAFEGUARDS))},
    ),
    Scenario(
        name="a deployment that changes the safeguards",
        why="CloudFormation makes the same calls; and others have alarms and buckets, too.",
        minutes=2 * 60,
        events=(
            *(
                (AT, events.by_cloudformation(service, name, requestParameters=about))
                for service, name, about in events.SAFEGUARDS
            ),
            (AT, _call_about("monitoring", "DeleteAlarms", alarmNames=["another"])),
            (AT, _call_about("events", "DisableRule", name="another")),
            (AT, _call_about("s3", "PutBucketPolicy", bucketName="another")),
            (AT, _call_about("sns", "SetTopicAttributes", topicArn="arn:aws:sns:::another")),
            (AT, _call_about("wafv2", "UpdateWebACL", name="another")),
        ),
    ),
    Scenario(
        name="a master password that is not rotated",
        why="RDS fails to rotate ours, and somebody else's secret fails, too.",
        minutes=2 * 60,
        events=(
            (AT, events.rotation("RotationStarted", events.MASTER_SECRET)),
            (AT, events.rotation("RotationFailed", "arn:aws:secretsmanager:::secret:another")),
            (AT + 1, events.rotation("RotationFailed", events.MASTER_SECRET)),
        ),
        must={"secret-rotation-failed": Told(1)},
    ),
    Scenario(
        name="AWS's own trouble",
        why=(
            "A fault of Lambda is told when it opens, not when it is over; a planned change of "
            "RDS is told; services that nobody here needs, and notices of bills, are not."
        ),
        events=(
            (AT, events.health("LAMBDA", "issue", "open")),
            (AT, events.health("GAMELIFT", "issue", "open")),
            (AT, events.health("RDS", "accountNotification", "open")),
            (AT + 30, events.health("RDS", "scheduledChange", "upcoming")),
            (AT + 90, events.health("LAMBDA", "issue", "closed")),
        ),
        must={"aws-health": Told(0, times=2)},
    ),
    Scenario(
        name="people who may do everything",
        why="Root creates a key, in the console: one mail. Somebody else changes the database.",
        minutes=2 * 60,
        events=(
            (
                AT,
                events.call(
                    "iam",
                    "CreateAccessKey",
                    userIdentity={"type": "Root"},
                    sessionCredentialFromConsole="true",
                ),
            ),
            (AT, events.call("rds", "ModifyDBInstance", sessionCredentialFromConsole="true")),
            (AT, events.call("rds", "ModifyDBInstance")),
            (AT, events.event("aws.kms", "KMS CMK Deletion")),
        ),
        must={"root-activity": _EVENT, "console-changes": _EVENT, "key-deleted": _EVENT},
    ),
    Scenario(
        name="an alert drill",
        why="One mail of the drill's own event; an event that only looks like it tells nobody.",
        minutes=2 * 60,
        events=(
            (AT, events.event(DRILL_SOURCE, "Alert Drill")),
            (AT, events.event(f"{DRILL_SOURCE}s", "Alert Drill")),
        ),
        must={"alert-drill": _EVENT},
    ),
    Scenario(
        name="an outage while other alarms have been on since yesterday",
        why=(
            "A payment that nobody has decided on, storage that is almost used up: the system's "
            "health must still tell that clients are not served."
        ),
        minutes=DAY + 4 * 60,
        begins=DAY,
        traffic=steadily(2, 2),
        changes={
            (-1, DAY + 4 * 60): {
                waiting(RETRY_DEAD_LETTERS): level(1),
                database("FreeStorageSpace"): level(GIB),
            },
            (DAY, DAY + 30): _failing(2, calls=4),
        },
        must={"api-server-errors": _SOON, "system-health-service": _SOON},
        stays=frozenset(
            {"retry-dead-letter-queue", "database-free-storage", "system-health-ledger"}
        ),
    ),
)


def _at_the_limits(beyond: int) -> Mapping[Metric, Course]:
    """Whatever has a limit, as far as it may go, or a step beyond it.

    :param beyond: 1 for that step, else 0.
    """
    limits = _LIMITS
    seconds = FUNCTION_TIMEOUT_SECONDS * limits.alarm_duration_percent // 100
    connections = DATABASE_MAX_CONNECTIONS * limits.alarm_connections_percent // 100
    calls = 200
    enough = limits.alarm_minimum_calls
    reserved = {
        VALIDATOR: limits.validator_concurrency,
        PROCESSOR: limits.processor_concurrency,
        AUDIT_LOGGER: limits.audit_logger_concurrency,
    }
    approved = 100 - limits.alarm_decline_percent
    return {
        api("5XXError"): counted(calls, limits.alarm_server_error_percent * calls // 100 + beyond),
        api("4XXError"): counted(calls, limits.alarm_client_error_percent * calls // 100 + beyond),
        api("Latency"): level(1_000 * limits.alarm_latency_seconds + beyond, enough),
        logged("CallsThrottled"): level(1, limits.alarm_throttled_calls + beyond),
        firewall(): level(1, limits.alarm_blocked_requests + beyond),
        reported(VALIDATOR, "PaymentsApproved"): occurred(approved),
        reported(VALIDATOR, "PaymentsDeclined"): occurred(limits.alarm_decline_percent + beyond),
        reported(PROCESSOR, "OutboxAge"): level(limits.alarm_outbox_age_seconds + beyond),
        **{
            function(service, "Errors"): counted(
                calls, limits.alarm_function_error_percent * calls // 100 + beyond
            )
            for service in reserved
        },
        **{function(service, "Duration"): level(1_000 * seconds + beyond) for service in reserved},
        **{
            function(service, "ConcurrentExecutions"): level(
                kept * limits.alarm_concurrency_percent // 100 + beyond
            )
            for service, kept in reserved.items()
        },
        function(AUDIT_LOGGER, "IteratorAge"): level(
            60_000 * limits.alarm_stream_age_minutes + beyond
        ),
        oldest(RETRY_QUEUE): level(limits.alarm_retry_age_seconds + beyond),
        # One operation or the other, of those that read.
        table("SystemErrors", "GetItem"): level(limits.alarm_table_errors - 1),
        table("SystemErrors", "Query"): level(1 + beyond),
        table("SystemErrors", "PutItem"): level(limits.alarm_table_errors + beyond),
        table("SystemErrors", "GetRecords"): level(limits.alarm_table_errors + beyond),
        database("CPUUtilization"): level(limits.alarm_cpu_percent + beyond),
        database("DatabaseConnections"): level(connections + beyond),
        database("FreeStorageSpace"): level(limits.alarm_free_storage_gib * GIB - beyond),
        database("FreeableMemory"): level(limits.alarm_freeable_memory_mib * MIB - beyond),
        database("ReadLatency"): level((limits.alarm_storage_latency_milliseconds + beyond) / 1000),
        database("WriteLatency"): level(
            (limits.alarm_storage_latency_milliseconds + beyond) / 1000
        ),
        database("CPUCreditBalance"): lambda passed: (
            None if passed % 5 else level(limits.alarm_cpu_credits - beyond)
        ),
        database("MaximumUsedTransactionIDs"): level(
            limits.alarm_transaction_ids_million * 1_000_000 + beyond
        ),
        **{
            database(f"EBS{kind}Balance%"): lambda passed: (
                None if passed % 5 else level(limits.alarm_ebs_balance_percent - beyond)
            )
            for kind in ("IO", "Byte")
        },
        **{
            gateway(number, name): datapoint
            for number in GATEWAYS
            for name, datapoint in _dropping(
                limits.alarm_nat_drops_per_million + beyond, 500_000
            ).items()
        },
        **{gateway(number, "ErrorPortAllocation"): level(beyond) for number in GATEWAYS},
        method("/process", "IntegrationLatency"): level(
            300, limits.alarm_unprocessed_requests - 1 + beyond
        ),
        reported(PROCESSOR, "PaymentsProcessed"): None,
        waiting(RETRY_QUEUE): level(0),
        in_flight(RETRY_QUEUE): level(beyond),
    }


_LIMITED: Final = (
    "api-client-errors",
    "api-latency",
    "api-server-errors",
    "api-throttled",
    "database-connections",
    "database-cpu",
    "database-free-storage",
    "database-freeable-memory",
    "database-read-latency",
    "database-transaction-ids",
    "database-write-latency",
    "decline-rate",
    *(
        f"function-{what}-{service}"
        for what in ("concurrency", "duration", "errors")
        for service in (VALIDATOR, PROCESSOR, AUDIT_LOGGER)
    ),
    *(f"nat-packets-dropped-{number}" for number in GATEWAYS),
    *(f"nat-port-allocation-errors-{number}" for number in GATEWAYS),
    "retry-queue-age",
    "stream-age",
    "system-health-ledger",
    "system-health-payments",
    "system-health-service",
    "table-system-errors-reads",
    "table-system-errors-stream",
    "table-system-errors-writes",
    "waf-blocked-requests",
)

_EDGES: Final = (
    Scenario(
        name="everything at its limit",
        why="What has a limit may go as far: config.py says so.",
        minutes=4 * 60,
        during=(AT, 3 * AT),
        changed=_at_the_limits(beyond=0),
    ),
    Scenario(
        name="everything a step beyond its limit",
        why="One unit more, of each: everything that has a limit is told.",
        minutes=5 * 60,
        during=(AT, 3 * AT),
        changed=_at_the_limits(beyond=1),
        must={
            **dict.fromkeys(_LIMITED, _SOON),
            "database-cpu-credits": Told(75),
            "database-ebs-balance-bytes": Told(20),
            "database-ebs-balance-operations": Told(20),
            "nothing-processed": _IN_A_QUARTER,
            "outbox-age": _IN_A_QUARTER,
            "retry-queue-backlog": _IN_A_QUARTER,
        },
    ),
)

SCENARIOS: Final = (*_QUIET, *_CLIENTS, *_RELEASES, *_LEDGER, *_PARTS, *_EDGES)
