"""The production configuration: one immutable value, read from CDK context and checked as a whole.

Defaults are the values that production runs with; ``cdk.json`` may override them in ``context``
and ``cdk ... -c key=value`` overrides both. A wrong value stops the synthesis before anything is
built, with every mistake in one message.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

FUNCTION_MEMORY_MB = 512
"""Memory of each of the three payment functions (R5)."""

FUNCTION_TIMEOUT_SECONDS = 30
"""Time limit of each of the three payment functions (R5)."""

RETRY_MESSAGE_RETENTION_DAYS = 14
"""How long queues keep a failed payment: SQS's maximum (R11)."""

GLACIER_TRANSITION_DAYS = 90
"""Age at which audit objects move to Glacier (R10)."""

CONNECTIONS_PER_PROCESSOR = 1
"""PostgreSQL connections that one payment-processor sandbox holds."""

LEDGER_READER_CONCURRENCY = 2
"""How many operators may read the ledger at once; each holds a connection."""

DATABASE_MAX_CONNECTIONS = 200
"""``max_connections`` of the ledger's parameter group. RDS's own default for 4 GiB is about 400
(``DBInstanceClassMemory/9531392``); half of that leaves the memory to the page cache."""


class ConfigurationError(Exception):
    """The context holds values that production must not be built with; the text lists them all."""


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """What a value must satisfy, and how to say so."""

    allowed: str
    holds: Callable[[Any], bool]


def _between(low: int, high: int, unit: str) -> _Rule:
    return _Rule(
        allowed=f"a whole number of {unit} from {low} to {high}",
        holds=lambda value: low <= value <= high,
    )


def _one_of(*values: str) -> _Rule:
    return _Rule(allowed=" or ".join(values), holds=lambda value: value in values)


def _matches(pattern: str, allowed: str) -> _Rule:
    compiled = re.compile(pattern)
    return _Rule(allowed=allowed, holds=lambda value: compiled.fullmatch(value) is not None)


_PRIVATE_NETWORKS = tuple(
    ipaddress.IPv4Network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)
"""RFC 1918."""


def _is_private_network(value: str) -> bool:
    try:
        network = ipaddress.IPv4Network(value)
    except ValueError:
        return False
    return 16 <= network.prefixlen <= 20 and any(
        network.subnet_of(private) for private in _PRIVATE_NETWORKS
    )


def _are_three_zones(value: tuple[str, ...]) -> bool:
    return (
        len(value) == 3
        and len(set(value)) == 3
        and all(re.fullmatch(r"us-east-1[a-f]", zone) for zone in value)
    )


# Characters that AWS accepts in a tag's value, less the ones that need quoting in a shell.
_TAG_VALUE = _matches(r"[A-Za-z0-9 _.:/=+@-]{1,128}", "1 to 128 letters, digits or _.:/=+@-")
_CONCURRENCY = _between(1, 900, "executions")
_PERCENT = _between(1, 99, "percent")


def _checked(default: Any, rule: _Rule) -> Any:
    return field(default=default, metadata={"rule": rule})


@dataclass(frozen=True, kw_only=True)
class ProductionConfig:
    """Everything about production that may be decided without changing code."""

    # Placement. The zones, their order and the network hold for as long as the stack does: another
    # value replaces subnets, which EC2 refuses (same addresses), or the network, which the database
    # cannot follow into. `plan` and `deploy` refuse it.
    region: str = _checked("us-east-1", _one_of("us-east-1"))
    availability_zones: tuple[str, ...] = _checked(
        ("us-east-1a", "us-east-1b", "us-east-1c"),
        _Rule(
            allowed="three different zones of us-east-1, comma-separated", holds=_are_three_zones
        ),
    )
    vpc_cidr: str = _checked(
        "10.20.0.0/16",
        _Rule(
            allowed="a private IPv4 network of /16 to /20, such as 10.20.0.0/16",
            holds=_is_private_network,
        ),
    )

    # Tags that every resource carries (R16)
    environment_tag: str = _checked("production", _TAG_VALUE)
    team_tag: str = _checked("payments", _TAG_VALUE)
    cost_center_tag: str = _checked("payments-production", _TAG_VALUE)

    # Who is woken (R13)
    alert_email: str = _checked(
        "ops@company.com",
        _matches(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]+", "one e-mail address"),
    )

    # What the whole account may cost. At rest production costs about 275 USD; a load that it is
    # built for must fit in, or the mail comes every month. 0: no budget, for an account whose
    # organization lets it have none.
    monthly_budget_usd: int = _checked(500, _between(0, 10_000_000, "USD a month"))

    # Reserved concurrency (R6). The processor's bounds its database connections.
    validator_concurrency: int = _checked(100, _CONCURRENCY)
    processor_concurrency: int = _checked(100, _CONCURRENCY)
    audit_logger_concurrency: int = _checked(20, _CONCURRENCY)
    # Of the processor's executions, how many the retry queue may take; the rest is the API's.
    # Lambda accepts no less than 2.
    retry_concurrency: int = _checked(10, _between(2, 100, "executions"))

    # What one API key may send (R8)
    api_rate_limit: int = _checked(100, _between(1, 10_000, "requests a second"))
    api_burst_limit: int = _checked(200, _between(1, 5_000, "requests"))
    api_daily_quota: int = _checked(1_000_000, _between(1, 100_000_000, "requests a day"))
    # What one IPv4 address may send before WAF blocks it; ten is WAF's minimum.
    waf_requests_per_5_minutes: int = _checked(
        40_000, _between(10, 2_000_000_000, "requests in five minutes")
    )

    # The ledger's database (R4). Another class fails over, at once; storage never shrinks, and may
    # have grown by itself. `plan` tells by the live values.
    database_instance_type: str = _checked(
        "t3.medium",
        _matches(r"[a-z][a-z0-9]+\.[a-z0-9]+", "an instance type without db., such as t3.medium"),
    )
    database_storage_gib: int = _checked(100, _between(20, 65_536, "GiB"))
    database_max_storage_gib: int = _checked(500, _between(22, 65_536, "GiB"))
    backup_retention_days: int = _checked(30, _between(30, 35, "days"))

    # Payments
    approval_validity_seconds: int = _checked(900, _between(60, 86_400, "seconds"))
    # PCI DSS 10.5.1 asks for a year; seven are what tax and accounting law usually ask for.
    audit_retention_days: int = _checked(2_557, _between(365, 36_500, "days"))

    # When the operators are told (R14). A minute counts as bad above these, or below where it
    # says so; how many bad minutes make an alarm stands with the alarm, in nested/observability.
    #
    # One failed call in a hundred is more than a deployment or a failover's end leaves behind.
    alarm_server_error_percent: int = _checked(1, _PERCENT)
    alarm_function_error_percent: int = _checked(1, _PERCENT)
    # Clients' mistakes are theirs, until every second call is one.
    alarm_client_error_percent: int = _checked(50, _PERCENT)
    # A client's limit on waiting is usually 5 to 10 s; a cold start takes about one.
    alarm_latency_seconds: int = _checked(3, _between(1, 29, "seconds"))
    # Below so many calls a minute, one of them decides a share or a percentile: not counted.
    alarm_minimum_calls: int = _checked(20, _between(1, 100_000, "calls a minute"))
    # A client that meets its limit now and then slows down; one a second does not.
    alarm_throttled_calls: int = _checked(60, _between(1, 1_000_000, "calls a minute"))
    # Six seconds before Lambda cuts a call off, and API Gateway five.
    alarm_duration_percent: int = _checked(80, _PERCENT)
    # Leaves a fifth for the time that it takes to raise a reservation.
    alarm_concurrency_percent: int = _checked(80, _PERCENT)
    # The stream keeps a record for a day: enough is left to mend what is broken.
    alarm_stream_age_minutes: int = _checked(15, _between(1, 720, "minutes"))
    # A payment that fails is hidden for 300 s at most; a consumer takes it when it shows again.
    alarm_retry_age_seconds: int = _checked(300, _between(60, 86_400, "seconds"))
    # Five sweeps, one a minute, have not delivered it.
    alarm_outbox_age_seconds: int = _checked(300, _between(60, 86_400, "seconds"))
    # Above, queries wait for the CPU; a t3 also spends its credits.
    alarm_cpu_percent: int = _checked(80, _PERCENT)
    # Every processor at once holds half of them: more is not ours, or leaks.
    alarm_connections_percent: int = _checked(80, _PERCENT)
    # Below. RDS lets storage grow when a tenth has been left for five minutes, and at most once in
    # six hours: half of that tenth says that it did not.
    alarm_free_storage_gib: int = _checked(5, _between(1, 1_000, "GiB"))
    # Below. A sixteenth of a db.t3.medium; then PostgreSQL swaps.
    alarm_freeable_memory_mib: int = _checked(256, _between(1, 100_000, "MiB"))
    # Below. A db.t3.medium saves up 576, and earns 24 an hour: this is spent within minutes.
    alarm_cpu_credits: int = _checked(10, _between(1, 576, "CPU credits"))
    # gp3 answers in single-digit milliseconds.
    alarm_storage_latency_milliseconds: int = _checked(50, _between(1, 10_000, "milliseconds"))
    # Autovacuum sees to them from 200 million on: at this it has not for a long while.
    alarm_transaction_ids_million: int = _checked(500, _between(201, 2_000, "million ids"))
    # Below. A day's burst is almost used up; then a t3 has a sixth of its throughput left.
    alarm_ebs_balance_percent: int = _checked(20, _PERCENT)
    # Of each operation. The SDK tries a call three times, so that a few are one call's.
    alarm_table_errors: int = _checked(10, _between(1, 1_000_000, "errors a minute"))
    # AWS asks to look into it above 0.01 % of the packets.
    alarm_nat_drops_per_million: int = _checked(100, _between(1, 1_000_000, "per million"))
    # The internet's background noise is a few a minute; this is somebody at work.
    alarm_blocked_requests: int = _checked(500, _between(1, 10_000_000, "requests a minute"))
    # Only limits and currencies are refused: a client in order has hardly any.
    alarm_decline_percent: int = _checked(50, _PERCENT)
    # Fewer requests to process a minute, without any payment, may be one client's repetitions.
    alarm_unprocessed_requests: int = _checked(3, _between(1, 100_000, "requests a minute"))

    @property
    def tags(self) -> dict[str, str]:
        """The three tags of every resource (R16)."""
        return {
            "Environment": self.environment_tag,
            "Team": self.team_tag,
            "CostCenter": self.cost_center_tag,
        }

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> ProductionConfig:
        """Reads and checks the configuration.

        :param context: the app's whole CDK context. Values given with ``-c`` are strings and are
            converted; keys that are not ours (those with a ``:`` or ``/``) are left alone.
        :raises ConfigurationError: naming each bad key, its value, and what is allowed.
        """
        mistakes = list(_unknown_keys(cls, context))
        values: dict[str, Any] = {}
        for setting in fields(cls):
            if setting.name not in context:
                continue
            given, rule = context[setting.name], setting.metadata["rule"]
            try:
                value = _converted(given, setting)
                if not rule.holds(value):
                    raise ValueError
            except (TypeError, ValueError):
                mistakes.append(f"{setting.name} is {given!r}; allowed is {rule.allowed}.")
            else:
                values[setting.name] = value
        # Fields that are wrong by themselves keep their default here, so that one message
        # also tells what does not fit together.
        config = cls(**values)
        mistakes += config._contradictions()
        if mistakes:
            raise ConfigurationError(
                "The configuration cannot be deployed:\n"
                + "\n".join(f"  - {mistake}" for mistake in mistakes)
                + "\nCorrect it in cdk.json (context) or in the -c options."
            )
        return config

    def _contradictions(self) -> list[str]:
        """What is wrong only in combination."""
        found = []
        if self.retry_concurrency >= self.processor_concurrency:
            found.append(
                f"retry_concurrency is {self.retry_concurrency}; allowed is less than "
                f"processor_concurrency ({self.processor_concurrency}), so that retries leave "
                "room for the API."
            )
        connections = self.processor_concurrency * CONNECTIONS_PER_PROCESSOR
        # RDS keeps up to three connections for its own superuser; migrations and people need
        # some as well.
        most = DATABASE_MAX_CONNECTIONS - LEDGER_READER_CONCURRENCY - 20
        if connections > most:
            found.append(
                f"processor_concurrency is {self.processor_concurrency}; allowed is at most "
                f"{most}, because each execution holds a connection "
                f"and the ledger's database admits {DATABASE_MAX_CONNECTIONS}."
            )
        if self.database_max_storage_gib * 10 < self.database_storage_gib * 11:
            found.append(
                f"database_max_storage_gib is {self.database_max_storage_gib}; allowed is at "
                f"least 10 % more than database_storage_gib ({self.database_storage_gib})."
            )
        if self.alarm_free_storage_gib >= self.database_storage_gib:
            found.append(
                f"alarm_free_storage_gib is {self.alarm_free_storage_gib}; allowed is less than "
                f"database_storage_gib ({self.database_storage_gib}), or the alarm is never quiet."
            )
        if self.waf_requests_per_5_minutes < 300 * self.api_rate_limit:
            found.append(
                f"waf_requests_per_5_minutes is {self.waf_requests_per_5_minutes}; allowed is at "
                f"least 300 * api_rate_limit ({300 * self.api_rate_limit}), so that a client with "
                "one address is not blocked for what its API key may send."
            )
        if self.api_burst_limit < self.api_rate_limit:
            found.append(
                f"api_burst_limit is {self.api_burst_limit}; allowed is at least "
                f"api_rate_limit ({self.api_rate_limit})."
            )
        return found


def _unknown_keys(cls: type[ProductionConfig], context: Mapping[str, Any]) -> list[str]:
    known = [setting.name for setting in fields(cls)]
    found = []
    for key in context:
        if key in known or not re.fullmatch(r"[A-Za-z_]+", key):
            continue
        near = difflib.get_close_matches(key.lower(), known, n=1)
        if near:
            found.append(f"{key} is not a setting; did you mean {near[0]}?")
    return found


def _converted(given: Any, setting: Field[Any]) -> Any:
    """The value in its field's type; ``-c`` hands over everything as a string."""
    if isinstance(given, bool):
        raise TypeError
    if isinstance(setting.default, int):
        if isinstance(given, str):
            return int(given)
        if isinstance(given, int):
            return given
        raise TypeError
    if isinstance(setting.default, tuple):
        if isinstance(given, str):
            text = given.strip()
            given = json.loads(text) if text.startswith("[") else text.split(",")
        if isinstance(given, list) and all(isinstance(item, str) for item in given):
            return tuple(item.strip() for item in given)
        raise TypeError
    if isinstance(given, str):
        return given
    raise TypeError
