"""Which changes ask for a second look: of security, or the end of a stateful resource."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from ops.plan.model import ENDING, Action, Change, Remark, Report, Weight

# What a replacement or removal takes away that no deployment brings back.
STATEFUL: Final[Mapping[str, str]] = {
    "AWS::ApiGateway::ApiKey": "the key that clients send",
    "AWS::ApiGateway::DomainName": "the target that the clients' DNS record leads to",
    "AWS::ApiGateway::RestApi": "the address that clients call",
    "AWS::DynamoDB::Table": "the table's items",
    "AWS::KMS::Key": "the key, without which what it encrypted cannot be read",
    "AWS::Logs::LogGroup": "the logs",
    "AWS::RDS::DBInstance": "the database",
    "AWS::RDS::DBParameterGroup": "the settings that the database runs with",
    "AWS::RDS::DBSubnetGroup": "the subnets that the database stands in",
    "AWS::S3::Bucket": "the bucket's objects",
    "AWS::SNS::Subscription": "the confirmation, which the recipient must give again",
    "AWS::SNS::Topic": "the topic's subscriptions, which recipients must confirm again",
    "AWS::SQS::Queue": "the queue's messages",
    "AWS::SecretsManager::Secret": "the secret",
}

# What they stand in, and likewise.
_NETWORK: Final[Mapping[str, str]] = {
    "AWS::EC2::Subnet": "the subnet that the database and the functions stand in",
    "AWS::EC2::VPC": "the network that the database and the functions stand in",
}

# Of the network, no replacement ever succeeds: to name it is of no use.
_IRREPLACEABLE: Final[Mapping[str, str]] = {
    "AWS::EC2::Subnet": "EC2 makes no second subnet with the same addresses, and the database "
    "cannot leave the one that it stands in. Keep availability_zones and vpc_cidr as they were "
    "deployed (config.py)",
    "AWS::EC2::VPC": "the database cannot follow into another network. Keep vpc_cidr as it was "
    "deployed (config.py)",
}

# Types that are about nothing but who may do what.
_SECURITY_TYPES: Final = (
    "AWS::ApiGateway::ApiKey",
    "AWS::ApiGateway::Authorizer",
    "AWS::ApiGateway::UsagePlanKey",
    "AWS::EC2::NetworkAcl",
    "AWS::EC2::SecurityGroup",  # and its rules, which are types of their own
    "AWS::IAM::",
    "AWS::KMS::",
    "AWS::Lambda::Permission",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::SecretsManager::",
    "AWS::WAFv2::",
    "Custom::DefaultSecurityGroup",
    "Custom::ProductionSeal",
)

# Of other types: the properties that decide who may reach or read them, as a pattern.
_SECURITY_PROPERTIES: Final[Mapping[str, str]] = {
    "AWS::ApiGateway::DomainName": "MutualTlsAuthentication|RegionalCertificateArn|SecurityPolicy",
    "AWS::ApiGateway::Method": "ApiKeyRequired|AuthorizationScopes|AuthorizationType|AuthorizerId",
    "AWS::ApiGateway::RestApi": "DisableExecuteApiEndpoint|Policy",
    "AWS::DynamoDB::Table": "ResourcePolicy|SSESpecification",
    "AWS::EC2::Route": "DestinationCidrBlock|GatewayId|NatGatewayId",
    "AWS::EC2::Subnet": "MapPublicIpOnLaunch",
    "AWS::EC2::VPCEndpoint": "PolicyDocument|SecurityGroupIds",
    "AWS::Lambda::Function": "KmsKeyArn|Role|VpcConfig",
    "AWS::Logs::LogGroup": "DataProtectionPolicy|KmsKeyId",
    "Custom::SharedLogGroup": "KmsKeyId",
    "AWS::RDS::DBInstance": "DeletionProtection|EnableIAMDatabaseAuthentication|KmsKeyId|"
    "ManageMasterUserPassword|PubliclyAccessible|StorageEncrypted|VPCSecurityGroups",
    "AWS::RDS::DBParameterGroup": "Parameters",  # rds.force_ssl
    "AWS::S3::Bucket": "AccessControl|BucketEncryption|ObjectLockConfiguration|ObjectLockEnabled|"
    "OwnershipControls|PublicAccessBlockConfiguration|VersioningConfiguration",
    "AWS::SNS::Subscription": "Endpoint|Protocol",
    "AWS::SNS::Topic": "DataProtectionPolicy|KmsMasterKeyId|Subscription",
    "AWS::SQS::Queue": "KmsMasterKeyId|SqsManagedSseEnabled",
}

# New or gone, these open or close a way in: their properties need not be looked at.
_DOORS: Final = frozenset(
    {
        "AWS::ApiGateway::BasePathMapping",
        "AWS::ApiGateway::DomainName",
        "AWS::ApiGateway::Method",
        "AWS::EC2::Route",
        "AWS::EC2::VPCEndpoint",
        "AWS::SNS::Subscription",
    }
)


def is_security(change: Change) -> bool:
    """Whether a change decides who may do, reach or read something."""
    if change.resource_type.startswith(_SECURITY_TYPES):
        return True
    decisive = _SECURITY_PROPERTIES.get(change.resource_type, "")
    if any(re.fullmatch(decisive, each) for each in change.properties):
        return True
    return change.resource_type in _DOORS and not change.properties


def loss(change: Change) -> str | None:
    """What would be gone, in words, when a change ends a stateful resource; else None."""
    if change.action not in ENDING:
        return None
    return {**STATEFUL, **_NETWORK}.get(change.resource_type)


def objections(report: Report, allowed: Collection[str] = ()) -> list[Change]:
    """The stateful resources that would be replaced or removed without their logical ids having
    been named, and those whose replacement cannot succeed."""
    return [
        change
        for change in report.changes
        if loss(change) is not None
        and (change.logical_id not in allowed or impossibility(change) is not None)
    ]


def impossibility(change: Change) -> str | None:
    """Why a replacement cannot succeed, and what to do; None if it can."""
    if change.action is not Action.REPLACED:
        return None
    return _IRREPLACEABLE.get(change.resource_type)


def impossible(report: Report) -> list[Remark]:
    """What AWS would refuse by the values that are live."""
    return [remark for remark in report.remarks if remark.weight is Weight.IMPOSSIBLE]


def remarked(report: Report, change: Change, weight: Weight) -> bool:
    """Whether there is such a remark on a change."""
    return any(
        (remark.stack, remark.logical_id, remark.weight)
        == (change.stack, change.logical_id, weight)
        for remark in report.remarks
    )
