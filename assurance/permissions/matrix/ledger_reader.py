"""payments-ledger-reader, through which operators read the ledger."""

from __future__ import annotations

from typing import Final

from assurance.permissions.matrix.payment_functions import runs_in_the_vpc
from assurance.permissions.principals import ADMINISTRATOR
from assurance.permissions.resources import (
    APPLICATION_KEY,
    AUDIT_KEY,
    AUDIT_OBJECT,
    COPY_LOGIN,
    COPY_READER_LOGIN,
    FAILED_INVOCATIONS,
    FUNCTIONS,
    LEDGER,
    LEDGER_KEY,
    LEDGER_LOGIN,
    MASTER_LOGIN,
    MASTER_SECRET,
    READER_LOGIN,
    RETRY_DEAD_LETTERS,
    RETRY_QUEUE,
    STREAM,
    TABLE,
    function,
)
from assurance.permissions.row import IF_ABSENT, As, Rows, encrypted, through

_NAME: Final = "payments-ledger-reader"
_READER: Final = As(_NAME)

_LEDGER_ONLY: Final = "knows the ledger only"

ROWS: Final[Rows] = (
    *runs_in_the_vpc(_NAME),
    *_READER.may("rds-db", "connect", READER_LOGIN, "reads the ledger"),
    *_READER.may("rds-db", "connect", COPY_READER_LOGIN, "compares restored backups"),
    *_READER.lacks("rds-db", "connect", LEDGER_LOGIN, "posts nothing"),
    *_READER.lacks("rds-db", "connect", COPY_LOGIN, "posts nothing, in copies either"),
    *_READER.lacks("rds-db", "connect", MASTER_LOGIN, "the master's login"),
    *_READER.lacks("secretsmanager", "GetSecretValue", MASTER_SECRET, "migrations' only"),
    *_READER.lacks("kms", "Decrypt", LEDGER_KEY, "migrations' only", through("secretsmanager")),
    *_READER.lacks("rds", "ModifyDBInstance DeleteDBInstance", LEDGER, "only logs in"),
    *_READER.lacks("dynamodb", "GetItem PutItem Query Scan", TABLE, _LEDGER_ONLY),
    *_READER.lacks("dynamodb", "GetRecords", STREAM, _LEDGER_ONLY),
    *_READER.lacks("kms", "Decrypt", APPLICATION_KEY, _LEDGER_ONLY, through("dynamodb")),
    *_READER.lacks("s3", "GetObject", AUDIT_OBJECT, _LEDGER_ONLY),
    *_READER.lacks("s3", "PutObject", AUDIT_OBJECT, _LEDGER_ONLY, encrypted(AUDIT_KEY), IF_ABSENT),
    *_READER.lacks("kms", "Decrypt GenerateDataKey", AUDIT_KEY, _LEDGER_ONLY, through("s3")),
    *(
        row
        for queue in (RETRY_QUEUE, RETRY_DEAD_LETTERS, FAILED_INVOCATIONS)
        for row in _READER.lacks("sqs", "SendMessage ReceiveMessage", queue, _LEDGER_ONLY)
    ),
    *As(ADMINISTRATOR).may("lambda", "InvokeFunction", function(_NAME), "reads the ledger"),
    *(
        row
        for name in FUNCTIONS
        for row in As(name).lacks("lambda", "InvokeFunction", function(_NAME), "people read")
    ),
    *As("payment-processor").lacks("rds-db", "connect", READER_LOGIN, "has a login of its own"),
    *As("payment-processor").lacks("rds-db", "connect", COPY_LOGIN, "posts in the ledger only"),
)
