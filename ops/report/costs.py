"""What production costs a month: quantities of the templates, prices of a dated table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from assurance.compliance.templates import Resource
from ops.production.prices import HOURS, Price, Prices
from ops.report.built import LAYERS, Built, at, kind, layer

IDLE_LOGS_GB: Final = 10
IDLE_NAT_GB: Final = 1
_REQUESTS_A_SECOND: Final = 2
_SHARDS: Final = 4
"""Of the table's stream: one a partition, of which a new table on demand has four."""
_TRACES_A_SECOND: Final = 1
_TRACED_OF_THE_OTHERS: Final = 0.05
_SECONDS: Final = 0.1
_NAT_KB: Final = 10
_LOG_KB: Final = 5
_ITEM_KB: Final = 1
_KEY_USES: Final = 0.5
_POLLS: Final = 5 * 3 * 60 * HOURS
"""Requests a month to an idle queue: five pollers that each wait for 20 s."""

ASSUMPTIONS: Final = (
    f"A month has {HOURS} hours. No free tier, discount, credit, support plan or tax is counted.",
    "Storage of the database is what is allocated; backups of up to that size cost nothing, and "
    "no snapshot is kept beyond them. Storage does not grow.",
    f"Before the first payment, {IDLE_LOGS_GB} GB of logs are taken in (flow logs of each minute, "
    f"the database's operating system, its own log) and {IDLE_NAT_GB} GB passes the NAT gateways; "
    "storing logs for 90 days, compressed, is counted as nothing.",
    f"A request is a call of the API, two of which make a payment. It causes an invocation of "
    f"{_SECONDS} s, one item of {_ITEM_KB} KB written and one read, {_LOG_KB} KB of logs, "
    f"{_NAT_KB} KB through NAT, and a use of a key for every second request.",
    f"Requests come at {_REQUESTS_A_SECOND} a second, a payment a second. Each of the stream's "
    f"{_SHARDS} shards gathers its part of the items for as long as the mapping says; what it "
    f"gathered makes an invocation and an audit object. X-Ray traces {_TRACES_A_SECOND} request a "
    f"second and {_TRACED_OF_THE_OTHERS:.0%} of the others, as its default rule says.",
    "An own metric is paid by the hour in which it reports: without payments only those of the "
    "sweep do; those that report only trouble are counted as nothing.",
    "Items and objects of the first month are counted as stored for that month; what is kept "
    "longer adds up, month by month.",
    "Data to the internet and between zones, mails, events and requests for metrics are small "
    "beside the rest, and left out. A key costs 1 USD more a month after each of its first two "
    "yearly rotations.",
)

_OF_THE_SWEEP: Final = frozenset({"LedgerImbalance", "OutboxAge"})
_OF_PAYMENTS: Final = frozenset(
    {"PaymentsApproved", "PaymentsDeclined", "PaymentsProcessed", "RecordsAudited"}
)

FREE: Final = frozenset(
    {
        "Budgets::Budget",
        "CodeDeploy::Application",
        "CodeDeploy::DeploymentGroup",
        "CloudFormation::Stack",
        "KMS::Alias",
        "Logs::MetricFilter",
        "SNS::Topic",
        "SNS::Subscription",
    }
)
"""Types, beside those of `_FREE_KINDS`, that cost nothing by themselves."""
_FREE_KINDS: Final = re.compile(
    r"IAM::|Custom::|Events::|Lambda::(?!Function)|ApiGateway::(?!RestApi)|\w+::\w+Policy$"
    r"|WAFv2::(?!WebACL$)|Logs::(?!LogGroup|MetricFilter)|RDS::DB(?!Instance)"
    r"|EC2::(?!NatGateway|EIP)"
)


@dataclass(frozen=True, kw_only=True)
class Line:
    """What resources of one kind cost.

    Attributes:
        resources: logical ids.
        price: none: the table has none for it.
        by_traffic: whether it depends on the requests.
    """

    layer: str
    what: str
    resources: tuple[str, ...]
    quantity: float
    price_name: str
    price: Price | None
    by_traffic: bool = False

    @property
    def usd(self) -> float:
        """A month, in cents' steps, so that what is printed adds up."""
        return round(self.quantity * self.price.usd, 2) if self.price else 0.0


@dataclass(frozen=True, kw_only=True)
class Costs:
    lines: tuple[Line, ...]
    prices: Prices
    requests: int

    @property
    def idle(self) -> float:
        """USD a month before the first request."""
        return self._sum(line for line in self.lines if not line.by_traffic)

    @property
    def by_traffic(self) -> float:
        return self._sum(line for line in self.lines if line.by_traffic)

    @property
    def total(self) -> float:
        return round(self.idle + self.by_traffic, 2)

    @property
    def by_layer(self) -> dict[str, float]:
        return {
            name: self._sum(line for line in self.lines if line.layer == name) for name in LAYERS
        }

    @property
    def used(self) -> tuple[Price, ...]:
        """Prices that the lines are made with; the table has others besides."""
        names = {line.price_name for line in self.lines}
        return tuple(price for name, price in self.prices.by_name.items() if name in names)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """What the price table lacks."""
        return tuple(line.price_name for line in self.lines if line.price is None)

    @staticmethod
    def _sum(lines: Iterable[Line]) -> float:
        return round(sum(line.usd for line in lines), 2)


def costs(built: Built, requests: int) -> Costs:
    """:param requests: calls of the API a month."""
    prices = Prices.read()
    metrics = _own_metrics(built)
    lines = sorted(
        (*_idle(built, prices, metrics), *_by_traffic(built, prices, metrics, requests)),
        key=lambda line: (LAYERS.index(line.layer), line.by_traffic, -line.usd),
    )
    return Costs(lines=tuple(lines), prices=prices, requests=requests)


def is_free(resource: Resource) -> bool:
    """Whether resources of its type cost nothing by themselves."""
    return kind(resource) in FREE or _FREE_KINDS.match(kind(resource)) is not None


def _idle(built: Built, prices: Prices, metrics: set[str]) -> Iterator[Line]:
    def line(what: str, resources: list[Resource], price: str, each: float = 1) -> Line:
        return _line(prices, what, resources, price, len(resources) * each)

    databases = built.of("RDS::DBInstance")
    for database in databases:
        zones = "multi-az" if database.properties.get("MultiAZ") else "single-az"
        size, storage = (database.properties[name] for name in ("DBInstanceClass", "StorageType"))
        yield line("ledger database", [database], f"rds.{size}.{zones}", HOURS)
        gib = float(database.properties["AllocatedStorage"])
        yield line("its storage", [database], f"rds.{storage}.{zones}", gib)
    secrets = [each for each in databases if each.properties.get("ManageMasterUserPassword")]
    yield line("its master secret", secrets, "secret")
    gateways = built.of("EC2::NatGateway")
    yield line("NAT gateways", gateways, "nat.hour", HOURS)
    yield _line(prices, "data through them, idle", gateways, "nat.gb", IDLE_NAT_GB)
    yield line("their addresses", built.of("EC2::EIP"), "ipv4.hour", HOURS)
    firewalls = built.of("WAFv2::WebACL")
    yield line("web firewall", firewalls, "waf.acl")
    rules = sum(len(each.properties["Rules"]) for each in firewalls)
    yield _line(prices, "its rules", firewalls, "waf.rule", rules)
    for key in built.of("KMS::Key"):
        yield line(f"key: {key.properties['Description'].partition(': ')[2]}", [key], "kms.key")
    for name in ("compute", "observability"):
        alarms = [each for each in built.of("CloudWatch::Alarm") if layer(each) == name]
        watched = sum(_watched(alarm) for alarm in alarms)
        yield _line(prices, "alarms", alarms, "cloudwatch.alarm-metric", watched)
    yield line(
        "composite alarm", built.of("CloudWatch::CompositeAlarm"), "cloudwatch.composite-alarm"
    )
    dashboards = built.of("CloudWatch::Dashboard")
    yield line("dashboard", dashboards, "cloudwatch.dashboard")
    swept = len(_OF_THE_SWEEP & metrics)
    yield _line(prices, "own metrics, of the sweep", dashboards, "cloudwatch.metric", swept)
    logs = built.of("Logs::LogGroup")
    yield _line(prices, "logs, idle", logs, "logs.gb", IDLE_LOGS_GB, of="observability")
    queues = [each for each in built.of("SQS::Queue") if "RedrivePolicy" in each.properties]
    yield _line(prices, "asking the retry queue, idle", queues, "sqs.request", _POLLS)


def _by_traffic(built: Built, prices: Prices, metrics: set[str], requests: int) -> Iterator[Line]:
    functions = [each for each in built.of("Lambda::Function") if layer(each) == "compute"]
    memory_gb = max((each.properties["MemorySize"] for each in functions), default=0) / 1024
    gb = _ITEM_KB * requests / 1e6
    audit = [each for each in built.of("S3::Bucket") if at(each.properties, "LoggingConfiguration")]
    table, api = built.of("DynamoDB::Table"), built.of("ApiGateway::RestApi")
    firewalls, logs = built.of("WAFv2::WebACL"), built.of("Logs::LogGroup")
    dashboards, line = built.of("CloudWatch::Dashboard"), partial(_line, prices, by_traffic=True)
    objects = requests / _records_an_object(built)
    invocations = requests + objects
    traced = _TRACES_A_SECOND / _REQUESTS_A_SECOND
    traced += _TRACED_OF_THE_OTHERS * (1 - traced)
    paid = len(_OF_PAYMENTS & metrics) if requests else 0
    for what, resources, price, quantity in (
        ("API calls", api, "apigateway.request", requests),
        ("requests looked at by the firewall", firewalls, "waf.request", requests),
        ("invocations", functions, "lambda.request", invocations),
        ("their duration", functions, "lambda.gb-second", invocations * _SECONDS * memory_gb),
        ("traces", functions, "xray.trace", traced * requests),
        ("items written", table, "dynamodb.write", requests),
        ("items read", table, "dynamodb.read", requests),
        ("items stored", table, "dynamodb.gb", gb),
        ("their recovery", table, "dynamodb.pitr-gb", gb),
        ("audit objects written", audit, "s3.put", objects),
        ("audit objects stored", audit, "s3.gb", gb),
        ("audit objects to Glacier, after 90 days", audit, "s3.transition", objects),
        ("uses of keys", built.of("KMS::Key")[:1], "kms.request", _KEY_USES * requests),
        ("data through NAT", built.of("EC2::NatGateway"), "nat.gb", _NAT_KB * requests / 1e6),
        ("own metrics, of payments", dashboards, "cloudwatch.metric", paid),
    ):
        yield line(what, resources, price, quantity)
    yield line("logs of requests", logs, "logs.gb", _LOG_KB * requests / 1e6, of="observability")


def _line(
    prices: Prices,
    what: str,
    resources: list[Resource],
    price: str,
    quantity: float,
    *,
    by_traffic: bool = False,
    of: str = "",
) -> Line:
    return Line(
        layer=of or (layer(resources[0]) if resources else LAYERS[0]),
        what=what,
        resources=tuple(each.logical_id for each in resources),
        quantity=quantity if resources else 0,
        price_name=price,
        price=prices.by_name.get(price),
        by_traffic=by_traffic,
    )


def _watched(alarm: Resource) -> int:
    """How many metrics an alarm looks at: that many are paid for."""
    metrics = alarm.properties.get("Metrics")
    return sum("MetricStat" in each for each in metrics) if metrics else 1


def _records_an_object(built: Built) -> float:
    """How many records of the table's stream make an audit object."""
    (seconds,) = (
        float(each.properties["MaximumBatchingWindowInSeconds"])
        for each in built.of("Lambda::EventSourceMapping")
        if "StartingPosition" in each.properties  # of a stream
    )
    return max(1.0, _REQUESTS_A_SECOND * seconds / _SHARDS)


def _own_metrics(built: Built) -> set[str]:
    """Names of metrics outside AWS's namespaces that alarms, filters and the dashboard have."""
    found = set()
    for resource in built.of("CloudWatch::Alarm", "CloudWatch::Dashboard", "Logs::MetricFilter"):
        found |= set(_metrics(resource.properties))
        text = json.dumps(resource.properties.get("DashboardBody", "")).replace("\\", "")
        found |= set(re.findall(r'\["Payments","(\w+)"', text))
    return found


def _metrics(value: Any) -> Iterator[str]:
    match value:
        case {"Namespace": str(space), "MetricName": str(name)} if not space.startswith("AWS/"):
            yield name
        case {"MetricNamespace": str(_), "MetricName": str(name)}:
            yield name
        case dict():
            for each in value.values():
                yield from _metrics(each)
        case list():
            for each in value:
                yield from _metrics(each)
