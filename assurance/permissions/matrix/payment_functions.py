"""payment-validator, payment-processor and audit-logger: what each needs, and nothing besides."""

from __future__ import annotations

from typing import Final

from assurance.permissions.resources import (
    ACCESS_LOG,
    ALERTS,
    ANYTHING,
    APPLICATION_KEY,
    AUDIT_BUCKET,
    AUDIT_FAILURES,
    AUDIT_KEY,
    AUDIT_OBJECT,
    FAILED_INVOCATIONS,
    INTERFACE,
    LEDGER,
    LEDGER_KEY,
    LEDGER_LOGIN,
    MASTER_LOGIN,
    MASTER_SECRET,
    RETRY_DEAD_LETTERS,
    RETRY_QUEUE,
    STRAY_OBJECT,
    STREAM,
    SUBNET,
    TABLE,
    UNDELIVERED_ALERTS,
    function,
    group_of,
    log_of,
)
from assurance.permissions.row import BY_LAMBDA, IF_ABSENT, PLAIN_HTTP, As, Rows, encrypted, through

_UNDER_AUDIT_KEY: Final = encrypted(AUDIT_KEY)

_A_PERSON_DECIDES: Final = "a person decides on what failed"

_TABLE_KEY: Final = "Decrypt DescribeKey Encrypt GenerateDataKey ReEncryptFrom ReEncryptTo"
"""DynamoDB developer guide, "Encryption at rest: usage notes"."""


def runs_in_the_vpc(name: str) -> Rows:
    """What any function in the VPC needs, and must not have."""
    who = As(name)
    why = "Lambda attaches the function to the VPC"
    return (
        *writes_own_log(name),
        *who.may("ec2", "CreateNetworkInterface", SUBNET, why, BY_LAMBDA),
        *who.may(
            "ec2",
            "CreateNetworkInterface DeleteNetworkInterface AssignPrivateIpAddresses "
            "UnassignPrivateIpAddresses",
            INTERFACE,
            why,
            BY_LAMBDA,
        ),
        *who.may("ec2", "DescribeNetworkInterfaces DescribeSubnets", ANYTHING, why, BY_LAMBDA),
        *who.never(
            "ec2",
            "CreateNetworkInterface DeleteNetworkInterface AssignPrivateIpAddresses",
            INTERFACE,
            "the function's code has no business with interfaces",
        ),
    )


def writes_own_log(name: str) -> Rows:
    who = As(name)
    another = "payment-validator" if name != "payment-validator" else "payment-processor"
    return (
        *who.may("logs", "CreateLogStream PutLogEvents", log_of(name), "its own log"),
        *who.may("xray", "PutTelemetryRecords PutTraceSegments", ANYTHING, "its traces"),
        *who.lacks("logs", "CreateLogStream PutLogEvents", log_of(another), "not its log"),
        *who.lacks("logs", "GetLogEvents DeleteLogStream", log_of(name), "it only writes"),
        *who.lacks(
            "logs",
            "CreateLogGroup DeleteLogGroup PutRetentionPolicy",
            group_of(log_of(name)),
            "the group is declared, with its retention",
        ),
    )


def sets_failed_invocations_aside(name: str) -> Rows:
    """Lambda does, in the function's name, when an asynchronous invocation keeps failing."""
    who = As(name)
    why = "the queue is encrypted"
    return (
        *who.may("sqs", "SendMessage", FAILED_INVOCATIONS, "sets failed invocations aside"),
        *who.may("kms", "Decrypt GenerateDataKey", APPLICATION_KEY, why, through("sqs")),
        *who.lacks("sqs", "ReceiveMessage DeleteMessage", FAILED_INVOCATIONS, _A_PERSON_DECIDES),
        *who.lacks("sqs", "SendMessage", UNDELIVERED_ALERTS, "SNS's"),
        *who.never("sqs", "SendMessage", FAILED_INVOCATIONS, "the queue asks for TLS", PLAIN_HTTP),
    )


def reads_and_appends_history(name: str) -> Rows:
    who = As(name)
    return (
        *who.may("dynamodb", "GetItem PutItem", TABLE, "reads a payment, adds its next state"),
        *who.may("kms", _TABLE_KEY, APPLICATION_KEY, "the table is encrypted", through("dynamodb")),
        *who.lacks("kms", "Decrypt", APPLICATION_KEY, "the key serves the table only"),
        *who.lacks("kms", "Decrypt", APPLICATION_KEY, "not by this way", through("s3")),
        *who.lacks("dynamodb", "Scan BatchGetItem", TABLE, "payments are read one by one"),
        *who.lacks("dynamodb", "PartiQLSelect PartiQLInsert", TABLE, "no second way in"),
        *who.lacks("dynamodb", "GetRecords", STREAM, "audit-logger's"),
        *who.lacks("s3", "GetObject", AUDIT_OBJECT, "audit-logger's"),
        *who.lacks("s3", "PutObject", AUDIT_OBJECT, "audit-logger's", _UNDER_AUDIT_KEY, IF_ABSENT),
        *who.lacks("kms", "Decrypt GenerateDataKey", AUDIT_KEY, "audit-logger's", through("s3")),
        *who.lacks("sqs", "SendMessage ReceiveMessage", AUDIT_FAILURES, "audit-logger's"),
        *who.lacks("secretsmanager", "GetSecretValue", MASTER_SECRET, "migrations' only"),
        *who.lacks("rds-db", "connect", MASTER_LOGIN, "the master's login"),
        *who.lacks("sns", "Publish", ALERTS, "alarms speak, not functions"),
        *who.lacks("lambda", "InvokeFunction", function("audit-logger"), "not called by functions"),
    )


_VALIDATOR: Final = As("payment-validator")
_PROCESSOR: Final = As("payment-processor")
_AUDITOR: Final = As("audit-logger")

ROWS: Final[Rows] = (
    *runs_in_the_vpc("payment-validator"),
    *sets_failed_invocations_aside("payment-validator"),
    *reads_and_appends_history("payment-validator"),
    *_VALIDATOR.lacks("dynamodb", "Query", TABLE, "reads requests only"),
    *_VALIDATOR.lacks("rds-db", "connect", LEDGER_LOGIN, "posts nothing"),
    *_VALIDATOR.lacks("sqs", "SendMessage ReceiveMessage DeleteMessage", RETRY_QUEUE, "no retries"),
    *runs_in_the_vpc("payment-processor"),
    *sets_failed_invocations_aside("payment-processor"),
    *reads_and_appends_history("payment-processor"),
    *_PROCESSOR.may("dynamodb", "Query", TABLE, "reads all of a payment at once"),
    *_PROCESSOR.may("rds-db", "connect", LEDGER_LOGIN, "posts to the ledger"),
    *_PROCESSOR.may("sqs", "SendMessage", RETRY_QUEUE, "sets payments aside while it is away"),
    *_PROCESSOR.may(
        "sqs",
        "ReceiveMessage DeleteMessage ChangeMessageVisibility GetQueueAttributes",
        RETRY_QUEUE,
        "works the queue off; the release before looks whether it is there",
    ),
    *_PROCESSOR.lacks("sqs", "PurgeQueue SetQueueAttributes", RETRY_QUEUE, "would lose payments"),
    *_PROCESSOR.lacks(
        "sqs", "ReceiveMessage DeleteMessage SendMessage", RETRY_DEAD_LETTERS, _A_PERSON_DECIDES
    ),
    *_PROCESSOR.lacks("kms", "Decrypt", LEDGER_KEY, "the database decrypts for itself"),
    *_PROCESSOR.lacks("rds", "ModifyDBInstance DeleteDBInstance", LEDGER, "only logs in"),
    *_PROCESSOR.never("sqs", "SendMessage", RETRY_QUEUE, "the queue asks for TLS", PLAIN_HTTP),
    *runs_in_the_vpc("audit-logger"),
    *sets_failed_invocations_aside("audit-logger"),
    *_AUDITOR.may(
        "dynamodb",
        "DescribeStream GetRecords GetShardIterator",
        STREAM,
        "Lambda feeds it the stream in its name",
    ),
    *_AUDITOR.may("dynamodb", "ListStreams", ANYTHING, "Lambda finds the stream"),
    *_AUDITOR.may(
        "kms", "Decrypt", APPLICATION_KEY, "the stream is encrypted", through("dynamodb")
    ),
    *_AUDITOR.lacks(
        "kms", "GenerateDataKey", APPLICATION_KEY, "it only reads the stream", through("dynamodb")
    ),
    *_AUDITOR.may(
        "s3", "PutObject", AUDIT_OBJECT, "adds to the trail", _UNDER_AUDIT_KEY, IF_ABSENT
    ),
    *_AUDITOR.may("s3", "GetObject", AUDIT_OBJECT, "reads the chain's last object"),
    *_AUDITOR.may("s3", "ListBucket", AUDIT_BUCKET, "finds the trail's end"),
    *_AUDITOR.may(
        "kms", "Decrypt GenerateDataKey", AUDIT_KEY, "the trail is encrypted", through("s3")
    ),
    *_AUDITOR.may("sqs", "SendMessage", AUDIT_FAILURES, "sets aside what it could not write"),
    *_AUDITOR.never("s3", "PutObject", AUDIT_OBJECT, "must ask for encryption", IF_ABSENT),
    *_AUDITOR.never(
        "s3",
        "PutObject",
        AUDIT_OBJECT,
        "must be the bucket's key",
        encrypted(APPLICATION_KEY),
        IF_ABSENT,
    ),
    *_AUDITOR.never("s3", "PutObject", AUDIT_OBJECT, "must not overwrite", _UNDER_AUDIT_KEY),
    *_AUDITOR.never(
        "s3",
        "PutObject",
        AUDIT_OBJECT,
        "the bucket asks for TLS",
        _UNDER_AUDIT_KEY,
        IF_ABSENT,
        PLAIN_HTTP,
    ),
    *_AUDITOR.never("s3", "GetObject", AUDIT_OBJECT, "the bucket asks for TLS", PLAIN_HTTP),
    *_AUDITOR.lacks(
        "s3", "PutObject", STRAY_OBJECT, "writes the trail only", _UNDER_AUDIT_KEY, IF_ABSENT
    ),
    *_AUDITOR.lacks("s3", "GetObject", STRAY_OBJECT, "reads the trail only"),
    *_AUDITOR.lacks("s3", "PutObject GetObject", ACCESS_LOG, "would forge or learn its traces"),
    *_AUDITOR.lacks("s3", "GetObjectVersion", AUDIT_OBJECT, "the verifier's"),
    *_AUDITOR.lacks("dynamodb", "GetItem PutItem Query Scan", TABLE, "knows the stream only"),
    *_AUDITOR.lacks("kms", "Decrypt GenerateDataKey", AUDIT_KEY, "the key serves S3 only"),
    *_AUDITOR.lacks("sqs", "ReceiveMessage DeleteMessage", AUDIT_FAILURES, _A_PERSON_DECIDES),
    *_AUDITOR.lacks("sqs", "SendMessage ReceiveMessage", RETRY_QUEUE, "payment-processor's"),
    *_AUDITOR.lacks("rds-db", "connect", LEDGER_LOGIN, "payment-processor's"),
    *_AUDITOR.lacks("secretsmanager", "GetSecretValue", MASTER_SECRET, "migrations' only"),
)
