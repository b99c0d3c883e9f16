"""An administrator of the production account, whose own policy allows everything."""

from __future__ import annotations

from typing import Final

from assurance.permissions.principals import ADMINISTRATOR
from assurance.permissions.resources import (
    ACCESS_LOG,
    ALERTS,
    APPLICATION_KEY,
    AUDIT_BUCKET,
    AUDIT_KEY,
    AUDIT_OBJECT,
    KEYS,
    LEDGER_KEY,
    QUEUES,
    RETRY_DEAD_LETTERS,
    TABLE,
    role_of,
)
from assurance.permissions.row import (
    FOR_AWS_RESOURCE,
    IF_ABSENT,
    OLD_TLS,
    PLAIN_HTTP,
    As,
    Rows,
    doubly_encrypted,
    encrypted,
    through,
)

_WHO: Final = As(ADMINISTRATOR)
_UNDER_AUDIT_KEY: Final = encrypted(AUDIT_KEY)

ROWS: Final[Rows] = (
    *(
        row
        for key in KEYS
        for row in (
            *_WHO.may(
                "kms",
                "DescribeKey PutKeyPolicy EnableKeyRotation DisableKey EnableKey "
                "ScheduleKeyDeletion CancelKeyDeletion",
                key,
                "administers keys",
            ),
            *_WHO.lacks(
                "kms", "Decrypt Encrypt GenerateDataKey", key, "but does not use them directly"
            ),
            *_WHO.lacks("kms", "CreateGrant", key, "nor lets others"),
            *_WHO.lacks("kms", "Decrypt", key, "nor by another way", through("ec2")),
            *_WHO.never("kms", "DescribeKey", key, "the key asks for TLS", PLAIN_HTTP),
        )
    ),
    *_WHO.may("kms", "Decrypt", APPLICATION_KEY, "reads the history", through("dynamodb")),
    *_WHO.may("kms", "Decrypt", APPLICATION_KEY, "reads the queues", through("sqs")),
    *_WHO.may("kms", "Decrypt", AUDIT_KEY, "verifies the trail", through("s3")),
    *_WHO.may("kms", "Decrypt", LEDGER_KEY, "reads the master secret", through("secretsmanager")),
    *_WHO.may(
        "kms",
        "CreateGrant",
        APPLICATION_KEY,
        "DynamoDB keeps a grant",
        through("dynamodb"),
        FOR_AWS_RESOURCE,
    ),
    *_WHO.may(
        "kms", "CreateGrant", LEDGER_KEY, "RDS keeps a grant", through("rds"), FOR_AWS_RESOURCE
    ),
    *_WHO.lacks("kms", "CreateGrant", LEDGER_KEY, "for RDS's resources only", through("rds")),
    *_WHO.lacks("kms", "Decrypt", AUDIT_KEY, "not by this way", through("dynamodb")),
    *_WHO.may("dynamodb", "GetItem Query", TABLE, "reads the history"),
    *_WHO.may("sqs", "ReceiveMessage DeleteMessage", RETRY_DEAD_LETTERS, "decides on payments"),
    *_WHO.may("s3", "GetObject GetObjectVersion", AUDIT_OBJECT, "verifies the trail"),
    *_WHO.may(
        "s3",
        "PutBucketPolicy",
        AUDIT_BUCKET,
        "lifts the guards when the law orders an erasure",
    ),
    *_WHO.may("s3", "ListBucket ListBucketVersions", AUDIT_BUCKET, "verifies the trail"),
    *_WHO.never("s3", "PutObject", AUDIT_OBJECT, "must ask for encryption", IF_ABSENT),
    *_WHO.never(
        "s3",
        "PutObject",
        AUDIT_OBJECT,
        "must be the bucket's key",
        encrypted(APPLICATION_KEY),
        IF_ABSENT,
    ),
    *_WHO.never(
        "s3",
        "PutObject",
        AUDIT_OBJECT,
        "must be encrypted like the others",
        doubly_encrypted(AUDIT_KEY),
        IF_ABSENT,
    ),
    *_WHO.never("s3", "PutObject", AUDIT_OBJECT, "must not overwrite", _UNDER_AUDIT_KEY),
    *_WHO.never("s3", "DeleteObject DeleteObjectVersion", AUDIT_OBJECT, "the trail stays"),
    *_WHO.never("s3", "GetObject", AUDIT_OBJECT, "the bucket asks for TLS", PLAIN_HTTP),
    *_WHO.never("s3", "GetObject", AUDIT_OBJECT, "the bucket asks for TLS 1.2", OLD_TLS),
    *_WHO.may("s3", "GetObject", ACCESS_LOG, "sees who read or wrote the trail"),
    *_WHO.never("s3", "DeleteObject DeleteObjectVersion", ACCESS_LOG, "traces stay"),
    *_WHO.never("s3", "GetObject", ACCESS_LOG, "the bucket asks for TLS", PLAIN_HTTP),
    *_WHO.never("s3", "GetObject", ACCESS_LOG, "the bucket asks for TLS 1.2", OLD_TLS),
    *_WHO.never("s3", "ListBucket", AUDIT_BUCKET, "the bucket asks for TLS", PLAIN_HTTP),
    *(
        row
        for queue in QUEUES
        for row in _WHO.never(
            "sqs", "ReceiveMessage SendMessage", queue, "the queue asks for TLS", PLAIN_HTTP
        )
    ),
    *_WHO.never("sns", "Publish", ALERTS, "the topic asks for TLS", PLAIN_HTTP),
    *_WHO.lacks("sts", "AssumeRole", role_of("payment-processor"), "the role is Lambda's"),
    *_WHO.lacks("sts", "AssumeRole", role_of("audit-logger"), "the role is Lambda's"),
)
