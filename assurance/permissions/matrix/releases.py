"""CodeDeploy's role, and what the functions' aliases change for the others."""

from __future__ import annotations

from typing import Final

from assurance.permissions.matrix.payment_functions import writes_own_log
from assurance.permissions.resources import (
    AUDIT_OBJECT,
    DEPLOYMENT_GROUP,
    DEPLOYMENTS,
    INTERFACE,
    LEDGER_LOGIN,
    MASTER_SECRET,
    RELEASE_ALARM,
    RELEASED,
    RETRY_QUEUE,
    TABLE,
    another,
    function,
    live,
    role_of,
    version,
)
from assurance.permissions.row import As, Given, Rows

CODEDEPLOY: Final = "codedeploy"

_CODEDEPLOY: Final = As(CODEDEPLOY)

_MOVES: Final = "moves the alias to the new version, and back"

_HOOK: Final = As("payments-release-test")

UNJUDGED: Final = frozenset(
    {
        (CODEDEPLOY, "lambda:GetProvisionedConcurrencyConfig", "function"),
        # Which AWS's own examples limit to the deployment groups.
        (_HOOK.who, "codedeploy:PutLifecycleEventHookExecutionStatus", "deploymentgroup"),
    }
)
"""What the role is allowed, but the engine cannot be asked for: who, action, kind of resource."""

ROWS: Final[Rows] = (
    *(
        row
        for name in RELEASED
        for row in (
            *_CODEDEPLOY.may("lambda", "GetAlias UpdateAlias", function(name), _MOVES),
            *_CODEDEPLOY.may("lambda", "GetAlias UpdateAlias", live(name), _MOVES),
            *_CODEDEPLOY.lacks("lambda", "InvokeFunction", live(name), "calls the hook alone"),
            *_CODEDEPLOY.lacks("lambda", "InvokeFunction", version(name), "calls the hook alone"),
            *_HOOK.may("lambda", "InvokeFunction", version(name), "tries it before clients do"),
            *_HOOK.lacks(
                "lambda",
                "UpdateAlias PublishVersion DeleteFunction",
                function(name),
                "CodeDeploy's and CloudFormation's",
            ),
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
    *_CODEDEPLOY.may(
        "lambda", "InvokeFunction", function(_HOOK.who), "lets the new version be tried"
    ),
    *writes_own_log(_HOOK.who),
    *_HOOK.may("codedeploy", "GetDeployment", DEPLOYMENT_GROUP, "learns what is moved where"),
    *_HOOK.may("codedeploy", "GetApplicationRevision", DEPLOYMENTS, "learns what is moved where"),
    *_HOOK.lacks(
        "codedeploy", "GetApplicationRevision", another(DEPLOYMENTS), "this app's releases only"
    ),
    *_HOOK.lacks(
        "codedeploy",
        "UpdateDeploymentGroup DeleteDeploymentGroup CreateDeployment",
        DEPLOYMENT_GROUP,
        "starts and changes none",
    ),
    *_HOOK.lacks("dynamodb", "GetItem PutItem", TABLE, "touches no data"),
    *_HOOK.lacks("s3", "GetObject", AUDIT_OBJECT, "touches no data"),
    *_HOOK.lacks("sqs", "SendMessage", RETRY_QUEUE, "touches no data"),
    *_HOOK.lacks("secretsmanager", "GetSecretValue", MASTER_SECRET, "touches no data"),
    *_HOOK.lacks("rds-db", "connect", LEDGER_LOGIN, "payment-processor's login"),
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
