"""What the account may have at most, what it has now, and what the deployment adds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from botocore.exceptions import ClientError

from ops.console.checks import Check, judged
from ops.console.failure import code
from ops.production.existing import Existing
from ops.production.needs import Needs
from ops.production.questions import Clients
from ops.production.stack import REGION, every

_UNRESERVED_MINIMUM: Final = 100
"""Lambda, PutFunctionConcurrency: so many executions must stay unreserved."""

_API_KEYS: Final = 10_000
"""API Gateway quotas, "API keys per account per Region": cannot be raised."""


@dataclass(frozen=True, kw_only=True)
class Quota:
    """A quota on the number of something in a region.

    Attributes:
        code: of Service Quotas.
        attribute: of EC2's account attributes that has the same, for those who may not ask
            Service Quotas.
        used: counts what there is.
    """

    what: str
    service: str
    code: str
    used: Callable[[Clients], int]
    attribute: str = ""


def _counted(service: str, operation: str) -> Callable[[Clients], int]:
    return lambda clients: len([*every(clients(service), operation)])


QUOTAS: Final[Mapping[str, Quota]] = {
    "AWS::EC2::EIP": Quota(
        what="Elastic IPs", service="ec2", code="L-0263D0A3",
        used=lambda clients: len(clients("ec2").describe_addresses()["Addresses"]),
        attribute="vpc-max-elastic-ips",
    ),
    "AWS::EC2::VPC": Quota(
        what="VPCs", service="vpc", code="L-F678F1CE",
        used=_counted("ec2", "describe_vpcs"),
    ),
    "AWS::EC2::InternetGateway": Quota(
        what="internet gateways", service="vpc", code="L-A4707A72",
        used=_counted("ec2", "describe_internet_gateways"),
    ),
    "AWS::RDS::DBInstance": Quota(
        what="database instances", service="rds", code="L-7B6409FD",
        used=_counted("rds", "describe_db_instances"),
    ),
}  # fmt: skip
_NAT_GATEWAYS: Final = "L-FE5A380F"
_RULES: Final = "L-0EA8095F"


def counted(clients: Clients, type_: str, needs: Needs, now: Existing) -> Iterator[Check]:
    """One of the quotas on a number in the region."""
    quota = QUOTAS[type_]
    limit = _limit(clients, quota.service, quota.code, quota.attribute)
    used, more = quota.used(clients), _more(needs, now, type_)
    yield _room(quota.what, limit, used, more, quota.service, quota.code)


def nat_gateways(clients: Clients, needs: Needs, now: Existing) -> Iterator[Check]:
    """Per zone, of which each gets one."""
    limit = _limit(clients, "vpc", _NAT_GATEWAYS)
    ec2 = clients("ec2")
    zones = {each["SubnetId"]: each["AvailabilityZone"] for each in every(ec2, "describe_subnets")}
    used = Counter(
        zones.get(each["SubnetId"], "")
        for each in every(ec2, "describe_nat_gateways")
        if each["State"] in ("available", "pending")
    )
    most = max((used[zone] for zone in needs.zones), default=0)
    more = 0 if now.count("AWS::EC2::NatGateway") else 1
    yield _room("NAT gateways in a zone", limit, most, more, "vpc", _NAT_GATEWAYS)


def rules(clients: Clients, needs: Needs) -> Iterator[Check]:
    limit = _limit(clients, "vpc", _RULES)
    yield _room("rules of a security group", limit, 0, needs.rules, "vpc", _RULES)


def concurrency(clients: Clients, needs: Needs, now: Existing) -> Iterator[Check]:
    """Lambda's: what is reserved, and what must stay unreserved besides."""
    functions = clients("lambda")
    limits = functions.get_account_settings()["AccountLimit"]
    returned = 0
    for name in needs.reserved:
        if now.has("AWS::Lambda::Function", name):
            told = functions.get_function_concurrency(FunctionName=name)
            returned += told.get("ReservedConcurrentExecutions", 0)
    unreserved = limits["UnreservedConcurrentExecutions"] + returned
    reserved = sum(needs.reserved.values())
    needed = reserved + _UNRESERVED_MINIMUM
    yield judged(
        "Lambda concurrency",
        found=f"{unreserved} of {limits['ConcurrentExecutions']} free to be reserved",
        needed=f"{needed}: {reserved} reserved, {_UNRESERVED_MINIMUM} that stay unreserved",
        held=unreserved >= needed,
        mend=_raise("lambda", "L-B99A9384", limits["ConcurrentExecutions"] - unreserved + needed)
        + ", or deploy with less: -c validator_concurrency=40 -c processor_concurrency=40 "
        "-c audit_logger_concurrency=20",
    )


def api_keys(clients: Clients, needs: Needs, now: Existing) -> Iterator[Check]:
    used = len([*every(clients("apigateway"), "get_api_keys", includeValues=False)])
    more = _more(needs, now, "AWS::ApiGateway::ApiKey")
    mend = "delete keys that nobody uses: the number cannot be raised"
    yield _used("API keys", used, _API_KEYS, more, mend)


def roles(clients: Clients, needs: Needs, now: Existing) -> Iterator[Check]:
    """IAM's, which are the account's and have no region."""
    summary = clients("iam").get_account_summary()["SummaryMap"]
    for what, type_, key in (
        ("IAM roles", "AWS::IAM::Role", "Roles"),
        ("IAM policies", "AWS::IAM::ManagedPolicy", "Policies"),
    ):
        used, limit = summary[key], summary[f"{key}Quota"]
        mend = "ask for more in the Service Quotas console, IAM; or delete what nobody uses"
        yield _used(what, used, limit, _more(needs, now, type_), mend)


def _more(needs: Needs, now: Existing, type_: str) -> int:
    """How many of a type the deployment adds."""
    return max(0, needs.counts[type_] - now.count(type_))


def _room(what: str, limit: float, used: int, more: int, service: str, quota: str) -> Check:
    mend = _raise(service, quota, used + more)
    found = _used(what, used, limit, more, mend)
    return found if used else replace(found, found=f"{limit:g} allowed")


def _used(what: str, used: int, limit: float, more: int, mend: str) -> Check:
    return judged(
        what,
        found=f"{used} of {limit:.10g} used",
        needed=f"{more} more",
        held=used + more <= limit,
        mend=mend,
    )


def _raise(service: str, quota: str, value: int) -> str:
    return (
        f"aws service-quotas request-service-quota-increase --region {REGION} --service-code "
        f"{service} --quota-code {quota} --desired-value {value}"
    )


def _limit(clients: Clients, service: str, quota: str, attribute: str = "") -> float:
    """The account's own value; where it was never changed, AWS's default."""
    asked = {"ServiceCode": service, "QuotaCode": quota}
    quotas = clients("service-quotas")
    try:
        return float(quotas.get_service_quota(**asked)["Quota"]["Value"])
    except ClientError as error:
        if code(error) == "NoSuchResourceException":
            return float(quotas.get_aws_default_service_quota(**asked)["Quota"]["Value"])
        if code(error) != "AccessDeniedException" or not attribute:
            raise
    (found,) = clients("ec2").describe_account_attributes(AttributeNames=[attribute])[
        "AccountAttributes"
    ]
    values: list[dict[str, Any]] = found["AttributeValues"]
    return float(values[0]["AttributeValue"])
