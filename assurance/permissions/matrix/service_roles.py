"""The roles that AWS's services take on to write the app's logs."""

from __future__ import annotations

from typing import Final

from assurance.permissions.resources import (
    API_LOG,
    AUDIT_OBJECT,
    DATABASE_METRICS,
    FLOW_LOG,
    MASTER_SECRET,
    RETRY_QUEUE,
    TABLE,
    bare,
    group_of,
    log_of,
)
from assurance.permissions.row import As, Rows

FLOW_LOGS: Final = "vpc-flow-logs"
API_LOGS: Final = "apigateway"
DATABASE_MONITORING: Final = "monitoring.rds"

NAMES: Final = (FLOW_LOGS, API_LOGS, DATABASE_MONITORING)

_VPC: Final = As(FLOW_LOGS)
_API: Final = As(API_LOGS)
_DATABASE: Final = As(DATABASE_MONITORING)

UNJUDGED: Final = frozenset({(API_LOGS, "logs:DescribeLogGroups", "log-group")})
"""What a role is allowed, but the engine cannot be asked for: who, action, kind of resource."""

ROWS: Final[Rows] = (
    *_VPC.may("logs", "CreateLogStream PutLogEvents", FLOW_LOG, "writes the flow log"),
    *_VPC.may("logs", "DescribeLogStreams", group_of(FLOW_LOG), "finds its streams"),
    *_VPC.lacks("logs", "PutLogEvents", log_of("payment-processor"), "no other log"),
    *_VPC.lacks("logs", "GetLogEvents DeleteLogStream", FLOW_LOG, "it only writes"),
    *_API.may("logs", "CreateLogStream PutLogEvents GetLogEvents", API_LOG, "API Gateway's terms"),
    *_API.may(
        "logs",
        "CreateLogGroup DescribeLogStreams FilterLogEvents",
        group_of(API_LOG),
        "API Gateway's terms",
    ),
    *_API.lacks("logs", "DeleteLogStream", API_LOG, "logs stay"),
    *_API.lacks("logs", "DeleteLogGroup PutRetentionPolicy", group_of(API_LOG), "logs stay"),
    *_DATABASE.may(
        "logs",
        "CreateLogStream PutLogEvents GetLogEvents",
        DATABASE_METRICS,
        "enhanced monitoring's terms",
    ),
    *_DATABASE.may(
        "logs",
        "CreateLogGroup DescribeLogStreams PutRetentionPolicy",
        group_of(DATABASE_METRICS),
        "enhanced monitoring's terms",
    ),
    *_DATABASE.may(
        "logs",
        "CreateLogGroup PutRetentionPolicy",
        bare(DATABASE_METRICS),
        "as some of the actions name it",
    ),
    *_DATABASE.lacks("logs", "DeleteLogGroup", group_of(DATABASE_METRICS), "logs stay"),
    *_DATABASE.lacks(
        "logs", "PutRetentionPolicy", group_of(log_of("payment-processor")), "no other log"
    ),
    *_DATABASE.lacks("logs", "PutLogEvents", log_of("payment-processor"), "no other log"),
    *(
        row
        for name in NAMES
        for who in [As(name)]
        for row in (
            *who.lacks("dynamodb", "GetItem PutItem", TABLE, "writes logs only"),
            *who.lacks("s3", "GetObject", AUDIT_OBJECT, "writes logs only"),
            *who.lacks("sqs", "ReceiveMessage", RETRY_QUEUE, "writes logs only"),
            *who.lacks("secretsmanager", "GetSecretValue", MASTER_SECRET, "writes logs only"),
        )
    ),
)
