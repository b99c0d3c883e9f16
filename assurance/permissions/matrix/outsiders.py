"""Whoever is not of the production account, however much his own account lets him do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from assurance.permissions.principals import ANONYMOUS, OUTSIDER
from assurance.permissions.resources import (
    ACCESS_LOG,
    ALERTS,
    AUDIT_BUCKET,
    AUDIT_KEY,
    AUDIT_OBJECT,
    FUNCTIONS,
    KEYS,
    MASTER_SECRET,
    QUEUES,
    TABLE,
    function,
    role_of,
)
from assurance.permissions.row import FOR_AWS_RESOURCE, IF_ABSENT, As, Row, Rows, encrypted, through

_OF_A_KEY: Final = (
    "CreateGrant Decrypt DescribeKey Encrypt GenerateDataKey PutKeyPolicy ReEncryptFrom "
    "ScheduleKeyDeletion"
)


def _kept_out(name: str) -> Iterator[Row]:
    who = As(name)
    why = "foreign accounts are refused"
    yield from who.never("s3", "GetObject DeleteObjectVersion", AUDIT_OBJECT, why)
    yield from who.never("s3", "PutObject", AUDIT_OBJECT, why, encrypted(AUDIT_KEY), IF_ABSENT)
    yield from who.never("s3", "ListBucket PutBucketPolicy", AUDIT_BUCKET, why)
    yield from who.never("s3", "GetObject PutObject", ACCESS_LOG, why)
    for queue in QUEUES:
        yield from who.never("sqs", "SendMessage ReceiveMessage", queue, why)
    yield from who.never("sns", "Subscribe SetTopicAttributes", ALERTS, why)
    nobody = "nobody lets him; a denial could hit AWS's services"
    yield from who.lacks("sns", "Publish", ALERTS, nobody)
    for key in KEYS:
        yield from who.lacks("kms", _OF_A_KEY, key, nobody)
        for service in ("dynamodb", "logs", "rds", "s3", "secretsmanager", "sns", "sqs"):
            yield from who.lacks("kms", "Decrypt GenerateDataKey", key, nobody, through(service))
            yield from who.lacks(
                "kms", "CreateGrant", key, nobody, through(service), FOR_AWS_RESOURCE
            )


_STRANGER: Final = As(OUTSIDER)

ROWS: Final[Rows] = (
    *_kept_out(OUTSIDER),
    *_STRANGER.lacks("dynamodb", "GetItem PutItem DeleteItem", TABLE, "nobody lets him"),
    *_STRANGER.lacks("secretsmanager", "GetSecretValue", MASTER_SECRET, "nobody lets him"),
    *(
        row
        for name in FUNCTIONS
        for row in (
            *_STRANGER.lacks("lambda", "InvokeFunction", function(name), "nobody lets him"),
            *_STRANGER.lacks("sts", "AssumeRole", role_of(name), "the role is Lambda's"),
        )
    ),
    *_kept_out(ANONYMOUS),
)
