"""Where to look for what a failed creation has left: by the tags that CloudFormation sets, and, for
what has none or is not told by its tags, by names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from ops.console.environment import stack_name
from ops.console.failure import or_none
from ops.inspection.tags import as_mapping
from ops.production.questions import Clients
from ops.production.stack import every

GONE: Final = "DELETE_COMPLETE"
_STACK_NAME, _STACK_ID, _LOGICAL_ID = (
    f"aws:cloudformation:{each}" for each in ("stack-name", "stack-id", "logical-id")
)


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """Something that a creation has left.

    Attributes:
        kind: such as ``table``; ops.leftovers.removal.ORDER has them all.
        found: ``tag``, ``name`` or ``stack``: how it was told to be PaymentsProd's.
        owner: the id of the stack that made it, from its tags; empty, if these do not say.
        logical_id: in that stack, from its tags; empty likewise.
        proven: whether it is proven to hold nothing of business. Only then may it go.
        evidence: why it is, or is not.
    """

    kind: str
    name: str
    found: str
    owner: str = ""
    logical_id: str = ""
    proven: bool = False
    evidence: str = ""


def everything(clients: Clients, names: Mapping[str, Sequence[str]]) -> list[Leftover]:
    """All that is PaymentsProd's, unproven, in no order.

    Args:
        names: that the templates fix, by resource type.
    """
    found = [
        *_stacks(clients),
        *_databases(clients, names.get("AWS::RDS::DBInstance", ())),
        *_groups_of_databases(clients),
        *_tables(clients, names.get("AWS::DynamoDB::Table", ())),
        *_tagged(clients),
        *_buckets(clients),
        *_log_groups(clients, names.get("AWS::Logs::LogGroup", ())),
        *_roles(clients),
        *_policies(clients),
        *_interfaces(clients),
    ]
    unique: dict[tuple[str, str], Leftover] = {}
    for each in found:
        unique.setdefault((each.kind, each.name), each)
    return list(unique.values())


def is_ours(name: str) -> bool:
    """Whether CloudFormation made up this name for PaymentsProd or a nested stack. RDS writes
    names in small letters."""
    return name.lower().startswith(f"{stack_name().lower()}-")


def _stacks(clients: Clients) -> Iterator[Leftover]:
    for each in every(clients("cloudformation"), "list_stacks"):
        name, status = each["StackName"], each["StackStatus"]
        # The empty record of a failure: the CDK replaces it by itself.
        if status == GONE or (name == stack_name() and status == "ROLLBACK_COMPLETE"):
            continue
        if name == stack_name() or name.startswith(f"{stack_name()}-"):
            id_ = each["StackId"]
            yield Leftover(kind="stack", name=id_, found="stack", owner=id_, evidence=status)


def _from_tags(kind: str, name: str, listed: Any, *, by_name: bool = False) -> Iterator[Leftover]:
    """What its tags, as AWS lists them, say of something."""
    tags = as_mapping(listed)
    tagged = tags.get(_STACK_NAME, "")
    ours = tagged == stack_name() or tagged.startswith(f"{stack_name()}-")
    # What says that another stack made it is that one's, whatever its name.
    if ours or (by_name and not tagged):
        yield Leftover(
            kind=kind,
            name=name,
            found="tag" if ours else "name",
            owner=tags.get(_STACK_ID, ""),
            logical_id=tags.get(_LOGICAL_ID, ""),
        )


def _databases(clients: Clients, names: Sequence[str]) -> Iterator[Leftover]:
    for each in every(clients("rds"), "describe_db_instances"):
        name = each["DBInstanceIdentifier"]
        yield from _from_tags("database", name, each.get("TagList", []), by_name=name in names)


def _groups_of_databases(clients: Clients) -> Iterator[Leftover]:
    rds = clients("rds")
    for kind, operation, name in (
        ("subnet group", "describe_db_subnet_groups", "DBSubnetGroup"),
        ("parameter group", "describe_db_parameter_groups", "DBParameterGroup"),
    ):
        for each in every(rds, operation):
            arn = each[f"{name}Arn"]
            tags = rds.list_tags_for_resource(ResourceName=arn).get("TagList", [])
            known = each[f"{name}Name"]
            yield from _from_tags(kind, known, tags, by_name=is_ours(known))


def _tables(clients: Clients, names: Sequence[str]) -> Iterator[Leftover]:
    """By name only: those with tags are found by these."""
    dynamodb = clients("dynamodb")
    for name in names:
        look = partial(dynamodb.describe_table, TableName=name)
        if found := or_none(look, "ResourceNotFoundException"):
            arn = found["Table"]["TableArn"]
            tags = dynamodb.list_tags_of_resource(ResourceArn=arn).get("Tags", [])
            yield from _from_tags("table", name, tags, by_name=True)


def _tagged(clients: Clients) -> Iterator[Leftover]:
    """Tables, queues and keys: their tags tell of all of them."""
    kinds = {"dynamodb": "table", "sqs": "queue", "kms": "key"}
    for each in every(
        clients("resourcegroupstaggingapi"),
        "get_resources",
        ResourceTypeFilters=["dynamodb:table", "sqs", "kms:key"],
    ):
        _, _, service, _, _, rest = each["ResourceARN"].split(":", 5)
        name = rest.rpartition("/")[2]
        for found in _from_tags(kinds[service], name, each["Tags"]):
            if found.kind != "key" or _is_kept(clients, name):
                yield found


def _buckets(clients: Clients) -> Iterator[Leftover]:
    s3 = clients("s3")
    for name in (each["Name"] for each in s3.list_buckets()["Buckets"]):
        if is_ours(name):
            found = or_none(partial(s3.get_bucket_tagging, Bucket=name), "NoSuchTagSet") or {}
            tags = found.get("TagSet", [])
            yield from _from_tags("bucket", name, tags, by_name=True)


def _is_kept(clients: Clients, key: str) -> bool:
    found = or_none(partial(clients("kms").describe_key, KeyId=key), "NotFoundException")
    return found is not None and found["KeyMetadata"]["KeyState"] != "PendingDeletion"


def _log_groups(clients: Clients, names: Sequence[str]) -> Iterator[Leftover]:
    logs = clients("logs")
    for each in every(logs, "describe_log_groups"):
        name = each["logGroupName"]
        # API Gateway's, which has the API's id in its name, is told by its tags.
        if name in names or is_ours(name) or name.startswith("API-Gateway-Execution-Logs_"):
            arn = each["arn"].removesuffix(":*")
            tags = logs.list_tags_for_resource(resourceArn=arn).get("tags", {})
            yield from _from_tags("log group", name, tags, by_name=name in names or is_ours(name))


def _roles(clients: Clients) -> Iterator[Leftover]:
    iam = clients("iam")
    for name in (role["RoleName"] for role in every(iam, "list_roles")):
        if is_ours(name):
            tags = iam.list_role_tags(RoleName=name).get("Tags", [])
            yield from _from_tags("role", name, tags, by_name=True)


def _policies(clients: Clients) -> Iterator[Leftover]:
    """They have no tags of CloudFormation."""
    for each in every(clients("iam"), "list_policies", Scope="Local"):
        if is_ours(each["PolicyName"]):
            yield from _from_tags("policy", each["Arn"], {}, by_name=True)


def _interfaces(clients: Clients) -> Iterator[Leftover]:
    """Those that Lambda has given up in PaymentsProd's network, and has not deleted."""
    ec2 = clients("ec2")
    vpcs = {vpc["VpcId"]: vpc.get("Tags", []) for vpc in every(ec2, "describe_vpcs")}
    for each in every(
        ec2, "describe_network_interfaces", Filters=[{"Name": "status", "Values": ["available"]}]
    ):
        if each["Status"] == "available":
            yield from _from_tags(
                "network interface", each["NetworkInterfaceId"], vpcs.get(each["VpcId"], {})
            )
