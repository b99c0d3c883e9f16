"""What was asked for, with what fulfils it: written by hand, and checked against the app.

PCI DSS numbers are of version 4.0.1 and say which requirement of the standard the resources serve,
not that it is met: that is the assessor's to say.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from ops.production.assembly import PROJECT

TESTS: Final = "tests/templates/test_requirements.py"


@dataclass(frozen=True)
class Shown:
    """Resources that fulfil a requirement, and the properties that show it.

    Attributes:
        pattern: of the constructs' paths (`built.path`).
        properties: as `built.at` takes them.
        kind: pattern of the types, without the `AWS::` in front.
    """

    pattern: str
    properties: tuple[str, ...] = ()
    kind: str = "*"


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """
    Attributes:
        also: tests beside those of `TESTS`, as files or folders.
        controls: of PCI DSS; keys of `CONTROLS`.
        remark: what an assessor must know besides.
    """

    number: str
    text: str
    shown: tuple[Shown, ...] = ()
    also: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    remark: str = ""

    @property
    def tests(self) -> tuple[str, ...]:
        """Those of `TESTS` that bear its number."""
        prefix = f"test_{self.number.lower()}_"
        return tuple(name for name in _tests() if name.startswith(prefix))


CONTROLS: Final[Mapping[str, str]] = {
    "1.2.5": "Services, protocols and ports that are allowed are identified and needed",
    "1.3.1": "Inbound traffic is restricted to what is necessary",
    "1.3.2": "Outbound traffic is restricted to what is necessary",
    "1.4.1": "Network controls stand between trusted and untrusted networks",
    "1.4.4": "What stores data is not directly reachable from untrusted networks",
    "2.2.1": "Configuration standards are defined and kept for all components",
    "2.2.3": "Functions that need different security levels are kept apart",
    "2.2.6": "Security parameters are set to prevent misuse",
    "3.6.1": "Keys are protected against disclosure and misuse",
    "3.7.1": "Strong keys are generated",
    "3.7.4": "Keys are changed at the end of their period",
    "4.2.1": "Strong cryptography protects data in transit",
    "6.2.4": "Common attacks on software are prevented, abuse of APIs among them",
    "6.3.2": "An inventory of third-party components is kept",
    "6.4.2": "An automated solution detects and prevents web attacks",
    "6.5.1": "Changes follow a procedure: tested, and with a way back to a secure state",
    "7.2.1": "An access model gives rights by need",
    "7.2.2": "Access is least privilege",
    "7.2.5": "Application and system accounts have least privilege",
    "7.3.3": "Access control denies all by default",
    "8.6.2": "No credentials of applications stand in code or configuration",
    "10.2.1": "Audit logs are enabled and active",
    "10.3.1": "Audit logs are read by those only who need to",
    "10.3.2": "Audit logs are protected from modification",
    "10.3.3": "Audit logs are kept where they are difficult to modify",
    "10.3.4": "A change of audit logs is detected",
    "10.5.1": "Audit logs are kept for 12 months, three of them at hand",
    "10.7.2": "Failures of critical security controls are detected and answered",
    "12.5.1": "An inventory of the components in scope is kept",
    "12.10.1": "The plan for incidents covers recovery and backups",
    "12.10.5": "The plan for incidents covers monitoring and alerts",
}
"""The requirements of PCI DSS that are named here, in our words."""

_VPC = "NetworkNestedStack/Network/Vpc"
_API = "ComputeNestedStack/Api/RestApi"
_FUNCTIONS = (
    "ComputeNestedStack/PaymentValidator/Function",
    "ComputeNestedStack/PaymentProcessor/Function",
    "ComputeNestedStack/AuditLogger/Function",
)
_DATABASE = "DataNestedStack/LedgerDatabase/Instance"
_TABLE = "DataNestedStack/TransactionsTable"
_BUCKET = "DataNestedStack/AuditBucket/Bucket"
_DATABASE_KEY = "DataNestedStack/LedgerDatabase/Key"
_BUCKET_KEY = "DataNestedStack/AuditBucket/Key"
_TOPIC = "ObservabilityNestedStack/AlertsTopic"
_RULE = "LifecycleConfiguration.Rules.0"
_LOCK = "ObjectLockConfiguration.Rule.DefaultRetention"


def _of_functions(*properties: str) -> tuple[Shown, ...]:
    return tuple(Shown(pattern, properties) for pattern in _FUNCTIONS)


REQUIREMENTS: Final = (
    Requirement(
        number="R1",
        text="CDK v2, Python 3.8 or higher; region us-east-1.",
        shown=(
            Shown(f"{_VPC}/*Subnet?/Subnet", ("AvailabilityZone",)),
            *_of_functions("Runtime"),
        ),
        also=("tests/templates/test_config.py",),
        controls=("2.2.1",),
    ),
    Requirement(
        number="R2",
        text="A VPC with three Availability Zones, a public and a private subnet in each. NAT "
        "gateways stand only in public subnets; private subnets hold database and functions.",
        shown=(
            Shown(_VPC, ("CidrBlock",), "EC2::VPC"),
            Shown(
                f"{_VPC}/*Subnet?/Subnet", ("AvailabilityZone", "CidrBlock", "MapPublicIpOnLaunch")
            ),
            Shown(f"{_VPC}/*/NATGateway", ("SubnetId",)),
            Shown(f"{_VPC}/*/DefaultRoute", ("DestinationCidrBlock", "NatGatewayId", "GatewayId")),
        ),
        controls=("1.4.1", "1.4.4"),
    ),
    Requirement(
        number="R3",
        text="Production has its own VPC, and no default security group rules: every rule is "
        "explicit, and no group allows all outbound.",
        shown=(
            Shown("NetworkNestedStack/DefaultSecurityGroup/EmptyGroup"),
            Shown("NetworkNestedStack/SecurityGroups/*", ("GroupDescription", "Description")),
            Shown("NetworkNestedStack/Network/FlowLog", ("TrafficType", "MaxAggregationInterval")),
        ),
        also=("lambda_code/default_security_group",),
        controls=("1.2.5", "1.3.1", "1.3.2"),
    ),
    Requirement(
        number="R4",
        text="RDS PostgreSQL, db.t3.medium, private subnets, Multi-AZ, automated backups for 30 "
        "days, storage encrypted with a customer-managed key.",
        shown=(
            Shown(
                _DATABASE,
                (
                    "Engine",
                    "EngineVersion",
                    "DBInstanceClass",
                    "MultiAZ",
                    "BackupRetentionPeriod",
                    "StorageEncrypted",
                    "KmsKeyId",
                    "PubliclyAccessible",
                    "EnableIAMDatabaseAuthentication",
                ),
            ),
            Shown("DataNestedStack/LedgerDatabase/ParameterGroup", ("Parameters.rds.force_ssl",)),
            Shown("DataNestedStack/LedgerDatabase/SubnetGroup", ("SubnetIds",)),
        ),
        also=("tests/templates/test_retention.py",),
        controls=("1.4.4", "2.2.6", "3.6.1", "4.2.1", "12.10.1"),
        remark="Deletion protection is switched on by Custom::ProductionSeal at the end of a "
        "deployment, not by the template (docs/decisions/0007-seal-outside-the-template.md).",
    ),
    Requirement(
        number="R5",
        text="Three Lambda functions of 512 MB and 30 s: payment-validator, payment-processor, "
        "audit-logger.",
        shown=_of_functions("FunctionName", "MemorySize", "Timeout", "Architectures"),
        controls=("2.2.3", "10.2.1"),
    ),
    Requirement(
        number="R6",
        text="Lambda functions use reserved concurrency, so that high traffic does not throttle "
        "them.",
        shown=_of_functions("ReservedConcurrentExecutions"),
        remark="PCI DSS has no requirement of availability.",
    ),
    Requirement(
        number="R7",
        text="API Gateway REST API: /validate → payment-validator, /process → payment-processor, "
        "/status → the system's status.",
        shown=(
            Shown(_API, ("Name",), "ApiGateway::RestApi"),
            Shown(f"{_API}/Default/*", ("HttpMethod", "Integration.Uri"), "ApiGateway::Method"),
            Shown("ComputeNestedStack/Firewall/WebAcl", ("Scope",)),
        ),
        also=("tests/templates/test_api.py", "tests/e2e/test_payment.py"),
        controls=("4.2.1", "6.4.2"),
    ),
    Requirement(
        number="R8",
        text="API Gateway throttles requests and requires API keys.",
        shown=(
            Shown(f"{_API}/Default/*", ("HttpMethod", "ApiKeyRequired"), "ApiGateway::Method"),
            Shown(f"{_API}/UsagePlan", ("Throttle", "Quota")),
        ),
        also=("tests/e2e/test_contract.py",),
        controls=("6.2.4", "8.6.2"),
    ),
    Requirement(
        number="R9",
        text="DynamoDB table payment-transactions: partition key transaction_id (String), sort key "
        "timestamp (Number), point-in-time recovery.",
        shown=(
            Shown(
                _TABLE,
                (
                    "TableName",
                    "AttributeDefinitions",
                    "KeySchema",
                    "PointInTimeRecoverySpecification",
                    "SSESpecification",
                ),
            ),
        ),
        controls=("3.6.1", "12.10.1"),
    ),
    Requirement(
        number="R10",
        text="S3 bucket for audit logs: to Glacier after 90 days, no public access, versioned, "
        "under its own customer-managed key.",
        shown=(
            Shown(
                _BUCKET,
                (
                    f"{_RULE}.Transitions",
                    "PublicAccessBlockConfiguration",
                    "VersioningConfiguration.Status",
                    "BucketEncryption.ServerSideEncryptionConfiguration.0."
                    "ServerSideEncryptionByDefault",
                    _LOCK,
                    "LoggingConfiguration.DestinationBucketName",
                ),
                "S3::Bucket",
            ),
        ),
        also=("tests/templates/test_retention.py", "tests/e2e/test_roles.py"),
        controls=("10.2.1", "10.3.1", "10.3.2", "10.3.3", "10.3.4", "10.5.1"),
    ),
    Requirement(
        number="R11",
        text="SQS queue for retrying failed payments, messages kept for 14 days: no payment "
        "failure is lost.",
        shown=(
            Shown(
                "DataNestedStack/Queues/*",
                ("MessageRetentionPeriod", "RedrivePolicy.maxReceiveCount", "KmsMasterKeyId"),
                "SQS::Queue",
            ),
            Shown("ComputeNestedStack/PaymentProcessor/Retries", ("EventSourceArn",)),
        ),
        also=("tests/integration/money",),
        controls=("10.7.2",),
        remark="10.7.2 for the queue of audit failures: audit records that could not be written "
        "are kept, and an alarm tells.",
    ),
    Requirement(
        number="R12",
        text="CloudWatch dashboard: API Gateway latency, Lambda error rates, RDS CPU utilization.",
        shown=(Shown("ObservabilityNestedStack/Dashboard/Dashboard", ("DashboardName",)),),
        also=("tests/ops/test_dashboard_picture.py",),
        remark="PCI DSS asks for no dashboard.",
    ),
    Requirement(
        number="R13",
        text="SNS topic for critical alerts, with an e-mail subscription to ops@company.com.",
        shown=(
            Shown(_TOPIC, ("KmsMasterKeyId",), "SNS::Topic"),
            Shown(f"{_TOPIC}/*", ("Protocol", "Endpoint"), "SNS::Subscription"),
        ),
        also=("tests/e2e/test_ops_alerts.py",),
        controls=("10.7.2", "12.10.5"),
        remark="The subscription counts only when the recipient has confirmed it by mail.",
    ),
    Requirement(
        number="R14",
        text="CloudWatch alarms for all critical metrics.",
        shown=(
            Shown("ObservabilityNestedStack/Alarms/*", (), "CloudWatch::*Alarm"),
            Shown("ObservabilityNestedStack/Events/*", (), "Events::Rule"),
        ),
        also=("tests/templates/test_alarms.py", "tests/templates/test_runbooks.py"),
        controls=("10.7.2", "12.10.5"),
    ),
    Requirement(
        number="R15",
        text="CloudWatch Logs retention of 90 days, everywhere.",
        shown=(
            Shown("*", ("RetentionInDays", "KmsKeyId"), "Logs::LogGroup"),
            Shown("*", ("RetentionInDays", "KmsKeyId"), "Custom::SharedLogGroup"),
        ),
        controls=("10.5.1",),
        remark="90 days are the part of 10.5.1 that must be at hand. The 12 months are held by the "
        "audit bucket, for payments; if an assessor counts other logs here as audit logs (API "
        "access, firewall, flow logs), they must be exported before they expire.",
    ),
    Requirement(
        number="R16",
        text="Every resource carries the tags Environment, Team and CostCenter.",
        shown=(Shown("*", (), "CloudFormation::Stack"),),
        also=("tests/templates/test_tags.py",),
        controls=("12.5.1",),
        remark="They stand in the templates at every resource that can be tagged; the appendix "
        "tells, resource by resource. The root stack has them too, and CloudFormation passes them "
        "on.",
    ),
    Requirement(
        number="R17",
        text="IAM: least privilege, with explicit deny statements where they fit.",
        shown=(
            Shown("*", ("PermissionsBoundary",), "IAM::Role"),
            Shown("*", (), "IAM::ManagedPolicy"),
        ),
        also=("tests/templates/test_permission_matrix.py", "tests/e2e/test_roles.py"),
        controls=("7.2.1", "7.2.2", "7.2.5", "7.3.3"),
    ),
    Requirement(
        number="R18",
        text="Separate customer-managed KMS keys for the database and for the S3 bucket.",
        shown=(
            Shown(_DATABASE_KEY, ("Description", "EnableKeyRotation"), "KMS::Key"),
            Shown(_BUCKET_KEY, ("Description", "EnableKeyRotation"), "KMS::Key"),
        ),
        controls=("3.6.1", "3.7.1", "3.7.4"),
    ),
    Requirement(
        number="R19",
        text="A complete CDK Python application, well organised, with comprehensive IAM policies "
        "and deployment instructions, which reliably recreates production from code.",
        shown=(Shown("*", (), "CloudFormation::Stack"),),
        also=("tests/e2e/test_zz_deployment.py",),
        controls=("2.2.1", "6.5.1"),
    ),
    Requirement(
        number="S1",
        text="Nested stacks, one single deployable, parameterized outputs: the root stack owns "
        "Network, Data, Compute and Observability and wires them.",
        shown=(Shown("*", (), "CloudFormation::Stack"),),
        controls=("2.2.1",),
    ),
    Requirement(
        number="S2",
        text="Production deploys, or rolls back, atomically, as one CloudFormation unit.",
        shown=(
            Shown("TerminationProtection/Lifted"),
            Shown("ProductionSeal"),
            Shown(
                "ComputeNestedStack/Releases/*",
                ("AutoRollbackConfiguration.Enabled",),
                "CodeDeploy::DeploymentGroup",
            ),
        ),
        also=("tests/acceptance/test_drills.py", "tests/templates/test_termination_protection.py"),
        controls=("6.5.1",),
    ),
    Requirement(
        number="S3",
        text="Packages: aws-cdk-lib, constructs, pytest, boto3, syrupy.",
        also=("requirements.txt", "docs/supply-chain.md"),
        controls=("6.3.2",),
    ),
    Requirement(
        number="S4",
        text="Top level: app.py, root_stack.py, nested/, lambda_code/, tests/, snapshots/, "
        "cdk.json, requirements.txt.",
        also=("app.py", "root_stack.py"),
        remark="The layout of the source is no subject of PCI DSS.",
    ),
    Requirement(
        number="S5",
        text="Used by a single cdk deploy PaymentsProd, snapshot testing of the templates, and "
        "rollback in the CloudFormation console.",
        also=("tests/templates/test_snapshots.py", "docs/runbooks/rollback.md"),
        controls=("6.5.1",),
    ),
    Requirement(
        number="S6",
        text="Networking, compute and data are separate stacks with proper dependencies.",
        shown=(Shown("*", (), "CloudFormation::Stack"),),
        controls=("2.2.3",),
    ),
)


@cache
def _tests() -> tuple[str, ...]:
    tree = ast.parse((PROJECT / TESTS).read_text(encoding="utf-8"))
    return tuple(node.name for node in tree.body if isinstance(node, ast.FunctionDef))
