"""The configuration of an environment: one immutable value, read from CDK context and checked as a
whole.

Defaults are the values that production runs with, and for ``environment=staging`` those of
``STAGING``. ``cdk.json`` may override them in ``context``, under the environment's name for one of
them alone, and ``cdk ... -c key=value`` overrides all. A wrong value stops the synthesis before
anything is built, with every mistake in one message.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator

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


Name = Literal["production", "staging"]
"""Of an environment."""

PRODUCTION: Final = "production"

STACKS: Final[Mapping[str, str]] = {PRODUCTION: "PaymentsProd", "staging": "PaymentsStaging"}
"""The environments, and what the stack of each is called. Each stands in an account of its own:
functions, table, database and log groups are called the same in all."""

BACKUP_DAYS: Final = 30
"""The least that production may keep (R4)."""

STAGING: Final[Mapping[str, Any]] = {
    "vpc_cidr": "10.21.0.0/16",
    "environment_tag": "staging",
    "cost_center_tag": "payments-staging",
    "alert_email": "ops+staging@company.com",
    "monthly_budget_usd": 300,
    "validator_concurrency": 20,
    "processor_concurrency": 20,
    "audit_logger_concurrency": 5,
    "retry_concurrency": 5,
    "api_rate_limit": 20,
    "api_burst_limit": 40,
    "api_daily_quota": 100_000,
    "waf_requests_per_5_minutes": 6_000,
    "database_instance_type": "t3.small",
    "database_storage_gib": 20,
    "database_max_storage_gib": 50,
    "backup_retention_days": 7,
    "audit_retention_days": 365,
    "alarm_free_storage_gib": 1,
}
"""Staging's defaults where they are not production's, which the requirements' numbers bind."""


class ConfigurationError(Exception):
    """The context holds values that production must not be built with; the text lists them all."""


def _setting(default: Any, allowed: str, **constraints: Any) -> Any:
    return Field(default, json_schema_extra={"allowed": allowed}, **constraints)


def _whole(default: int, low: int, high: int, unit: str) -> Any:
    return _setting(default, f"a whole number of {unit} from {low} to {high}", ge=low, le=high)


def _tag(default: str) -> Any:
    # Characters that AWS accepts in a tag's value, less the ones that need quoting in a shell.
    allowed = "1 to 128 letters, digits, spaces or _.:/=+@-"
    return _setting(default, allowed, pattern=r"^[A-Za-z0-9 _.:/=+@-]{1,128}$")


_OF_THE_CDK = re.compile(
    # feature flags, and what the command line says of itself
    "(@aws-cdk[a-z-]*/|aws:|aws-cdk:).+|acknowledged-issue-numbers|cli-telemetry|cdk-migrate"
    "|assets-ecr-repository-name"
    # what it has looked up, and keeps in cdk.context.json
    "|(ami|availability-zones|cc-api-provider|endpoint-service-availability-zones|hosted-zone"
    "|key-provider|load-balancer|load-balancer-listener|plugin|security-group|ssm|vpc-provider):.+"
)
"""Context keys of the CDK's libraries and command line."""

_ADDRESS: Final = {"api_domain_name", "certificate_arn"}
"""Of use together alone."""

_PERCENT = (1, 99, "percent")
_Zone = Annotated[str, Field(pattern="^us-east-1[a-f]$")]

_PRIVATE_NETWORKS = tuple(
    ipaddress.IPv4Network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)
"""RFC 1918."""


class ProductionConfig(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Everything about an environment that may be decided without changing code.

    Below each setting stands its reason. ``docs/settings.md`` is made from it (``make docs``).
    """

    # Which one
    environment: Name = _setting(PRODUCTION, " or ".join(STACKS))
    """Names the stack, and chooses the defaults of the others. Each environment needs an account of
    its own."""

    # Placement
    region: Literal["us-east-1"] = _setting("us-east-1", "us-east-1")
    """Where production stands (R1)."""
    availability_zones: tuple[_Zone, _Zone, _Zone] = _setting(
        ("us-east-1a", "us-east-1b", "us-east-1c"),
        "three different zones of us-east-1, comma-separated",
    )
    """The zones and their order hold for as long as the stack does: others replace subnets, which
    EC2 refuses (same addresses). `plan` and `deploy` refuse it."""
    vpc_cidr: str = _setting(
        "10.20.0.0/16", "a private IPv4 network of /16 to /20, such as 10.20.0.0/16"
    )
    """Holds for as long as the stack does: another value replaces the network, which the database
    cannot follow into. `plan` and `deploy` refuse it."""

    # Tags that every resource carries (R16)
    environment_tag: str = _tag("production")
    """The tag `Environment` of every resource (R16)."""
    team_tag: str = _tag("payments")
    """The tag `Team` of every resource (R16)."""
    cost_center_tag: str = _tag("payments-production")
    """The tag `CostCenter` of every resource (R16)."""

    # Whom to tell
    alert_email: str = _setting(
        "ops@company.com", "one e-mail address", pattern=r"^[^@\s,;]+@[^@\s,;]+\.[^@\s,;]+$"
    )
    """Who is woken (R13)."""
    monthly_budget_usd: int = _whole(500, 0, 10_000_000, "USD a month")
    """What the whole account may cost. At rest production costs about 275 USD; a load that it is
    built for must fit in, or the mail comes every month. 0: no budget, for an account whose
    organization lets it have none."""

    # Reserved concurrency (R6)
    validator_concurrency: int = _whole(100, 1, 900, "executions")
    """Reserved, so that nothing else in the account takes it (R6)."""
    processor_concurrency: int = _whole(100, 1, 900, "executions")
    """Reserved (R6). Bounds its database connections."""
    audit_logger_concurrency: int = _whole(20, 1, 900, "executions")
    """Reserved (R6)."""
    retry_concurrency: int = _whole(10, 2, 100, "executions")
    """Of the processor's executions, how many the retry queue may take; the rest is the API's.
    Lambda accepts no less than 2."""

    # The API
    api_rate_limit: int = _whole(100, 1, 10_000, "requests a second")
    """What one API key may send (R8)."""
    api_burst_limit: int = _whole(200, 1, 5_000, "requests")
    """What one API key may send at once (R8)."""
    api_daily_quota: int = _whole(1_000_000, 1, 100_000_000, "requests a day")
    """What one API key may send in a day (R8)."""
    waf_requests_per_5_minutes: int = _whole(40_000, 10, 2_000_000_000, "requests in five minutes")
    """What one IPv4 address may send before WAF blocks it; ten is WAF's minimum."""

    api_domain_name: str = _setting(
        "",
        "a domain name in lower case, such as payments.company.com, with a certificate_arn; or "
        "nothing",
        pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$|^$",
        max_length=253,
    )
    """The address that clients keep when the API is replaced. Without it they call the API's own,
    which serves in any case."""
    certificate_arn: str = _setting(
        "",
        "the ARN of a certificate of ACM in us-east-1, with an api_domain_name; or nothing",
        pattern=r"^arn:aws:acm:us-east-1:\d{12}:certificate/[0-9a-f-]{36}$|^$",
    )
    """For api_domain_name, which it must name (or `*.` and the rest of it). API Gateway takes
    certificates of its own region."""

    # The ledger's database (R4)
    database_instance_type: str = _setting(
        "t3.medium",
        "an instance type without db., such as t3.medium",
        pattern=r"^[a-z][a-z0-9]+\.[a-z0-9]+$",
    )
    """Another class fails over, at once (R4)."""
    database_storage_gib: int = _whole(100, 20, 65_536, "GiB")
    """Never shrinks, and may have grown by itself. `plan` tells by the live values."""
    database_max_storage_gib: int = _whole(500, 22, 65_536, "GiB")
    """How far it may grow by itself."""
    backup_retention_days: int = _setting(
        BACKUP_DAYS,
        f"a whole number of days from {BACKUP_DAYS} to 35, in staging from 1",
        ge=1,
        le=35,
    )
    """30 are required (R4); 35 are RDS's maximum."""
    database_restored_at: str = _setting(
        "",
        "empty, or a moment such as 2026-01-31T09:00Z",
        pattern=r"^(\d{4}-\d\d-\d\dT\d\d:\d\dZ)?$",
    )
    """When the database was restored under its name (`docs/runbooks/restore.md`): another value is
    what CloudFormation looks at the instance again for, and gives all others its new identity."""

    # The history's table (R9)
    table_restored: str = _setting(
        "",
        "nothing, or a moment such as 2026-01-31T09:00Z, or a day",
        pattern=r"^(\d{4}-\d\d-\d\d(T\d\d:\d\dZ)?)?$",
    )
    """When the table was restored last, as its tag `Restored`. A restored table has another stream,
    and CloudFormation asks for its ARN only when it changes something of the table: another moment
    here has audit-logger read it (docs/runbooks/table-lost.md)."""

    # Payments
    approval_validity_seconds: int = _whole(900, 60, 86_400, "seconds")
    """How long an approved payment may be processed."""
    audit_batching_seconds: int = _whole(40, 0, 45, "seconds")
    """How long changes of payments are gathered to one audit object: S3 and Glacier ask money for
    each. Whatever it is, a change is audited within a minute."""
    audit_retention_days: int = _whole(2_557, 365, 36_500, "days")
    """PCI DSS 10.5.1 asks for a year; seven are what tax and accounting law usually ask for."""

    # When the operators are told (R14). A minute counts as bad above these, or below where it
    # says so; how many bad minutes make an alarm stands with the alarm, in nested/observability.
    alarm_server_error_percent: int = _whole(1, *_PERCENT)
    """One failed call in a hundred is more than a deployment or a failover's end leaves behind."""
    alarm_function_error_percent: int = _whole(1, *_PERCENT)
    """One failed call in a hundred is more than a deployment or a failover's end leaves behind."""
    alarm_client_error_percent: int = _whole(50, *_PERCENT)
    """Clients' mistakes are theirs, until every second call is one."""
    alarm_latency_seconds: int = _whole(3, 1, 29, "seconds")
    """A client's limit on waiting is usually 5 to 10 s; a cold start takes about one."""
    alarm_minimum_calls: int = _whole(20, 1, 100_000, "calls a minute")
    """Below so many calls a minute, one of them decides a share or a percentile: not counted."""
    alarm_throttled_calls: int = _whole(60, 1, 1_000_000, "calls a minute")
    """A client that meets its limit now and then slows down; one a second does not."""
    alarm_duration_percent: int = _whole(80, *_PERCENT)
    """Six seconds before Lambda cuts a call off, and API Gateway five."""
    alarm_concurrency_percent: int = _whole(80, *_PERCENT)
    """Leaves a fifth for the time that it takes to raise a reservation."""
    alarm_stream_age_minutes: int = _whole(15, 1, 720, "minutes")
    """The stream keeps a record for a day: enough is left to mend what is broken."""
    alarm_retry_age_seconds: int = _whole(300, 60, 86_400, "seconds")
    """A payment that fails is hidden for 300 s at most; a consumer takes it when it shows again."""
    alarm_outbox_age_seconds: int = _whole(300, 60, 86_400, "seconds")
    """Five sweeps, one a minute, have not delivered it."""
    alarm_cpu_percent: int = _whole(80, *_PERCENT)
    """Above, queries wait for the CPU; a t3 also spends its credits."""
    alarm_connections_percent: int = _whole(80, *_PERCENT)
    """Every processor at once holds half of them: more is not ours, or leaks."""
    alarm_free_storage_gib: int = _whole(5, 1, 1_000, "GiB")
    """Below. RDS lets storage grow when a tenth has been left for five minutes, and at most once in
    six hours: half of that tenth says that it did not."""
    alarm_freeable_memory_mib: int = _whole(256, 1, 100_000, "MiB")
    """Below. A sixteenth of a db.t3.medium; then PostgreSQL swaps."""
    alarm_cpu_credits: int = _whole(10, 1, 576, "CPU credits")
    """Below. A db.t3.medium saves up 576, and earns 24 an hour: this is spent within minutes."""
    alarm_storage_latency_milliseconds: int = _whole(50, 1, 10_000, "milliseconds")
    """gp3 answers in single-digit milliseconds."""
    alarm_transaction_ids_million: int = _whole(500, 201, 2_000, "million ids")
    """Autovacuum sees to them from 200 million on: at this it has not for a long while."""
    alarm_ebs_balance_percent: int = _whole(20, *_PERCENT)
    """Below. A day's burst is almost used up; then a t3 has a sixth of its throughput left."""
    alarm_table_errors: int = _whole(10, 1, 1_000_000, "errors a minute")
    """Of each operation. The SDK tries a call three times, so that a few are one call's."""
    alarm_nat_drops_per_million: int = _whole(100, 1, 1_000_000, "dropped packets in a million")
    """AWS asks to look into it above 0.01 % of the packets."""
    alarm_blocked_requests: int = _whole(500, 1, 10_000_000, "requests a minute")
    """The internet's background noise is a few a minute; this is somebody at work."""
    alarm_decline_percent: int = _whole(50, *_PERCENT)
    """Only limits and currencies are refused: a client in order has hardly any."""
    alarm_unprocessed_requests: int = _whole(3, 1, 100_000, "requests a minute")
    """Fewer requests to process a minute, without any payment, may be one client's repetitions."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value(cls, given: object) -> object:
        if isinstance(given, bool):  # pydantic takes true for 1
            raise ValueError("neither true nor false")
        return given

    @field_validator("availability_zones", mode="before")
    @classmethod
    def _comma_separated(cls, given: object) -> object:
        return [zone.strip() for zone in given.split(",")] if isinstance(given, str) else given

    @field_validator("availability_zones")
    @classmethod
    def _different(cls, zones: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(zones)) < len(zones):
            raise ValueError("a zone twice")
        return zones

    @field_validator("vpc_cidr")
    @classmethod
    def _private_network(cls, cidr: str) -> str:
        network = ipaddress.IPv4Network(cidr)
        private = any(map(network.subnet_of, _PRIVATE_NETWORKS))
        # EC2 takes no other way to write it, such as 10.20.0.0/255.255.0.0.
        if not (private and 16 <= network.prefixlen <= 20 and cidr == str(network)):
            raise ValueError("not private, too large or too small")
        return cidr

    @field_validator("backup_retention_days")
    @classmethod
    def _long_enough(cls, days: int, settings: ValidationInfo) -> int:
        if settings.data.get("environment") == PRODUCTION and days < BACKUP_DAYS:
            raise ValueError("too few for production")
        return days

    @property
    def stack_name(self) -> str:
        """Of the root stack."""
        return STACKS[self.environment]

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
            converted; keys of the CDK itself are left alone.
        :raises ConfigurationError: naming each bad key, its value, and what is allowed.
        """
        mistakes, given = _by_environment(context)
        try:
            config = cls.model_validate(given)
        except ValidationError as error:
            wrong = dict.fromkeys(str(each["loc"][0]) for each in error.errors())
            mistakes += (
                f"{name} is {given[name]!r}; allowed is {allowed(name)}." for name in wrong
            )
            # Settings that are wrong by themselves keep their default here, so that one message
            # also tells what does not fit together.
            unusable = wrong.keys() | (_ADDRESS if wrong.keys() & _ADDRESS else set())
            valid = {name: given[name] for name in given.keys() - unusable}
            config = cls.model_validate(_defaults(valid.get("environment")) | valid)
        mistakes += config._contradictions()
        if mistakes:
            raise ConfigurationError(
                "The configuration cannot be deployed:\n"
                + "\n".join(f"  - {mistake}" for mistake in mistakes)
                + "\nCorrect it in the -c options, cdk.json, cdk.context.json or ~/.cdk.json."
                + "\ndocs/settings.md lists all settings."
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
        if self.environment_tag in STACKS.keys() - {self.environment}:
            found.append(
                f"environment_tag is {self.environment_tag!r}; allowed is another, as this is "
                f"{self.environment}."
            )
        if bool(self.api_domain_name) != bool(self.certificate_arn):
            found.append(
                f"api_domain_name is {self.api_domain_name!r} and certificate_arn is "
                f"{self.certificate_arn!r}; allowed is both or neither."
            )
        if self.api_burst_limit < self.api_rate_limit:
            found.append(
                f"api_burst_limit is {self.api_burst_limit}; allowed is at least "
                f"api_rate_limit ({self.api_rate_limit})."
            )
        return found


def _defaults(environment: object) -> dict[str, Any]:
    """Those that are not production's."""
    return dict(STAGING) if environment == "staging" else {}


def _by_environment(context: Mapping[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """What is wrong with the keys, and the settings of the environment that is meant: of its
    defaults, of the object of its name, and of the context itself the last that has a value."""
    chosen = context.get("environment", PRODUCTION)
    mistakes = unknown_keys(key for key in context if key not in STACKS)
    given = _defaults(chosen)
    for environment in STACKS:
        own = context.get(environment, {})
        if not isinstance(own, Mapping) or "environment" in own:
            mistakes.append(f"{environment} is {own!r}; allowed is an object of its settings.")
            continue
        mistakes += (f"In {environment}, {mistake}" for mistake in unknown_keys(own))
        if environment == chosen:
            given |= own
    given |= context
    return mistakes, {name: given[name] for name in ProductionConfig.model_fields if name in given}


def allowed(name: str) -> str:
    """What a setting may be, in words."""
    told = ProductionConfig.model_fields[name].json_schema_extra
    assert isinstance(told, dict)
    return str(told["allowed"])


def reason(name: str) -> str:
    """Why a setting is what it is."""
    return " ".join((ProductionConfig.model_fields[name].description or "").split())


def unknown_keys(context: Iterable[str]) -> list[str]:
    """What to say of keys that are neither settings nor the CDK's own: nothing would read them."""
    known = list(ProductionConfig.model_fields)
    found = []
    for key in context:
        if key not in known and not _OF_THE_CDK.fullmatch(key):
            plain = re.sub(r"\W+", "_", key.lower())
            (near,) = difflib.get_close_matches(plain, known, n=1, cutoff=0)
            found.append(f"{key} is not a setting; did you mean {near}?")
    return found
