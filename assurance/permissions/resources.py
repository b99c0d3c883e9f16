"""What the matrix speaks of, by name."""

from __future__ import annotations

import re
from typing import Final

from assurance.permissions.templates import ACCOUNT, REGION, STACK_ID, Templates

FUNCTIONS: Final = (
    "payment-validator",
    "payment-processor",
    "audit-logger",
    "payments-ledger-reader",
    "payments-reconciliation",
    "payments-ledger-schema",
    "payments-production-seal",
    "payments-default-security-group",
    "payments-termination-protection",
    "payments-shared-log-groups",
    "payments-release-test",
)

RELEASED: Final = FUNCTIONS[:3]
"""The functions that have an alias."""

QUEUES: Final = (
    "retry queue",
    "retry dead-letter queue",
    "audit failure queue",
    "failed invocations queue",
    "alerts dead-letter queue",
)

KEYS: Final = ("application key", "audit key", "ledger key")

SHARED_LOGS: Final = {
    "database's metrics log": "RDSOSMetrics",
    "API Gateway's welcome log": "/aws/apigateway/welcome",
}
"""The account's, with their groups' names."""

ANYTHING: Final = "*"

STRANGER: Final = "999999999999"
"""An account that is not ours."""

OTHER_REGION: Final = "eu-west-1"


def is_elsewhere(resource: str) -> bool:
    """Whether it has the same name in another region."""
    return resource.endswith(f" in {OTHER_REGION}")


def is_of_stranger(resource: str) -> bool:
    """Whether it has the same name in a stranger's account."""
    return resource.startswith("a stranger's ")


def owner(resource: str) -> str:
    """The account that a resource is in."""
    return STRANGER if is_of_stranger(resource) else ACCOUNT


_CONSTRUCTS: Final = {
    "history": ("AWS::DynamoDB::Table", "TransactionsTable", "Arn"),
    "the history's stream": ("AWS::DynamoDB::Table", "TransactionsTable", "StreamArn"),
    "ledger database": ("AWS::RDS::DBInstance", "LedgerDatabaseInstance", "DBInstanceArn"),
    "ledger's master secret": (
        "AWS::RDS::DBInstance",
        "LedgerDatabaseInstance",
        "MasterUserSecret.SecretArn",
    ),
    "audit bucket": ("AWS::S3::Bucket", "AuditBucket", "Arn"),
    "access log bucket": ("AWS::S3::Bucket", "AuditBucketAccessLogs", "Arn"),
    "retry queue": ("AWS::SQS::Queue", "QueuesRetryQueue", "Arn"),
    "retry dead-letter queue": ("AWS::SQS::Queue", "QueuesRetryDeadLetterQueue", "Arn"),
    "audit failure queue": ("AWS::SQS::Queue", "QueuesAuditFailureQueue", "Arn"),
    "failed invocations queue": ("AWS::SQS::Queue", "QueuesFailedInvocationsQueue", "Arn"),
    "alerts dead-letter queue": ("AWS::SQS::Queue", "AlertsTopicDeadLetterQueue", "Arn"),
    "alerts topic": ("AWS::SNS::Topic", "AlertsTopic", "TopicArn"),
    "application key": ("AWS::KMS::Key", "ApplicationKey", "Arn"),
    "audit key": ("AWS::KMS::Key", "AuditBucketKey", "Arn"),
    "ledger key": ("AWS::KMS::Key", "LedgerDatabaseKey", "Arn"),
    "ledger's security group": ("AWS::EC2::SecurityGroup", "SecurityGroupsDatabase", "GroupId"),
    "default security group": ("AWS::EC2::VPC", "NetworkVpc", "DefaultSecurityGroup"),
    "flow log (group)": ("AWS::Logs::LogGroup", "NetworkFlowLogGroup", "Arn"),
    "API's execution log (group)": ("AWS::Logs::LogGroup", "ApiExecutionLogGroup", "Arn"),
    "sweep rule": ("AWS::Events::Rule", "PaymentProcessorOutboxSweep", "Arn"),
    "rule of the comparison": ("AWS::Events::Rule", "ReconciliationCompareNightly", "Arn"),
    "rule of the walk": ("AWS::Events::Rule", "ReconciliationWalkNightly", "Arn"),
    "rule on a disabled key": ("AWS::Events::Rule", "EventsKeyDisabled", "Arn"),
    "release alarm": ("AWS::CloudWatch::Alarm", "ReleasesPaymentProcessorErrors", "Arn"),
    "permissions boundary": ("AWS::IAM::ManagedPolicy", "PermissionsBoundary", "Ref"),
    "API": ("AWS::ApiGateway::RestApi", "ApiRestApi", "Ref"),
    "ledger user": ("AWS::RDS::DBInstance", "LedgerDatabaseInstance", "DbiResourceId"),
}
"""Type, logical id without its hash, and the attribute that the ARN is in, or a part of it."""


def _arn(service: str, name: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}"


_RELEASES: Final = "PaymentsProd-ComputeNestedStack-0A1B2C-Releases"
_APPLICATION: Final = f"{_RELEASES}Application-3D4E5F"
_GROUP: Final = f"{_APPLICATION}/{_RELEASES}PaymentProcessor-6G7H8I"
_MADE_UP: Final = {
    "network interface": _arn("ec2", "network-interface/eni-0123456789abcdef0"),
    "subnet": _arn("ec2", "subnet/subnet-0123456789abcdef0"),
    "the account's event bus": _arn("events", "event-bus/default"),
    "CodeDeploy's application": _arn("codedeploy", f"application:{_APPLICATION}"),
    "deployment group": _arn("codedeploy", f"deploymentgroup:{_GROUP}"),
    # A restored copy is an instance of another id.
    "ledger user ledger_reader of a restored copy": _arn(
        "rds-db", "dbuser:db-OFACOPY/ledger_reader"
    ),
    "ledger user payment_processor of a restored copy": _arn(
        "rds-db", "dbuser:db-OFACOPY/payment_processor"
    ),
    "this stack": STACK_ID,
    "an IAM user": f"arn:aws:iam::{ACCOUNT}:user/somebody",
}
"""ARNs of what no template has, or knows the name of."""


def arns(templates: Templates, roles: dict[str, str]) -> dict[str, str]:
    """The ARN of each resource of the matrix, by name.

    :param roles: the ARNs of the app's roles, by their names.
    """
    found = _MADE_UP | {
        name: templates.value(templates.only(kind, construct), attribute)
        for name, (kind, construct, attribute) in _CONSTRUCTS.items()
    }
    for group in ("ledger's security group", "default security group"):
        found[group] = _arn("ec2", f"security-group/{found[group]}")
    bucket = found["audit bucket"]
    found["audit object"] = f"{bucket}/year=2026/month=01/day=01/hour=00/a.ndjson.gz"
    found["audit bucket's object outside the trail"] = f"{bucket}/notes.txt"
    logs = found["access log bucket"]
    found["access log"] = f"{logs}/audit/2026-01-01-00-00-00-0123456789ABCDEF"
    database = found.pop("ledger user")
    for user in ("payment_processor", "ledger_reader", "ledger_admin"):
        found[f"ledger user {user}"] = _arn("rds-db", f"dbuser:{database}/{user}")
    found["API"] = _arn("execute-api", found["API"])
    for name in RELEASED:
        found[f"live alias of {name}"] = _arn("lambda", f"function:{name}:live")
        found[f"version of {name}"] = _arn("lambda", f"function:{name}:7")
    for item in templates.resources("AWS::Lambda::Function"):
        name = item.properties["FunctionName"]
        group = templates.resolved(item.properties["LoggingConfig"]["LogGroup"], item.stack)
        found[f"function {name}"] = _arn("lambda", f"function:{name}")
        found[f"log of {name} (group)"] = _arn("logs", f"log-group:{group}:*")
    for log, name in SHARED_LOGS.items():
        # By an ARN without the part for its streams.
        found[f"{log} (group alone)"] = _arn("logs", f"log-group:{name}")
        found[f"{log} (group)"] = _arn("logs", f"log-group:{name}:*")
    for name, arn in roles.items():
        found[f"role of {name}"] = arn
    for group in [name for name in found if name.endswith(" (group)")]:
        # CloudWatch Logs asks about a group as if it were a stream without a name.
        found[group] = f"{found[group].removesuffix(':*')}:log-stream:"
        found[group.removesuffix(" (group)")] = f"{found[group]}2026-01-01"
    for name, arn in list(found.items()):
        found[f"{name} in {OTHER_REGION}"] = arn.replace(f":{REGION}:", f":{OTHER_REGION}:")
        found[f"a stranger's {name}"] = arn.replace(f":{ACCOUNT}:", f":{STRANGER}:")
        found[f"another app's {name}"] = re.sub(r"(:|/)([^:/]+)$", r"\1anothers-\2", arn)
    stream = "the history's stream"
    found[f"another app's {stream}"] = found[stream].replace(":table/", ":table/anothers-")
    for name in ("audit bucket", "audit object"):
        # An ARN of S3 names no account; the name of a bucket is nobody else's.
        found[f"a stranger's {name}"] = found[name].replace(":::", ":::a-strangers-")
        found[f"another app's {name}"] = found[name].replace(":::", ":::anothers-")
    found[ANYTHING] = ANYTHING
    return found
