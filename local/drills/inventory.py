"""What exists in an account, as far as PaymentsProd has to do with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.deployment import STACK
from local.drills.report import Step
from local.drills.site import Site

Inventory = dict[str, frozenset[str]]
"""Names or ids, by kind."""


OF_THE_ACCOUNT = frozenset({"/aws/apigateway/welcome", "RDSOSMetrics"})
"""Log groups that PaymentsProd adopts or makes, and leaves."""


def take(site: Site) -> Inventory:
    """Everything of every kind, but for PaymentsProd's own, empty record of a failure, and for the
    account's log groups."""
    return {kind: frozenset(read(site)) for kind, read in _KINDS.items()}


def added(before: Inventory, after: Inventory) -> list[str]:
    """What is there now and was not, as `kind: name`."""
    return [f"{kind}: {name}" for kind in after for name in sorted(after[kind] - before[kind])]


def compared(site: Site, before: Inventory, expected: str) -> Step:
    """That nothing is there that was not."""
    left = added(before, take(site))
    seen = ", ".join(left) or f"{len(before)} kinds of resources: nothing is left"
    return Step("list what exists", expected, not left, seen)


Reader = Callable[[Site], set[str]]


def _listed(service: str, operation: str, field: str, name: str = "", **arguments: Any) -> Reader:
    """Reads an operation of one answer or many.

    Args:
        field: of the answer, with the list.
        name: of an element, what identifies it; nothing if that is all that it is.
    """

    def read(site: Site) -> set[str]:
        client = site.client(service)
        if client.can_paginate(operation):
            answers = client.get_paginator(operation).paginate(**arguments)
        else:
            answers = [getattr(client, operation)(**arguments)]
        found = [element for answer in answers for element in answer.get(field, ())]
        return {str(element[name] if name else element) for element in found}

    return read


def _keys(site: Site) -> set[str]:
    kms = site.client("kms")
    ids = _listed("kms", "list_keys", "Keys", "KeyId")(site)
    described = (kms.describe_key(KeyId=key)["KeyMetadata"] for key in ids)
    return {key["KeyId"] for key in described if key["KeyState"] != "PendingDeletion"}


def _log_groups(site: Site) -> set[str]:
    names = _listed("logs", "describe_log_groups", "logGroups", "logGroupName")(site)
    return names - OF_THE_ACCOUNT


def _gateways(site: Site) -> set[str]:
    found = site.client("ec2").describe_nat_gateways()["NatGateways"]
    return {gateway["NatGatewayId"] for gateway in found if gateway["State"] != "deleted"}


def _stacks(site: Site) -> set[str]:
    pages = site.client("cloudformation").get_paginator("list_stacks").paginate()
    return {
        stack["StackName"]
        for page in pages
        for stack in page["StackSummaries"]
        if stack["StackStatus"] != "DELETE_COMPLETE"
        and (stack["StackName"], stack["StackStatus"]) != (STACK, "ROLLBACK_COMPLETE")
    }


_KINDS: dict[str, Reader] = {
    "stack": _stacks,
    "table": _listed("dynamodb", "list_tables", "TableNames"),
    "database": _listed("rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier"),
    "database subnet group": _listed(
        "rds", "describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupName"
    ),
    "database parameter group": _listed(
        "rds", "describe_db_parameter_groups", "DBParameterGroups", "DBParameterGroupName"
    ),
    "secret": _listed("secretsmanager", "list_secrets", "SecretList", "Name"),
    "function": _listed("lambda", "list_functions", "Functions", "FunctionName"),
    "event source": _listed("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"),
    "bucket": _listed("s3", "list_buckets", "Buckets", "Name"),
    "queue": _listed("sqs", "list_queues", "QueueUrls"),
    "topic": _listed("sns", "list_topics", "Topics", "TopicArn"),
    "subscription": _listed("sns", "list_subscriptions", "Subscriptions", "SubscriptionArn"),
    "key": _keys,
    "key alias": _listed("kms", "list_aliases", "Aliases", "AliasName"),
    "log group": _log_groups,
    "role": _listed("iam", "list_roles", "Roles", "RoleName"),
    "policy": _listed("iam", "list_policies", "Policies", "PolicyName", Scope="Local"),
    "VPC": _listed("ec2", "describe_vpcs", "Vpcs", "VpcId"),
    "subnet": _listed("ec2", "describe_subnets", "Subnets", "SubnetId"),
    "security group": _listed("ec2", "describe_security_groups", "SecurityGroups", "GroupId"),
    "route table": _listed("ec2", "describe_route_tables", "RouteTables", "RouteTableId"),
    "internet gateway": _listed(
        "ec2", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"
    ),
    "NAT gateway": _gateways,
    "address": _listed("ec2", "describe_addresses", "Addresses", "AllocationId"),
    "endpoint": _listed("ec2", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    "flow log": _listed("ec2", "describe_flow_logs", "FlowLogs", "FlowLogId"),
    "REST API": _listed("apigateway", "get_rest_apis", "items", "id"),
    "API key": _listed("apigateway", "get_api_keys", "items", "id"),
    "usage plan": _listed("apigateway", "get_usage_plans", "items", "id"),
    "web ACL": _listed("wafv2", "list_web_acls", "WebACLs", "Name", Scope="REGIONAL"),
    "event rule": _listed("events", "list_rules", "Rules", "Name"),
    "alarm": _listed("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    "composite alarm": _listed(
        "cloudwatch",
        "describe_alarms",
        "CompositeAlarms",
        "AlarmName",
        AlarmTypes=["CompositeAlarm"],
    ),
    "dashboard": _listed("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
}
