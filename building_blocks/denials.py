"""What stays forbidden to the app's roles, whatever a policy may come to allow (R17)."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_iam as iam


def deny_what_no_role_does() -> list[iam.PolicyStatement]:
    """Denials that hold for every role: they stand in the permissions boundary."""
    return [
        _deny(
            "DenyRewritingHistory",
            [
                "dynamodb:BatchWriteItem",
                "dynamodb:DeleteItem",
                "dynamodb:DeleteTable",
                "dynamodb:PartiQLDelete",
                "dynamodb:PartiQLUpdate",
                "dynamodb:UpdateItem",
                "dynamodb:UpdateTimeToLive",
            ],
        ),
        _deny(
            "DenyTamperingWithAuditTrail",
            [
                "s3:BypassGovernanceRetention",
                "s3:DeleteBucket",
                "s3:DeleteBucketPolicy",
                "s3:DeleteObject",
                "s3:DeleteObjectVersion",
                "s3:PutBucketLogging",
                "s3:PutBucketNotification",
                "s3:PutBucketObjectLockConfiguration",
                "s3:PutBucketPolicy",
                "s3:PutBucketPublicAccessBlock",
                "s3:PutBucketVersioning",
                "s3:PutEncryptionConfiguration",
                "s3:PutLifecycleConfiguration",
                "s3:PutObjectLegalHold",
                "s3:PutObjectRetention",
                "s3:PutReplicationConfiguration",
            ],
        ),
        _deny(
            "DenyKeyAdministration",
            [
                "kms:CreateGrant",
                "kms:DisableKey",
                "kms:DisableKeyRotation",
                "kms:PutKeyPolicy",
                "kms:RetireGrant",
                "kms:RevokeGrant",
                "kms:ScheduleKeyDeletion",
            ],
        ),
        # The sts actions are those that lead to a role; GetCallerIdentity harms nobody.
        _deny(
            "DenyGainingRights",
            [
                "iam:*",
                "lambda:AddPermission",
                "lambda:UpdateFunctionCode",
                "lambda:UpdateFunctionConfiguration",
                "sts:AssumeRole",
                "sts:GetFederationToken",
            ],
        ),
        _deny(
            "DenyOtherRegions",
            ["*"],
            {
                "StringNotEquals": {"aws:RequestedRegion": Aws.REGION},
                # Not every request says where it goes; without this, those were denied too.
                "Null": {"aws:RequestedRegion": "false"},
            },
        ),
    ]


def deny_what_no_function_does() -> list[iam.PolicyStatement]:
    """The same, and what only a deployment may do, in the policy of each function but one."""
    return [
        *deny_what_no_function_but_the_seal_does(),
        _deny("DenyChangingTheTable", ["dynamodb:UpdateTable"]),
    ]


def deny_what_no_function_but_the_seal_does() -> list[iam.PolicyStatement]:
    """The exception, for payments-production-seal alone: ``dynamodb:UpdateTable``, with which it
    switches the table's protection against deletion. A test holds all others to the above."""
    return [
        *deny_what_no_role_does(),
        _deny("DenyLosingBackups", ["dynamodb:UpdateContinuousBackups"]),
    ]


def _deny(
    sid: str, actions: Sequence[str], conditions: dict[str, object] | None = None
) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=sid,
        effect=iam.Effect.DENY,
        actions=list(actions),
        resources=["*"],
        conditions=conditions,
    )
