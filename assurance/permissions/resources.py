"""What the matrix speaks of, by name."""

from __future__ import annotations

import re
from typing import Final

from assurance.permissions.templates import ACCOUNT, REGION, STACK_ID, Templates

TABLE: Final = "history"
STREAM: Final = "the history's stream"
LEDGER: Final = "ledger database"
LEDGER_LOGIN: Final = "ledger user payment_processor"
READER_LOGIN: Final = "ledger user ledger_reader"
COPY_READER_LOGIN: Final = "ledger user ledger_reader of a restored copy"
COPY_LOGIN: Final = "ledger user payment_processor of a restored copy"
MASTER_LOGIN: Final = "ledger user ledger_admin"
MASTER_SECRET: Final = "ledger's master secret"  # noqa: S105 - its name
AUDIT_BUCKET: Final = "audit bucket"
AUDIT_OBJECT: Final = "audit object"
STRAY_OBJECT: Final = "audit bucket's object outside the trail"
ACCESS_LOG_BUCKET: Final = "access log bucket"
ACCESS_LOG: Final = "access log"
RETRY_QUEUE: Final = "retry queue"
RETRY_DEAD_LETTERS: Final = "retry dead-letter queue"
AUDIT_FAILURES: Final = "audit failure queue"
FAILED_INVOCATIONS: Final = "failed invocations queue"
UNDELIVERED_ALERTS: Final = "alerts dead-letter queue"
ALERTS: Final = "alerts topic"
APPLICATION_KEY: Final = "application key"
AUDIT_KEY: Final = "audit key"
LEDGER_KEY: Final = "ledger key"
DEFAULT_GROUP: Final = "default security group"
LEDGER_GROUP: Final = "ledger's security group"
INTERFACE: Final = "network interface"
SUBNET: Final = "subnet"
FLOW_LOG: Final = "flow log"
API_LOG: Final = "API's execution log"
DATABASE_METRICS: Final = "database's metrics log"
WELCOME_LOG: Final = "API Gateway's welcome log"
DEPLOYMENTS: Final = "CodeDeploy's application"
DEPLOYMENT_GROUP: Final = "deployment group"
BOUNDARY: Final = "permissions boundary"
SWEEP: Final = "sweep rule"
ALERTING_RULE: Final = "rule on a disabled key"
RELEASE_ALARM: Final = "release alarm"
API: Final = "API"
USER: Final = "an IAM user"
EVENT_BUS: Final = "the account's event bus"
ROOT_STACK: Final = "this stack"
ANYTHING: Final = "*"

FUNCTIONS: Final = (
    "payment-validator",
    "payment-processor",
    "audit-logger",
    "payments-ledger-reader",
    "payments-ledger-schema",
    "payments-production-seal",
    "payments-default-security-group",
    "payments-termination-protection",
    "payments-shared-log-groups",
    "payments-release-test",
)

SEAL: Final = "payments-production-seal"
"""The one function that may change the table and the database themselves."""

RELEASED: Final = ("payment-validator", "payment-processor", "audit-logger")
"""The functions that have an alias."""

QUEUES: Final = (
    RETRY_QUEUE,
    RETRY_DEAD_LETTERS,
    AUDIT_FAILURES,
    FAILED_INVOCATIONS,
    UNDELIVERED_ALERTS,
)

KEYS: Final = (APPLICATION_KEY, AUDIT_KEY, LEDGER_KEY)

STRANGER: Final = "999999999999"
"""An account that is not ours."""

OTHER_REGION: Final = "eu-west-1"


def log_of(function: str) -> str:
    return f"log of {function}"


def group_of(log: str) -> str:
    """The log group in which a log's streams are."""
    return f"{log} (group)"


def bare(log: str) -> str:
    """The log group, by an ARN without the part for its streams."""
    return f"{log} (group alone)"


def function(name: str) -> str:
    return f"function {name}"


def live(name: str) -> str:
    """What a function is called by."""
    return f"live alias of {name}"


def version(name: str) -> str:
    """What a release has published of a function."""
    return f"version of {name}"


def role_of(name: str) -> str:
    return f"role of {name}"


def elsewhere(resource: str) -> str:
    """What has the same name in another region."""
    return f"{resource} in {OTHER_REGION}"


def is_elsewhere(resource: str) -> bool:
    return resource.endswith(f" in {OTHER_REGION}")


def of_stranger(resource: str) -> str:
    """What has the same name in a stranger's account."""
    return f"a stranger's {resource}"


def another(resource: str) -> str:
    """What is of the same kind, in this account, but not this app's."""
    return f"another app's {resource}"


def is_of_stranger(resource: str) -> bool:
    return resource.startswith("a stranger's ")


def owner(resource: str) -> str:
    """The account that a resource is in."""
    return STRANGER if is_of_stranger(resource) else ACCOUNT


_CONSTRUCTS: Final = {
    TABLE: ("AWS::DynamoDB::Table", "TransactionsTable", "Arn"),
    STREAM: ("AWS::DynamoDB::Table", "TransactionsTable", "StreamArn"),
    LEDGER: ("AWS::RDS::DBInstance", "LedgerDatabaseInstance", "DBInstanceArn"),
    MASTER_SECRET: (
        "AWS::RDS::DBInstance",
        "LedgerDatabaseInstance",
        "MasterUserSecret.SecretArn",
    ),
    AUDIT_BUCKET: ("AWS::S3::Bucket", "AuditBucket", "Arn"),
    ACCESS_LOG_BUCKET: ("AWS::S3::Bucket", "AuditBucketAccessLogs", "Arn"),
    RETRY_QUEUE: ("AWS::SQS::Queue", "QueuesRetryQueue", "Arn"),
    RETRY_DEAD_LETTERS: ("AWS::SQS::Queue", "QueuesRetryDeadLetterQueue", "Arn"),
    AUDIT_FAILURES: ("AWS::SQS::Queue", "QueuesAuditFailureQueue", "Arn"),
    FAILED_INVOCATIONS: ("AWS::SQS::Queue", "QueuesFailedInvocationsQueue", "Arn"),
    UNDELIVERED_ALERTS: ("AWS::SQS::Queue", "AlertsTopicDeadLetterQueue", "Arn"),
    ALERTS: ("AWS::SNS::Topic", "AlertsTopic", "TopicArn"),
    APPLICATION_KEY: ("AWS::KMS::Key", "ApplicationKey", "Arn"),
    AUDIT_KEY: ("AWS::KMS::Key", "AuditBucketKey", "Arn"),
    LEDGER_KEY: ("AWS::KMS::Key", "LedgerDatabaseKey", "Arn"),
    LEDGER_GROUP: ("AWS::EC2::SecurityGroup", "SecurityGroupsDatabase", "GroupId"),
    DEFAULT_GROUP: ("AWS::EC2::VPC", "NetworkVpc", "DefaultSecurityGroup"),
    group_of(FLOW_LOG): ("AWS::Logs::LogGroup", "NetworkFlowLogGroup", "Arn"),
    group_of(API_LOG): ("AWS::Logs::LogGroup", "ApiExecutionLogGroup", "Arn"),
    SWEEP: ("AWS::Events::Rule", "PaymentProcessorOutboxSweep", "Arn"),
    ALERTING_RULE: ("AWS::Events::Rule", "EventsKeyDisabled", "Arn"),
    RELEASE_ALARM: ("AWS::CloudWatch::Alarm", "ReleasesPaymentProcessorErrors", "Arn"),
    BOUNDARY: ("AWS::IAM::ManagedPolicy", "PermissionsBoundary", "Ref"),
}
"""Type, logical id without its hash, and the attribute that the ARN is in."""


def arns(templates: Templates, roles: dict[str, str]) -> dict[str, str]:
    """The ARN of each resource of the matrix, by name.

    :param roles: the ARNs of the app's roles, by their names.
    """
    found = {
        name: templates.value(templates.only(kind, construct), attribute)
        for name, (kind, construct, attribute) in _CONSTRUCTS.items()
    }
    ec2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
    for group in (LEDGER_GROUP, DEFAULT_GROUP):
        found[group] = f"{ec2}:security-group/{found[group]}"
    found[INTERFACE] = f"{ec2}:network-interface/eni-0123456789abcdef0"
    found[SUBNET] = f"{ec2}:subnet/subnet-0123456789abcdef0"
    found[AUDIT_OBJECT] = f"{found[AUDIT_BUCKET]}/year=2026/month=01/day=01/hour=00/a.ndjson.gz"
    found[STRAY_OBJECT] = f"{found[AUDIT_BUCKET]}/notes.txt"
    found[ACCESS_LOG] = f"{found[ACCESS_LOG_BUCKET]}/audit/2026-01-01-00-00-00-0123456789ABCDEF"
    database = templates.only("AWS::RDS::DBInstance", "LedgerDatabaseInstance")
    logins = f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:"
    logins += templates.value(database, "DbiResourceId")
    found[LEDGER_LOGIN] = f"{logins}/payment_processor"
    found[READER_LOGIN] = f"{logins}/ledger_reader"
    found[MASTER_LOGIN] = f"{logins}/ledger_admin"
    copies = f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:db-OFACOPY"
    found[COPY_READER_LOGIN] = f"{copies}/ledger_reader"
    found[COPY_LOGIN] = f"{copies}/payment_processor"
    api = templates.value(templates.only("AWS::ApiGateway::RestApi", "ApiRestApi"), "Ref")
    found[API] = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}"
    found[ROOT_STACK] = STACK_ID
    found[USER] = f"arn:aws:iam::{ACCOUNT}:user/somebody"
    found[EVENT_BUS] = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
    for name in RELEASED:
        found[live(name)] = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}:live"
        found[version(name)] = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}:7"
    for item in templates.resources("AWS::Lambda::Function"):
        name = item.properties["FunctionName"]
        group = templates.resolved(item.properties["LoggingConfig"]["LogGroup"], item.stack)
        found[function(name)] = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
        found[group_of(log_of(name))] = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:*"
    for log, name in ((DATABASE_METRICS, "RDSOSMetrics"), (WELCOME_LOG, "/aws/apigateway/welcome")):
        found[bare(log)] = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}"
        found[group_of(log)] = f"{found[bare(log)]}:*"
    releases = "PaymentsProd-ComputeNestedStack-0A1B2C-Releases"
    application = f"{releases}Application-3D4E5F"
    found[DEPLOYMENTS] = f"arn:aws:codedeploy:{REGION}:{ACCOUNT}:application:{application}"
    found[DEPLOYMENT_GROUP] = (
        f"arn:aws:codedeploy:{REGION}:{ACCOUNT}:deploymentgroup:{application}/"
        f"{releases}PaymentProcessor-6G7H8I"
    )
    for name, arn in roles.items():
        found[role_of(name)] = arn
    for group in [name for name in found if name.endswith(" (group)")]:
        # CloudWatch Logs asks about a group as if it were a stream without a name.
        found[group] = f"{found[group].removesuffix(':*')}:log-stream:"
        found[group.removesuffix(" (group)")] = f"{found[group]}2026-01-01"
    for name, arn in list(found.items()):
        found[elsewhere(name)] = arn.replace(f":{REGION}:", f":{OTHER_REGION}:")
        found[of_stranger(name)] = arn.replace(f":{ACCOUNT}:", f":{STRANGER}:")
        found[another(name)] = re.sub(r"(:|/)([^:/]+)$", r"\1anothers-\2", arn)
    found[another(STREAM)] = found[STREAM].replace(":table/", ":table/anothers-")
    for name in (AUDIT_BUCKET, AUDIT_OBJECT):
        # An ARN of S3 names no account; the name of a bucket is nobody else's.
        found[of_stranger(name)] = found[name].replace(":::", ":::a-strangers-")
        found[another(name)] = found[name].replace(":::", ":::anothers-")
    found[ANYTHING] = ANYTHING
    return found
