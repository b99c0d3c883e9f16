"""What is forbidden to every role of the app, whatever its own policy may come to allow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from assurance.permissions.matrix import releases, service_roles
from assurance.permissions.resources import (
    ACCESS_LOG,
    APPLICATION_KEY,
    AUDIT_BUCKET,
    AUDIT_KEY,
    AUDIT_OBJECT,
    BOUNDARY,
    DEFAULT_GROUP,
    EVENT_BUS,
    FUNCTIONS,
    KEYS,
    LEDGER_LOGIN,
    MASTER_SECRET,
    RETRY_QUEUE,
    SEAL,
    STREAM,
    TABLE,
    USER,
    another,
    elsewhere,
    function,
    of_stranger,
    role_of,
)
from assurance.permissions.row import IF_ABSENT, As, Row, Rows, encrypted, through


def _forbidden_to(name: str) -> Iterator[Row]:
    who = As(name)
    yield from who.never(
        "dynamodb",
        "UpdateItem DeleteItem BatchWriteItem PartiQLUpdate PartiQLDelete DeleteTable "
        "UpdateTimeToLive",
        TABLE,
        "the history only grows",
    )
    yield from who.never(
        "s3",
        "DeleteObject DeleteObjectVersion BypassGovernanceRetention PutObjectRetention "
        "PutObjectLegalHold",
        AUDIT_OBJECT,
        "the audit trail stays as it was written",
    )
    yield from who.never(
        "s3",
        "DeleteBucket DeleteBucketPolicy PutBucketPolicy PutBucketVersioning "
        "PutBucketObjectLockConfiguration PutLifecycleConfiguration",
        AUDIT_BUCKET,
        "the audit trail stays guarded",
    )
    yield from (
        row
        for key in KEYS
        for row in who.never(
            "kms",
            "CreateGrant RevokeGrant DisableKey DisableKeyRotation PutKeyPolicy "
            "ScheduleKeyDeletion",
            key,
            "keys are the account's to administer",
        )
    )
    yield from who.never(
        "s3",
        "PutBucketLogging PutBucketNotification PutBucketPublicAccessBlock "
        "PutEncryptionConfiguration PutReplicationConfiguration",
        AUDIT_BUCKET,
        "the audit trail stays guarded",
    )
    yield from who.never(
        "s3", "DeleteObject DeleteObjectVersion", ACCESS_LOG, "so do the traces of its readers"
    )
    own = role_of(name)
    yield from who.never(
        "iam",
        "AttachRolePolicy PutRolePolicy PassRole UpdateAssumeRolePolicy "
        "DeleteRolePermissionsBoundary PutRolePermissionsBoundary",
        own,
        "no role gains rights",
    )
    yield from who.never("iam", "CreateAccessKey CreateUser", USER, "no role gains rights")
    yield from who.never(
        "iam", "CreatePolicyVersion SetDefaultPolicyVersion", BOUNDARY, "no role gains rights"
    )
    yield from who.never("sts", "AssumeRole", role_of("payment-processor"), "nor another's")
    yield from who.never(
        "lambda",
        "UpdateFunctionCode UpdateFunctionConfiguration AddPermission",
        function("payment-processor"),
        "nor through another's code",
    )
    yield from who.never("dynamodb", "PutItem", elsewhere(TABLE), "one region only")
    yield from who.never("sqs", "SendMessage", elsewhere(RETRY_QUEUE), "one region only")
    yield from who.never("dynamodb", "PutItem", of_stranger(TABLE), "data stays in the account")
    yield from who.never(
        "sqs", "SendMessage", of_stranger(RETRY_QUEUE), "data stays in the account"
    )
    yield from who.never(
        "s3",
        "PutObject",
        of_stranger(AUDIT_OBJECT),
        "data stays in the account",
        encrypted(AUDIT_KEY),
        IF_ABSENT,
    )


def _none_of_its_business(name: str) -> Iterator[Row]:
    who = As(name)
    why = "knows this app's only"
    yield from who.lacks("dynamodb", "GetItem PutItem", another(TABLE), why)
    yield from who.lacks("dynamodb", "GetRecords", another(STREAM), why)
    yield from who.lacks("sqs", "SendMessage ReceiveMessage", another(RETRY_QUEUE), why)
    yield from who.lacks("s3", "GetObject PutObject", another(AUDIT_OBJECT), why)
    yield from who.lacks("s3", "ListBucket", another(AUDIT_BUCKET), why)
    yield from who.lacks("secretsmanager", "GetSecretValue", another(MASTER_SECRET), why)
    yield from who.lacks("rds-db", "connect", another(LEDGER_LOGIN), why)
    yield from who.lacks("ec2", "RevokeSecurityGroupIngress", another(DEFAULT_GROUP), why)
    yield from who.lacks("events", "PutEvents", EVENT_BUS, "only people drill the alerts")
    for service in ("dynamodb", "s3", "secretsmanager", "sqs"):
        yield from who.lacks("kms", "Decrypt", another(APPLICATION_KEY), why, through(service))


_ROLES: Final = (*FUNCTIONS, *service_roles.NAMES, releases.CODEDEPLOY)

ROWS: Final[Rows] = (
    *(row for name in _ROLES for row in _forbidden_to(name)),
    *(row for name in _ROLES for row in _none_of_its_business(name)),
    *(
        row
        for name in FUNCTIONS
        for row in As(name).never(
            "dynamodb", "UpdateContinuousBackups", TABLE, "deployments change tables"
        )
    ),
    *(
        row
        for name in FUNCTIONS
        if name != SEAL
        for row in As(name).never("dynamodb", "UpdateTable", TABLE, "the production seal alone")
    ),
)
