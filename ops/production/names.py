"""Names that the templates fix, and that something else has already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from ops.console.checks import Check, judged
from ops.console.failure import or_none
from ops.production.existing import Existing
from ops.production.needs import Needs
from ops.production.questions import Clients
from ops.production.stack import all_alarms, every
from ops.production.states import NOTHING_THERE

Taken = Callable[[Clients, Sequence[str]], Iterable[str]]
"""Which of some names exist."""


def _described(service: str, operation: str, parameter: str, missing: str) -> Taken:
    """For names that AWS is asked for one by one.

    Args:
        missing: the code with which it says that there is no such thing.
    """

    def taken(clients: Clients, names: Sequence[str]) -> Iterator[str]:
        describe = getattr(clients(service), operation)
        for name in names:
            if or_none(partial(describe, **{parameter: name}), missing) is not None:
                yield name

    return taken


def _log_groups(clients: Clients, names: Sequence[str]) -> Iterator[str]:
    logs = clients("logs")
    for name in names:
        groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        if name in [group["logGroupName"] for group in groups]:
            yield name


def _alarms(clients: Clients, names: Sequence[str]) -> Iterator[str]:
    found = (alarm["AlarmName"] for alarm in all_alarms(clients("cloudwatch")))
    return (name for name in found if name in names)


def _listed(service: str, operation: str, key: str) -> Taken:
    def taken(clients: Clients, names: Sequence[str]) -> Iterator[str]:
        there = {each[key] for each in every(clients(service), operation)}
        return (name for name in names if name in there)

    return taken


def _rules(clients: Clients, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        found = clients("events").list_rules(NamePrefix=name)["Rules"]
        if name in [rule["Name"] for rule in found]:
            yield name


def _web_acls(clients: Clients, names: Sequence[str]) -> Iterator[str]:
    # Has no paginator; a hundred is far above what an account has by default.
    found = clients("wafv2").list_web_acls(Scope="REGIONAL", Limit=100)["WebACLs"]
    return (name for name in names if name in [each["Name"] for each in found])


TAKEN: Final[Mapping[str, tuple[str, Taken, str]]] = {
    "AWS::ApiGateway::DomainName": (
        "API address",
        _described("apigateway", "get_domain_name", "domainName", "NotFoundException"),
        "aws apigateway get-base-path-mappings tells which API has it; once its clients may be cut "
        "off (docs/migration.md): aws apigateway delete-domain-name --domain-name",
    ),
    "AWS::CloudWatch::Alarm": ("alarm", _alarms, "aws cloudwatch delete-alarms --alarm-names"),
    "AWS::CloudWatch::CompositeAlarm": (
        "composite alarm", _alarms, "aws cloudwatch delete-alarms --alarm-names",
    ),
    "AWS::CloudWatch::Dashboard": (
        "dashboard",
        _listed("cloudwatch", "list_dashboards", "DashboardName"),
        "aws cloudwatch delete-dashboards --dashboard-names",
    ),
    "AWS::DynamoDB::Table": (
        "table",
        _described("dynamodb", "describe_table", "TableName", "ResourceNotFoundException"),
        "holds data (docs/runbooks/incidents.md#the-way-back-from-a-deleted-stack); after a copy, "
        "aws dynamodb delete-table --table-name",
    ),
    "AWS::Events::Rule": (
        "event rule", _rules, "after aws events remove-targets: aws events delete-rule --name",
    ),
    "AWS::KMS::Alias": (
        "key alias", _listed("kms", "list_aliases", "AliasName"),
        "its key stays: aws kms delete-alias --alias-name",
    ),
    "AWS::Lambda::Function": (
        "function",
        _described(
            "lambda", "get_function_configuration", "FunctionName", "ResourceNotFoundException"
        ),
        "aws lambda delete-function --function-name",
    ),
    "AWS::Logs::LogGroup": (
        "log group", _log_groups, "if nobody needs what it holds: aws logs delete-log-group "
        "--log-group-name",
    ),
    "AWS::RDS::DBInstance": (
        "database instance",
        _described("rds", "describe_db_instances", "DBInstanceIdentifier", "DBInstanceNotFound"),
        "holds data (docs/runbooks/incidents.md#the-way-back-from-a-deleted-stack); after a copy, "
        "aws rds delete-db-instance --final-db-snapshot-identifier LAST --db-instance-identifier",
    ),
    "AWS::WAFv2::WebACL": (
        "web firewall", _web_acls, "disassociate it, then aws wafv2 delete-web-acl "
        "--scope REGIONAL --name",
    ),
}  # fmt: skip
"""By type: what it is to people, which names exist, and how one is freed."""


_NEVER_DEPLOYED: Final = frozenset({"", "ROLLBACK_FAILED", *NOTHING_THERE})
_LEFTOVERS: Final = (
    "; what a first deployment that failed has left: .venv/bin/python -m ops leftovers"
)


def taken(clients: Clients, type_: str, needs: Needs, now: Existing) -> Iterator[Check]:
    """A check for each name that is taken by what is not the stack's; one if none is."""
    what, ask, mend = TAKEN[type_]
    names = [name for name in needs.names.get(type_, []) if not now.has(type_, name)]
    others = sorted(set(ask(clients, names))) if names else []
    for name in others:
        yield judged(
            f"{what} {name}",
            found="taken by something that is not the stack's",
            needed="free",
            held=False,
            mend=f"{mend} {name}" + (_LEFTOVERS if now.status in _NEVER_DEPLOYED else ""),
        )
    if not others:
        own = len(needs.names.get(type_, [])) - len(names)
        yield judged(
            f"names: {what}",
            found=f"{len(names)} free" + (f", {own} the stack's own" if own else ""),
            needed="free",
            held=True,
        )
