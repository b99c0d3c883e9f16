"""Statements that the policies of more than one payment function need."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from building_blocks.key import use_key_through
from nested.data import DataOutputs


def use_table_key(key: kms.IKey) -> iam.PolicyStatement:
    """DynamoDB asks for these of whoever reads or writes a table under a customer-managed key
    (DynamoDB developer guide, "Encryption at rest: usage notes")."""
    return use_key_through(
        "dynamodb",
        key,
        [
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:Encrypt",
            "kms:GenerateDataKey",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        ],
        sid="UseTheTablesKey",
    )


def use_queue_key(key: kms.IKey) -> iam.PolicyStatement:
    """SQS asks for these of whoever sends to or receives from an encrypted queue (SQS developer
    guide, "Key management")."""
    return use_key_through(
        "sqs", key, ["kms:Decrypt", "kms:GenerateDataKey"], sid="UseTheQueuesKey"
    )


def deny_what_no_function_does(data: DataOutputs) -> list[iam.PolicyStatement]:
    """What stays forbidden whatever else a policy may come to allow (R17): rewriting the
    history, touching what is audited, administering keys, and gaining rights."""
    table = data.transactions_table.table_arn
    bucket = data.audit_bucket.bucket_arn
    return [
        iam.PolicyStatement(
            sid="DenyRewritingHistory",
            effect=iam.Effect.DENY,
            actions=[
                "dynamodb:BatchWriteItem",
                "dynamodb:DeleteItem",
                "dynamodb:DeleteTable",
                "dynamodb:PartiQLDelete",
                "dynamodb:PartiQLUpdate",
                "dynamodb:UpdateItem",
                "dynamodb:UpdateTable",
                "dynamodb:UpdateTimeToLive",
            ],
            resources=[table, f"{table}/*"],
        ),
        iam.PolicyStatement(
            sid="DenyTamperingWithTheAuditTrail",
            effect=iam.Effect.DENY,
            actions=[
                "s3:BypassGovernanceRetention",
                "s3:DeleteBucket",
                "s3:DeleteBucketPolicy",
                "s3:DeleteObject",
                "s3:DeleteObjectVersion",
                "s3:PutBucketObjectLockConfiguration",
                "s3:PutBucketPolicy",
                "s3:PutBucketVersioning",
                "s3:PutLifecycleConfiguration",
                "s3:PutObjectLegalHold",
                "s3:PutObjectRetention",
            ],
            resources=[bucket, f"{bucket}/*"],
        ),
        iam.PolicyStatement(
            sid="DenyKeyAdministration",
            effect=iam.Effect.DENY,
            actions=[
                "kms:CreateGrant",
                "kms:DisableKey",
                "kms:DisableKeyRotation",
                "kms:PutKeyPolicy",
                "kms:RetireGrant",
                "kms:RevokeGrant",
                "kms:ScheduleKeyDeletion",
            ],
            resources=["*"],
        ),
        iam.PolicyStatement(
            sid="DenyGainingRights",
            effect=iam.Effect.DENY,
            actions=[
                "iam:AttachRolePolicy",
                "iam:CreateAccessKey",
                "iam:CreatePolicyVersion",
                "iam:CreateRole",
                "iam:CreateUser",
                "iam:PassRole",
                "iam:PutRolePolicy",
                "iam:UpdateAssumeRolePolicy",
                "lambda:AddPermission",
                "lambda:UpdateFunctionCode",
                "lambda:UpdateFunctionConfiguration",
                "sts:AssumeRole",
            ],
            resources=["*"],
        ),
    ]
