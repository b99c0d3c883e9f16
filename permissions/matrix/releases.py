"""CodeDeploy's role, and what the functions' aliases change for the others."""

from __future__ import annotations

from typing import Final

from permissions.resources import (
    AUDIT_OBJECT,
    INTERFACE,
    MASTER_SECRET,
    RELEASE_ALARM,
    RELEASED,
    RETRY_QUEUE,
    TABLE,
    another,
    function,
    live,
    role_of,
)
from permissions.row import As, Given, Rows

CODEDEPLOY: Final = "codedeploy"

_CODEDEPLOY: Final = As(CODEDEPLOY)

_MOVES: Final = "moves the alias to the new version, and back"

UNJUDGED: Final = frozenset({(CODEDEPLOY, "lambda:GetProvisionedConcurrencyConfig", "function")})
"""What the role is allowed, but the engine cannot be asked for: who, action, kind of resource."""

ROWS: Final[Rows] = (
    *(
        row
        for name in RELEASED
        for row in (
            *_CODEDEPLOY.may("lambda", "GetAlias UpdateAlias", function(name), _MOVES),
            *_CODEDEPLOY.may("lambda", "GetAlias UpdateAlias", live(name), _MOVES),
            *_CODEDEPLOY.lacks("lambda", "InvokeFunction", live(name), "calls none: no hooks"),
            *_CODEDEPLOY.lacks(
                "lambda",
                "CreateAlias DeleteAlias PublishVersion DeleteFunction",
                function(name),
                "CloudFormation's",
            ),
            *As(name).lacks(
                "lambda", "UpdateAlias PublishVersion", function(name), "releases nothing itself"
            ),
            *As(name).never(
                "ec2",
                "CreateNetworkInterface",
                INTERFACE,
                "nor when a version is called",
                Given("by its alias", (("lambda:SourceFunctionArn", f"{{{live(name)}}}"),)),
            ),
        )
    ),
    *_CODEDEPLOY.may("cloudwatch", "DescribeAlarms", RELEASE_ALARM, "watches the new version"),
    *_CODEDEPLOY.lacks(
        "cloudwatch",
        "PutMetricAlarm DeleteAlarms DisableAlarmActions SetAlarmState",
        RELEASE_ALARM,
        "only watches",
    ),
    *_CODEDEPLOY.lacks(
        "lambda", "UpdateAlias", another(live("payment-processor")), "this app's functions only"
    ),
    *_CODEDEPLOY.lacks(
        "lambda", "UpdateAlias", function("payments-ledger-schema"), "it has no releases"
    ),
    *_CODEDEPLOY.lacks("dynamodb", "GetItem PutItem", TABLE, "touches no data"),
    *_CODEDEPLOY.lacks("s3", "GetObject", AUDIT_OBJECT, "touches no data"),
    *_CODEDEPLOY.lacks("sqs", "ReceiveMessage", RETRY_QUEUE, "touches no data"),
    *_CODEDEPLOY.lacks("secretsmanager", "GetSecretValue", MASTER_SECRET, "touches no data"),
    *As("codedeploy.amazonaws.com").may("sts", "AssumeRole", role_of(CODEDEPLOY), "its own role"),
    *As("lambda.amazonaws.com").lacks(
        "sts", "AssumeRole", role_of(CODEDEPLOY), "another service's role"
    ),
)
