"""The functions that run during a deployment."""

from __future__ import annotations

from typing import Final

from assurance.permissions.matrix.payment_functions import (
    runs_in_the_vpc,
    sets_failed_invocations_aside,
    writes_own_log,
)
from assurance.permissions.resources import (
    ANYTHING,
    APPLICATION_KEY,
    AUDIT_OBJECT,
    DATABASE_METRICS,
    DEFAULT_GROUP,
    FLOW_LOG,
    LEDGER,
    LEDGER_GROUP,
    LEDGER_KEY,
    LEDGER_LOGIN,
    MASTER_SECRET,
    RETRY_QUEUE,
    ROOT_STACK,
    SEAL,
    TABLE,
    WELCOME_LOG,
    another,
    bare,
    elsewhere,
    group_of,
    log_of,
)
from assurance.permissions.row import As, Rows, through

_SCHEMA: Final = As("payments-ledger-schema")
_SEAL: Final = As(SEAL)
_GROUP: Final = As("payments-default-security-group")
_PROTECTION: Final = As("payments-termination-protection")
_SHARED: Final = As("payments-shared-log-groups")
_KEEPS: Final = "AssociateKmsKey CreateLogGroup DisassociateKmsKey PutRetentionPolicy TagResource"

UNJUDGED: Final = frozenset(
    {
        (_GROUP.who, f"ec2:RevokeSecurityGroup{direction}", "security-group-rule")
        for direction in ("Egress", "Ingress")
    }
)
"""What the role is allowed, but the engine cannot be asked for: who, action, kind of resource."""

ROWS: Final[Rows] = (
    *runs_in_the_vpc("payments-ledger-schema"),
    *sets_failed_invocations_aside("payments-ledger-schema"),
    *_SCHEMA.may("secretsmanager", "GetSecretValue", MASTER_SECRET, "migrates as the master"),
    *_SCHEMA.may(
        "kms", "Decrypt", LEDGER_KEY, "the secret is encrypted", through("secretsmanager")
    ),
    *_SCHEMA.lacks("kms", "Decrypt", LEDGER_KEY, "the key serves the secret only"),
    *_SCHEMA.lacks("kms", "Decrypt", LEDGER_KEY, "not the database's files", through("rds")),
    *_SCHEMA.lacks("secretsmanager", "PutSecretValue DeleteSecret", MASTER_SECRET, "RDS keeps it"),
    *_SCHEMA.lacks("kms", "Decrypt", APPLICATION_KEY, "reads no history", through("dynamodb")),
    *_SCHEMA.lacks("rds-db", "connect", LEDGER_LOGIN, "payment-processor's login"),
    *_SCHEMA.lacks("rds", "ModifyDBInstance DeleteDBInstance", LEDGER, "only migrates"),
    *_SCHEMA.lacks("dynamodb", "GetItem PutItem", TABLE, "knows the ledger only"),
    *_SCHEMA.lacks("s3", "GetObject", AUDIT_OBJECT, "knows the ledger only"),
    *runs_in_the_vpc(SEAL),
    *sets_failed_invocations_aside(SEAL),
    *_SEAL.may(
        "dynamodb", "DescribeTable UpdateTable", TABLE, "protects the table against deletion"
    ),
    *_SEAL.may(
        "rds", "DescribeDBInstances ModifyDBInstance", LEDGER, "protects the database likewise"
    ),
    *_SEAL.lacks("dynamodb", "DescribeTable UpdateTable", another(TABLE), "this one table"),
    *_SEAL.lacks("rds", "ModifyDBInstance", another(LEDGER), "this one database"),
    *_SEAL.never("rds", "ModifyDBInstance", elsewhere(LEDGER), "one region only"),
    *_SEAL.lacks(
        "rds", "DeleteDBInstance StopDBInstance RebootDBInstance", LEDGER, "only protects it"
    ),
    *_SEAL.lacks("dynamodb", "GetItem PutItem Query Scan", TABLE, "reads and writes no payment"),
    *_SEAL.lacks("kms", "Decrypt", APPLICATION_KEY, "reads no payment", through("dynamodb")),
    *_SEAL.lacks("rds-db", "connect", LEDGER_LOGIN, "payment-processor's login"),
    *_SEAL.lacks("secretsmanager", "GetSecretValue", MASTER_SECRET, "migrations' only"),
    *_SEAL.lacks("kms", "Decrypt", LEDGER_KEY, "migrations' only", through("secretsmanager")),
    *_SEAL.lacks("s3", "GetObject", AUDIT_OBJECT, "reads no payment"),
    *writes_own_log("payments-default-security-group"),
    *_GROUP.may("ec2", "DescribeSecurityGroupRules", ANYTHING, "finds the rules"),
    *_GROUP.may(
        "ec2",
        "RevokeSecurityGroupEgress RevokeSecurityGroupIngress",
        DEFAULT_GROUP,
        "empties the default group",
    ),
    *_GROUP.lacks(
        "ec2",
        "RevokeSecurityGroupEgress RevokeSecurityGroupIngress",
        LEDGER_GROUP,
        "no other group",
    ),
    *_GROUP.lacks(
        "ec2",
        "AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress DeleteSecurityGroup",
        DEFAULT_GROUP,
        "only takes rules away",
    ),
    *_GROUP.lacks("dynamodb", "GetItem PutItem", TABLE, "touches no data"),
    *_GROUP.lacks("sqs", "SendMessage", RETRY_QUEUE, "touches no data"),
    *_GROUP.lacks("secretsmanager", "GetSecretValue", MASTER_SECRET, "touches no data"),
    *_GROUP.lacks("kms", "Decrypt", APPLICATION_KEY, "touches no data", through("dynamodb")),
    *writes_own_log("payments-shared-log-groups"),
    *(
        row
        for log in (DATABASE_METRICS, WELCOME_LOG)
        for row in (
            *_SHARED.may("logs", _KEEPS, group_of(log), "adopts or makes the account's group"),
            *_SHARED.may("logs", _KEEPS, bare(log), "as some of the actions name it"),
            *_SHARED.lacks("logs", "DeleteLogGroup DeleteRetentionPolicy", group_of(log), "stays"),
            *_SHARED.lacks("logs", "GetLogEvents PutLogEvents", log, "reads and writes no line"),
            *_SHARED.never("logs", "PutRetentionPolicy", elsewhere(group_of(log)), "one region"),
        )
    ),
    *(
        row
        for log in (FLOW_LOG, log_of("payment-processor"))
        for row in _SHARED.lacks("logs", _KEEPS, group_of(log), "groups of the account only")
    ),
    *_SHARED.may("logs", "DescribeLogGroups", ANYTHING, "sees whose key a group has"),
    *_SHARED.lacks("dynamodb", "GetItem PutItem", TABLE, "touches no data"),
    *_SHARED.lacks("sqs", "SendMessage", RETRY_QUEUE, "touches no data"),
    *_SHARED.lacks("secretsmanager", "GetSecretValue", MASTER_SECRET, "touches no data"),
    *_SHARED.lacks("kms", "Decrypt", APPLICATION_KEY, "touches no data", through("dynamodb")),
    *writes_own_log("payments-termination-protection"),
    *_PROTECTION.may(
        "cloudformation",
        "DescribeStacks UpdateTerminationProtection",
        ROOT_STACK,
        "lifts the protection of a failed creation's record",
    ),
    *_PROTECTION.lacks(
        "cloudformation", "UpdateTerminationProtection", another(ROOT_STACK), "this one stack"
    ),
    *_PROTECTION.never(
        "cloudformation", "UpdateTerminationProtection", elsewhere(ROOT_STACK), "one region only"
    ),
    *_PROTECTION.lacks(
        "cloudformation",
        "CancelUpdateStack DeleteStack SetStackPolicy UpdateStack",
        ROOT_STACK,
        "deploys and deletes nothing",
    ),
    *_PROTECTION.lacks("dynamodb", "GetItem PutItem", TABLE, "touches no data"),
    *_PROTECTION.lacks("rds", "ModifyDBInstance", LEDGER, "the production seal alone"),
    *_PROTECTION.lacks("sqs", "SendMessage", RETRY_QUEUE, "touches no data"),
    *_PROTECTION.lacks("secretsmanager", "GetSecretValue", MASTER_SECRET, "touches no data"),
    *_PROTECTION.lacks("kms", "Decrypt", APPLICATION_KEY, "touches no data", through("dynamodb")),
)
