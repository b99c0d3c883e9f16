"""What CloudFormation asks for, in the name of its execution role, to make, change and delete the
resources of templates: the rights that the CloudFormation registry names for each type's handlers.

``pipeline/handlers.json`` has them as ``aws cloudformation describe-type --type RESOURCE
--type-name NAME --query Schema`` tells them; the role's policies are in ``pipeline/account.yaml``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Final

from assurance.assembly import NAMES

PROJECT: Final = Path(__file__).resolve().parents[2]
ACCOUNT_TEMPLATE: Final = PROJECT / "pipeline" / "account.yaml"
_HANDLERS: Final = PROJECT / "pipeline" / "handlers.json"
_REFERENCE: Final = PROJECT / "node_modules" / "@cloud-copilot" / "iam-data" / "data"
"""AWS's service authorization reference, action by action."""

LEFT_OUT: Final[Mapping[str, str]] = {
    "amplify:* apprunner:* appsync:* bedrock-agentcore:* cognito-idp:* elasticloadbalancing:* "
    "ec2:*VerifiedAccess* wafv2:*PermissionPolicy": "the web ACL guards a REST API",
    "firehose:* kinesis:* dynamodb:*Kinesis*": "logs and changes go to no stream of Kinesis",
    "elasticfilesystem:* s3files:* lambda:GetLayerVersion lambda:*CodeSigning* "
    "lambda:PassCapacityProvider lambda:PutFunctionScalingConfig": "functions have none of these",
    "dynamodb:*Item dynamodb:Query dynamodb:Scan dynamodb:*Import* dynamodb:*Replica "
    "s3:GetObjectMetadata": "no import, no replica: payments are none of CloudFormation's business",
    "autoscaling:* vpc-lattice:* vpce:* ec2:*Vpn* ec2:*EncryptionControl ec2:ModifyVpcTenancy "
    "ec2:*NatGatewayAddress ec2:AcceptAddressTransfer ec2:AssociateAddress "
    "ec2:*SubnetCidrBlock": "the network has none of these",
    "iam:*User* iam:*Group* iam:PutRolePolicy iam:DeleteRolePolicy "
    "iam:DeleteRolePermissionsBoundary": "managed policies, on roles that keep their boundary",
    "iam:ListRoles iam:DescribeOrganization": "only asked for by other ways to set it up",
    "rds:*Snapshot rds:Restore* rds:*ReadReplica rds:*Role*DBInstance rds:St*Replication": (
        "a database that is made new; people restore it"
    ),
    "s3tables:* s3:*MetadataTable* s3:UpdateBucketMetadata* s3:*BucketAbac s3:*Accelerate* "
    "s3:*BucketWebsite S3:* s3:*CORS s3:*Cors s3:*Replication* s3:PutAnalytics* s3:PutMetrics* "
    "s3:DeleteBucketAnalytics* s3:DeleteBucketMetrics* s3:PutInventory* s3:PutIntelligent* "
    "s3:DeleteBucketEncryption s3:DeleteBucketLifecycle s3:*ObjectAcl s3:PutObjectLock* "
    "s3:DeleteObject s3:REST*": "the buckets have none of these",
    "logs:*Bearer* logs:*LogGroupDeletionProtection logs:*DataProtectionPolicy logs:*IndexPolicy "
    "logs:DeleteResourcePolicy logs:*LogStream* logs:PutLogEvents sns:PutDataProtectionPolicy": (
        "log groups and the topic have none of these"
    ),
    "codedeploy:RegisterOnPremisesInstance": "releases of functions only",
    "cloudformation:SetStackPolicy": "nested stacks have no policy of their own",
}
"""Rights of handlers, by pattern, that are for properties which our templates do not have."""

_PASSED_TO: Final = {
    "AWS::ApiGateway::Account": "apigateway.amazonaws.com",
    "AWS::CodeDeploy::DeploymentGroup": "codedeploy.amazonaws.com",
    "AWS::EC2::FlowLog": "vpc-flow-logs.amazonaws.com",
    "AWS::Lambda::Function": "lambda.amazonaws.com",
    "AWS::RDS::DBInstance": "monitoring.rds.amazonaws.com",
}
"""Who gets the role of a resource. Resources of other types have none."""

_OWN_ROLE_OF: Final = {
    "ec2": "delivery.logs.amazonaws.com",
    "rds": "rds.amazonaws.com",
    "wafv2": "wafv2.amazonaws.com",
}
"""The service-linked role that AWS may make, by a type's service."""

_ARNS: Final = {
    "AWS::ApiGateway::": "apigateway:{region}::/restapis/{name}",
    "AWS::ApiGateway::Account": "apigateway:{region}::/account",
    "AWS::ApiGateway::ApiKey": "apigateway:{region}::/apikeys/{name}",
    "AWS::ApiGateway::BasePathMapping": "apigateway:{region}::/domainnames/{name}",
    "AWS::ApiGateway::DomainName": "apigateway:{region}::/domainnames/{name}",
    "AWS::ApiGateway::Stage": "apigateway:{region}::/restapis/{name}/stages/prod",
    "AWS::ApiGateway::UsagePlan": "apigateway:{region}::/usageplans/{name}",
    "AWS::Budgets::": "budgets::{account}:budget/{name}",
    "AWS::CloudFormation::": "cloudformation:{region}:{account}:stack/{name}/0a1b2c3d",
    "AWS::CloudWatch::": "cloudwatch:{region}:{account}:alarm:{name}",
    "AWS::CloudWatch::Dashboard": "cloudwatch::{account}:dashboard/{name}",
    "AWS::CodeDeploy::": "codedeploy:{region}:{account}:application:{name}",
    "AWS::CodeDeploy::DeploymentConfig": "codedeploy:{region}:{account}:deploymentconfig:"
    "CodeDeployDefault.AllAtOnce",
    "AWS::CodeDeploy::DeploymentGroup": "codedeploy:{region}:{account}:deploymentgroup:{name}/all",
    "AWS::DynamoDB::": "dynamodb:{region}:{account}:table/{name}",
    "AWS::EC2::": "ec2:{region}:{account}:vpc/{name}",
    "AWS::Events::": "events:{region}:{account}:rule/{name}",
    "AWS::IAM::ManagedPolicy": "iam::{account}:policy/{name}",
    "AWS::IAM::Role": "iam::{account}:role/{name}",
    "AWS::KMS::": "kms:{region}:{account}:key/{name}",
    "AWS::KMS::Alias": "kms:{region}:{account}:{name}",
    "AWS::Lambda::": "lambda:{region}:{account}:function:{name}",
    "AWS::Lambda::EventSourceMapping": "lambda:{region}:{account}:event-source-mapping:{name}",
    "AWS::Logs::": "logs:{region}:{account}:log-group:{name}",
    "AWS::RDS::DBInstance": "rds:{region}:{account}:db:{name}",
    "AWS::RDS::DBParameterGroup": "rds:{region}:{account}:pg:{lower}",
    "AWS::RDS::DBSubnetGroup": "rds:{region}:{account}:subgrp:{lower}",
    "AWS::S3::": "s3:::{lower}",
    "AWS::SNS::": "sns:{region}:{account}:{name}",
    "AWS::SQS::": "sqs:{region}:{account}:{name}",
    "AWS::WAFv2::": "wafv2:{region}:{account}:regional/webacl/payments/{name}",
    "AWS::WAFv2::WebACL": "wafv2:{region}:{account}:regional/webacl/{name}/0a1b2c3d",
}
"""What a type's requests name; by service, if it is not by type."""

_OTHERS: Final = {
    "apigateway": "AWS::ApiGateway::Stage",
    "codedeploy": "AWS::CodeDeploy::DeploymentGroup",
    "codedeploy:GetApplicationRevision": "AWS::CodeDeploy::Application",
    "codedeploy:GetDeploymentConfig": "AWS::CodeDeploy::DeploymentConfig",
    "codedeploy:RegisterApplicationRevision": "AWS::CodeDeploy::Application",
    "ec2": "AWS::EC2::VPC",
    "logs": "AWS::Logs::LogGroup",
    "wafv2:DisassociateWebACL": "AWS::ApiGateway::Stage",
}
"""What requests of another service name, and those of a type's own that name something else."""


def name_property(resource_type: str) -> str:
    """That with the physical name, or with that of what the resource belongs to."""
    of_parts = {"AWS::Lambda": "FunctionName", "AWS::Logs": "LogGroupName"}
    return NAMES.get(resource_type) or of_parts.get(resource_type.rpartition("::")[0], "")


@dataclass(frozen=True)
class Demand:
    """A right that is asked for."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a stack stands.

    stack: its name; a nested one's begins with its root's.
    """

    account: str
    region: str
    stack: str


@cache
def handled() -> Mapping[str, Mapping[str, list[str]]]:
    """The rights of each operation, by type of resource."""
    found: dict[str, dict[str, list[str]]] = json.loads(_HANDLERS.read_text(encoding="utf-8"))
    return found


def left_out(action: str) -> bool:
    return any(fnmatchcase(action, each) for group in LEFT_OUT for each in group.split())


def demands(
    resource_type: str, operation: str, logical_id: str, properties: Mapping[str, Any], place: Place
) -> Iterator[Demand]:
    """
    :param operation: ``create``, ``update`` or ``delete``; each reads, too.
    :param properties: without intrinsic functions.
    :raises KeyError: for a type that ``handlers.json`` does not have.
    """
    if resource_type.startswith("Custom::"):
        function = str(properties["ServiceToken"])
        yield Demand("lambda:InvokeFunction", function)
        return
    handlers = handled().get(resource_type)
    if handlers is None:
        raise KeyError(f"{_HANDLERS.name} has no {resource_type}: add its handlers' permissions")
    name = properties.get(name_property(resource_type), f"{place.stack}-{logical_id}")
    # What cannot be updated is made anew.
    for action in {*handlers.get(operation, handlers["create"]), *handlers.get("read", ())}:
        if not left_out(action):
            yield from _demand(action, resource_type, str(name), properties, place)


def _demand(
    action: str, resource_type: str, name: str, properties: Mapping[str, Any], place: Place
) -> Iterator[Demand]:
    service = resource_type.split("::")[1].lower()
    own = f"arn:aws:iam::{place.account}"
    context = {"aws:RequestedRegion": place.region}
    match action:
        case "iam:PassRole":
            if resource_type in _PASSED_TO:
                context["iam:PassedToService"] = _PASSED_TO[resource_type]
                for role in _roles(properties):
                    yield Demand(action, role, context)
        case "iam:CreateServiceLinkedRole":
            if service in _OWN_ROLE_OF:
                context["iam:AWSServiceName"] = who = _OWN_ROLE_OF[service]
                yield Demand(action, f"{own}:role/aws-service-role/{who}/AWSServiceRole", context)
        case "iam:CreateRole" | "iam:PutRolePermissionsBoundary":
            if boundary := properties.get("PermissionsBoundary"):
                context["iam:PermissionsBoundary"] = str(boundary)
            yield Demand(action, _arn(resource_type, name, place), context)
        case "iam:AttachRolePolicy" | "iam:DetachRolePolicy":
            for policy in _attached(resource_type, name, properties, place):
                role = f"{own}:role/{place.stack}-Role"
                yield Demand(action, role, {**context, "iam:PolicyARN": policy})
        case "iam:GetRole" if service != "iam":
            for role in _roles(properties):
                yield Demand(action, role, context)
        case "s3:GetObject" | "s3:GetObjectVersion":
            if service == "lambda":
                bucket = f"cdk-hnb659fds-assets-{place.account}-{place.region}"
                yield Demand(action, f"arn:aws:s3:::{bucket}/package.zip", context)
        case _ if action.startswith("s3:") and service != "s3":
            return  # of logs that go to a bucket, or come from one
        case _ if action.startswith("kms:") and service != "kms":
            if action not in ("kms:DescribeKey", "kms:ListAliases"):
                context["kms:ViaService"] = f"{service}.{place.region}.amazonaws.com"
            key = f"arn:aws:kms:{place.region}:{place.account}:key/{name}"
            yield Demand(action, "*" if not _kinds(action) else key, context)
        case "secretsmanager:CreateSecret" | "secretsmanager:TagResource":
            secret = f"{place.region}:{place.account}:secret:rds!db-{name}"
            yield Demand(action, f"arn:aws:secretsmanager:{secret}", context)
        case _:
            if action.endswith("EventSourceMapping") and not action.startswith("lambda:Get"):
                context["lambda:FunctionArn"] = _arn("AWS::Lambda::", name, place)
            yield Demand(action, _of(action, resource_type, name, place), context)


def _roles(value: Any) -> set[str]:
    """The ARNs of roles in properties."""
    return set(re.findall(r"arn:aws:iam::\d+:role/[\w+=,.@/-]+", json.dumps(value)))


def _attached(
    resource_type: str, name: str, properties: Mapping[str, Any], place: Place
) -> list[str]:
    if resource_type == "AWS::IAM::Role":
        return [str(each) for each in properties.get("ManagedPolicyArns", ())]
    return [_arn(resource_type, name, place)] if properties.get("Roles") else []


def _of(action: str, resource_type: str, name: str, place: Place) -> str:
    """What the request names: of a type's own, or of another service's that it works with."""
    kinds = _kinds(action)
    if not kinds:
        return "*"
    service = action.partition(":")[0]
    own = service == resource_type.split("::")[1].lower() and action not in _OTHERS
    about = resource_type if own else _OTHERS.get(action, _OTHERS.get(service, ""))
    arn = _arn(about, name if own else f"{place.stack}-x", place) if about else ""
    if action.endswith("ProvisionedConcurrencyConfig"):
        return f"{arn}:live"
    if any(re.fullmatch(re.sub(r"\\\$\\\{\w+\\\}", ".*", re.escape(kind)), arn) for kind in kinds):
        return arn
    for variable, value in (("Account", place.account), ("Region", place.region)):
        kinds = [kind.replace(f"${{{variable}}}", value) for kind in kinds]
    return re.sub(r"\$\{\w+\}", "x", kinds[0].replace("${Partition}", "aws"))


def _arn(resource_type: str, name: str, place: Place) -> str:
    if name.startswith("arn:"):
        return name
    service = resource_type.rpartition("::")[0]
    pattern = "arn:aws:" + (_ARNS.get(resource_type) or _ARNS[f"{service}::"])
    return pattern.format(account=place.account, region=place.region, name=name, lower=name.lower())


@cache
def _kinds(action: str) -> list[str]:
    """The ARNs' patterns of what requests for the action name; none, if they name nothing."""
    service, _, name = action.partition(":")
    kinds = _reference("actions", service)[name.lower()]["resourceTypes"]
    arns = _reference("resourceTypes", service) if kinds else {}
    return [arn for kind in kinds for arn in arns[kind["name"].lower()]["arn"].split(", ")]


@cache
def _reference(kind: str, service: str) -> Mapping[str, Any]:
    text = (_REFERENCE / kind / f"{service}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
