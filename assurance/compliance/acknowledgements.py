"""Findings of the policy packs that are accepted: on one resource each, with the reason.

What is listed here is not reported by a synthesis; a test fails when an entry matches no finding
any more. ``docs/acknowledgements.md`` is made from it (``make docs``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from building_blocks.operations import OPERATIONS
from config import PRODUCTION, STACKS


@dataclass(frozen=True, order=True)
class Acknowledgement:
    """One accepted finding.

    Attributes:
        resource: path of its construct.
        rule: the finding's name; where a rule finds several things on a resource, what it found
            stands in brackets.
    """

    resource: str
    rule: str
    reason: str


ROOT = STACKS[PRODUCTION]

_NETWORK = f"{ROOT}/NetworkNestedStack"
_DATA = f"{ROOT}/DataNestedStack"
_COMPUTE = f"{ROOT}/ComputeNestedStack"
_OBSERVABILITY = f"{ROOT}/ObservabilityNestedStack"

_DATABASE = f"{_DATA}/LedgerDatabase/Instance/Resource"
_AUDIT_BUCKET = f"{_DATA}/AuditBucket/Bucket/Resource"
_DATA_ID = f"{ROOT}DataNestedStackNestedStackDataNestedStackNestedStackResourceB180D288"
_AUDIT_BUCKET_ID = f"{ROOT}DataNestedStackAuditBucket22130153"
_TABLE_ID = f"{ROOT}DataNestedStackTransactionsTable815F1D39"
NAMED = {
    _DATA_ID: f"{_DATA}.NestedStack/DataNestedStack.NestedStackResource",
    _AUDIT_BUCKET_ID: _AUDIT_BUCKET,
    _TABLE_ID: f"{_DATA}/TransactionsTable/Resource",
}
"""What findings name by the CDK's id, whose hash is another in a stack of another name."""

_ACCESS_LOGS = f"{_DATA}/AuditBucket/AccessLogs/Resource"
_STAGE = f"{_COMPUTE}/Api/RestApi/DeploymentStage.prod/Resource"
_DEFAULT_GROUP_FUNCTION = f"{_NETWORK}/DefaultSecurityGroup/Provider/Function/Resource"
_DEFAULT_GROUP_POLICY = f"{_NETWORK}/DefaultSecurityGroup/Provider/Role/Policy/Resource"
_PROTECTION = f"{ROOT}/TerminationProtection/Provider"
_PROTECTION_FUNCTION = f"{_PROTECTION}/Function/Resource"
_SHARED_LOGS = f"{ROOT}/SharedLogGroups/Provider"
_SHARED_LOGS_FUNCTION = f"{_SHARED_LOGS}/Function/Resource"
_LOG_GROUP = "arn:aws:logs:us-east-1:<AWS::AccountId>:log-group"
_RELEASE_TEST = f"{ROOT}/ReleaseTest"
_RELEASE_TEST_FUNCTION = f"{_RELEASE_TEST}/Function/Resource"
_METHODS = [
    f"{_COMPUTE}/Api/RestApi/Default{each.path}/{each.method}/Resource" for each in OPERATIONS
]
_POLICIES_OF_FUNCTIONS_IN_VPC = (
    f"{_DATA}/LedgerReader/Role/Policy/Resource",
    f"{_DATA}/Reconciliation/Role/Policy/Resource",
    f"{_DATA}/LedgerSchema/Provider/Role/Policy/Resource",
    f"{_DATA}/ProductionSeal/Provider/Role/Policy/Resource",
    *(
        f"{_COMPUTE}/{function}/Role/Policy/Resource"
        for function in ("PaymentValidator", "PaymentProcessor", "AuditLogger")
    ),
)


def _accept(
    resources: Sequence[str] | str, rules: Sequence[str] | str, reason: str
) -> list[Acknowledgement]:
    return [
        Acknowledgement(resource, rule, reason)
        for resource in ([resources] if isinstance(resources, str) else resources)
        for rule in ([rules] if isinstance(rules, str) else rules)
    ]


def _accept_each(
    rules: Sequence[str] | str, reasons: Mapping[str | tuple[str, ...], str]
) -> list[Acknowledgement]:
    """Findings of one kind, each on its resources with a reason of its own."""
    return [
        accepted
        for resources, reason in reasons.items()
        for accepted in _accept(resources, rules, reason)
    ]


def _in_nist_and_pci(rule: str) -> list[str]:
    """A rule that both of these packs have."""
    return [f"NIST.800.53.R5-{rule}", f"PCI.DSS.321-{rule}"]


ACKNOWLEDGEMENTS: tuple[Acknowledgement, ...] = (
    # Network
    *_accept(
        [f"{_NETWORK}/Network/Vpc/PublicSubnet{n}/DefaultRoute" for n in (1, 2, 3)],
        _in_nist_and_pci("VPCNoUnrestrictedRouteToIGW"),
        "The NAT gateways, which alone stand in the public subnets, need this route: it is the "
        "private subnets' only way out (R2). No public subnet gives addresses to instances.",
    ),
    *_accept(
        f"{_NETWORK}/Network/Vpc/Resource",
        _in_nist_and_pci("VPCDefaultSecurityGroupClosed"),
        "A template cannot say that the default group is empty, so the packs warn about every "
        "VPC. Custom::DefaultSecurityGroup takes its rules out in the same deployment (R3).",
    ),
    *_accept_each(
        _in_nist_and_pci("LambdaInsideVPC"),
        {
            _DEFAULT_GROUP_FUNCTION: "It empties the default security group through the EC2 API, "
            "before the VPC has a way out, and reaches no data. It runs during deployments only.",
            _PROTECTION_FUNCTION: "It calls CloudFormation's API when no VPC is left, and reaches "
            "no data. It runs when a deployment begins or is undone.",
            _SHARED_LOGS_FUNCTION: "It calls CloudWatch Logs' API before there is a VPC, and reads "
            "no line of a log. It runs during deployments only.",
            _RELEASE_TEST_FUNCTION: "It calls the APIs of Lambda and CodeDeploy, and reaches no "
            "data but what the payment functions answer to it. It runs during releases only.",
        },
    ),
    *_accept(
        _RELEASE_TEST_FUNCTION,
        ["NIST.800.53.R5-LambdaDLQ", "Serverless-LambdaDLQ"],
        "CodeDeploy alone invokes it, and waits for its word: without one the release is taken "
        "back. The queues come in a later layer.",
    ),
    *_accept(
        [_DEFAULT_GROUP_FUNCTION, _PROTECTION_FUNCTION, _SHARED_LOGS_FUNCTION],
        ["NIST.800.53.R5-LambdaDLQ", "Serverless-LambdaDLQ"],
        "CloudFormation alone invokes it, and waits for its answer: a failed invocation fails "
        "the deployment, visibly. The queues come in a later layer.",
    ),
    # Roles
    *_accept_each(
        "AwsSolutions-IAM5[Resource::*]",
        {
            f"{ROOT}/PermissionsBoundary/Resource": "A boundary allows nothing by itself: the "
            "resources are named in each role's own policy. It bounds the actions, the region and "
            "the account.",
            _POLICIES_OF_FUNCTIONS_IN_VPC: "Lambda manages network interfaces with the role, and "
            "they do not exist beforehand; X-Ray's actions and ec2:Describe* know no resource, nor "
            "does dynamodb:ListStreams, which audit-logger alone has. The function's own code is "
            "denied the EC2 actions (lambda:SourceFunctionArn).",
            f"{_PROTECTION}/Role/Policy/Resource": "X-Ray's actions know no resource. What changes "
            "something is limited to this stack.",
            f"{_SHARED_LOGS}/Role/Policy/Resource": "logs:DescribeLogGroups is granted for all "
            "groups or for none, and X-Ray's actions know no resource. What changes something is "
            "limited to the two groups.",
            f"{_RELEASE_TEST}/Role/Policy/Resource": "X-Ray's actions know no resource. What it "
            "may call and tell is limited to this app's released functions and deployment groups.",
            _DEFAULT_GROUP_POLICY: "ec2:DescribeSecurityGroupRules and X-Ray's actions know no "
            "resource; what changes something, the revoking of rules, is limited to the VPC's "
            "default group.",
        },
    ),
    *_accept(
        [f"{_SHARED_LOGS}/Role/Policy/Resource", f"{ROOT}/MonitoringRole/Policy/Resource"],
        f"AwsSolutions-IAM5[Resource::{_LOG_GROUP}:RDSOSMetrics:*]",
        "It is the one group: CloudWatch Logs writes its ARN with and without the part for its "
        "streams. A declared group's own ARN has the same end, which the rule does not see.",
    ),
    *_accept(
        f"{_SHARED_LOGS}/Role/Policy/Resource",
        f"AwsSolutions-IAM5[Resource::{_LOG_GROUP}:/aws/apigateway/welcome:*]",
        "It is the one group: CloudWatch Logs writes its ARN with and without the part for its "
        "streams. A declared group's own ARN has the same end, which the rule does not see.",
    ),
    *_accept(
        f"{_RELEASE_TEST}/Role/Policy/Resource",
        [
            "AwsSolutions-IAM5[Resource::arn:aws:lambda:us-east-1:<AWS::AccountId>:function:"
            f"{function}:*]"
            for function in ("payment-validator", "payment-processor", "audit-logger")
        ],
        "It calls the versions of the one function. Lambda numbers them as they are published, so "
        "nobody knows the number before.",
    ),
    *_accept(
        f"{_RELEASE_TEST}/Role/Policy/Resource",
        [
            f"AwsSolutions-IAM5[Resource::arn:aws:codedeploy:us-east-1:<AWS::AccountId>:{names}]"
            for names in (
                "application:<AWS::StackName>-*",
                "deploymentgroup:<AWS::StackName>-*/*",
            )
        ],
        "CloudFormation names the application and its groups, beginning with this stack's name, "
        "and after the function, which must be there first.",
    ),
    *_accept(
        f"{_COMPUTE}/Releases/Role/Policy/Resource",
        [
            f"AwsSolutions-IAM5[Resource::<{function}.Arn>:*]"
            for function in (
                "AuditLoggerFunctionD8E1A3C2",
                "PaymentProcessorFunction7A94854B",
                "PaymentValidatorFunction162D9BBA",
            )
        ],
        "CodeDeploy asks for the provisioned concurrency of the alias or of the version behind it, "
        "whose number nobody knows before. It only reads, of the one function.",
    ),
    *_accept(
        _DEFAULT_GROUP_POLICY,
        "AwsSolutions-IAM5[Resource::arn:aws:ec2:us-east-1:<AWS::AccountId>:security-group-rule/*]",
        "EC2 asks for the right to the group and to its rules, whose names AWS makes up. The "
        "group in the same statement is the VPC's default group alone.",
    ),
    *_accept(
        f"{_COMPUTE}/AuditLogger/Role/Policy/Resource",
        f"AwsSolutions-IAM5[Resource::<referenceto{_DATA_ID}Outputs{_AUDIT_BUCKET_ID}Arn>/year=*]",
        "The trail's objects are named by the hour and their number. Of one bucket, it may "
        "read and add objects of the trail; it can neither overwrite nor delete any.",
    ),
    *_accept(
        f"{_COMPUTE}/AuditLogger/Role/Policy/Resource",
        f"AwsSolutions-IAM5[Resource::<referenceto{_DATA_ID}Outputs{_TABLE_ID}Arn>/stream/*]",
        "The streams of the one table. One that was restored has another stream, whose name nobody "
        "knows before.",
    ),
    *_accept(
        f"{_COMPUTE}/Api/LoggingRole/Policy/Resource",
        "AwsSolutions-IAM5[Resource::arn:aws:logs:us-east-1:<AWS::AccountId>:log-group:*]",
        "API Gateway's role for logs is one for the account and region; it tries the role "
        "when it is given it, on groups of its own naming.",
    ),
    *_accept(
        f"{_COMPUTE}/Releases/Role/Policy/Resource",
        "AwsSolutions-IAM5[Resource::arn:aws:cloudwatch:us-east-1:<AWS::AccountId>:alarm:*]",
        "CloudWatch grants the reading of alarms for all of an account or for none. It tells "
        "CodeDeploy their settings and states; it changes none, and shows no payment data.",
    ),
    # Data
    *_accept(
        f"{_DATA}/LedgerReader/Role/Policy/Resource",
        [
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:rds-db:<AWS::Region>:"
            "<AWS::AccountId>:dbuser:*/ledger_reader]"
        ],
        "A restored copy of the ledger is another instance, whose id nobody knows before; the user "
        "may only read, and security groups admit the function to the ledger and its copies only.",
    ),
    *_accept(
        f"{_DATA}/Reconciliation/Role/Policy/Resource",
        "AwsSolutions-IAM5[Resource::<AuditBucket78609D59.Arn>/year=*]",
        "The trail's objects are named by the hour and their number. Of one bucket, it may read "
        "objects of the trail.",
    ),
    *_accept(
        f"{_DATA}/LedgerReader/Function/Resource",
        ["NIST.800.53.R5-LambdaDLQ", "Serverless-LambdaDLQ"],
        "Operators invoke it and wait for its answer; a reading that failed is no loss.",
    ),
    *_accept(
        _DATABASE,
        ["AwsSolutions-RDS10", "NIST.800.53.R5-RDSInstanceDeletionProtectionEnabled"],
        "A protected database would keep a failed first deployment from rolling back. So it is "
        "protected by the unit's last resource, Custom::ProductionSeal, once all of it stands "
        "(docs/decisions/0007-seal-outside-the-template.md); and the instance is retained when it "
        "would be replaced or its stack deleted.",
    ),
    *_accept(
        _DATABASE,
        "AwsSolutions-RDS11",
        "Another port hides nothing from who can scan it. The port is open to one security "
        "group, in private subnets, over TLS, to IAM-authenticated users.",
    ),
    *_accept(
        _DATABASE,
        "NIST.800.53.R5-RDSInBackupPlan",
        "RDS's own automated backups are kept for 30 days with point-in-time recovery, as R4 "
        "asks; a plan of AWS Backup would be a second copy in the same account.",
    ),
    *_accept(
        f"{_DATA}/TransactionsTable/Resource",
        "NIST.800.53.R5-DynamoDBInBackupPlan",
        "Point-in-time recovery covers 35 days (R9), and the audit trail holds every item for "
        "the whole retention, locked in another service.",
    ),
    *_accept(
        _AUDIT_BUCKET,
        _in_nist_and_pci("S3BucketReplicationEnabled"),
        "Each object is in three zones at least, versioned, locked against deletion, and one of "
        "a chain that shows what is missing. A copy in a second account is the account owner's "
        "to decide: it needs that account.",
    ),
    *_accept(
        _ACCESS_LOGS,
        _in_nist_and_pci("S3BucketReplicationEnabled"),
        "The logs say who reached the audit trail; they are no record of payments. Each object "
        "is in three zones at least, versioned, and the bucket's policy denies deletion.",
    ),
    *_accept(
        _ACCESS_LOGS,
        _in_nist_and_pci("S3DefaultEncryptionKMS"),
        "S3 delivers server access logs only to buckets under S3's own keys (SSE-S3). The logs "
        "name requests and objects; they hold no payment data.",
    ),
    *_accept(
        [
            f"{_DATA}/Queues/AuditFailureQueue/Resource",
            f"{_OBSERVABILITY}/AlertsTopic/DeadLetterQueue/Resource",
        ],
        "AwsSolutions-SQS3",
        "It is a dead-letter queue: of a stream's consumer, or of a subscription, where the "
        "rule does not look.",
    ),
    *_accept(
        [
            f"{_DATA}/Queues/RetryDeadLetterQueue/Resource",
            f"{_DATA}/Queues/AuditFailureQueue/Resource",
            f"{_DATA}/Queues/FailedInvocationsQueue/Resource",
            f"{_OBSERVABILITY}/AlertsTopic/DeadLetterQueue/Resource",
        ],
        "Serverless-SQSRedrivePolicy",
        "It is the dead-letter queue. Nothing consumes it but people, so nothing could be "
        "moved on from it; messages stay for 14 days, with an alarm.",
    ),
    # Compute
    *_accept(
        _METHODS,
        ["AwsSolutions-APIG4", "AwsSolutions-COG4"],
        "The owner's decision (R8): clients are the start-up's own servers and its merchants', "
        "which are told apart by API keys, one a client, revocable; there are no users to sign "
        "in. A key lets nobody move money by itself: a payment needs a payment-method token.",
    ),
    *_accept(
        _STAGE,
        _in_nist_and_pci("APIGWCacheEnabledAndEncrypted"),
        "Answers about payments must not come from a cache: a request changes state, or asks for "
        "what is true now. What is not cached is not stored.",
    ),
    *_accept(
        _STAGE,
        _in_nist_and_pci("APIGWSSLEnabled"),
        "A client certificate proves API Gateway to HTTP backends. The only backends are "
        "Lambda functions, which are invoked over TLS with IAM authorization.",
    ),
    *_accept(
        f"{_COMPUTE}/PaymentProcessor/Retries/Resource",
        "Serverless-LambdaEventSourceMappingDestination",
        "Lambda accepts no failure destination for SQS: the retry queue's own redrive policy "
        "moves what keeps failing to the dead-letter queue.",
    ),
    *_accept(
        f"{_COMPUTE}/PaymentProcessor/SweepOnce/Resource",
        "Serverless-LambdaAsyncFailureDestination",
        "The function's dead-letter queue takes failed asynchronous invocations; a destination "
        "beside it would store each of them twice.",
    ),
    *_accept(
        [
            f"{_PROTECTION}/TriedOnce/Resource",
            f"{_SHARED_LOGS}/TriedOnce/Resource",
            f"{_NETWORK}/DefaultSecurityGroup/Provider/TriedOnce/Resource",
            f"{_DATA}/LedgerSchema/Provider/TriedOnce/Resource",
            f"{_DATA}/ProductionSeal/Provider/TriedOnce/Resource",
        ],
        "Serverless-LambdaAsyncFailureDestination",
        "CloudFormation alone invokes it, and waits for its answer: a failed invocation fails "
        "the deployment, and stands in its events and in the function's log.",
    ),
    *_accept(
        [
            f"{_COMPUTE}/Releases/{function}{kind}/Resource"
            for function in ("PaymentValidator", "PaymentProcessor")
            for kind in ("Errors", "FailedCalls")
        ],
        "NIST.800.53.R5-CloudWatchAlarmAction",
        "CodeDeploy reads this alarm while it releases the version, and acts on it: it takes the "
        "version back. People are told of the same errors by the function's own alarm.",
    ),
)
