"""The one way in which this app makes a Lambda function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from aws_cdk import ArnFormat, Duration, RemovalPolicy, Stack, Token
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from building_blocks.bundle import FunctionCode
from building_blocks.denials import deny_what_no_function_does
from building_blocks.dependencies import depend_only_on
from building_blocks.logs import EncryptedLogGroup
from building_blocks.queue import use_queue_key
from building_blocks.role import ServiceRole
from config import FUNCTION_MEMORY_MB, FUNCTION_TIMEOUT_SECONDS


@dataclass(frozen=True, kw_only=True)
class FunctionNetwork:
    """Where a function's network interfaces stand."""

    vpc: ec2.IVpc
    security_group: ec2.ISecurityGroup


class PythonFunction(Construct):
    """A Lambda function with a role of its own, a declared log group and bundled code.

    The role has one policy of its own: it may write the function's log and traces, own its
    network interfaces, and do what ``statements`` say; what no function does is denied.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        description: str,
        code: FunctionCode,
        key: kms.IKey,
        environment: Mapping[str, str],
        statements: Sequence[iam.PolicyStatement],
        network: FunctionNetwork | None = None,
        dead_letter_queue: sqs.IQueue | None = None,
        reserved_concurrency: int = 1,
        memory_mb: int = FUNCTION_MEMORY_MB,
        timeout_seconds: int = FUNCTION_TIMEOUT_SECONDS,
        denials: Sequence[iam.PolicyStatement] | None = None,
        names_log_group: bool = True,
    ) -> None:
        """
        :param name: physical name, known beforehand so that log group and policies can name it.
        :param key: of the function's log group, and of the dead-letter queue.
        :param network: none for a function that must work where there is no network yet.
        :param dead_letter_queue: for asynchronous invocations that failed.
        :param reserved_concurrency: executions kept for it, and the most that it can have. One
            is what a custom resource needs.
        :param denials: for the production seal, which alone may do something that is denied to
            all other functions.
        :param names_log_group: False for a log group that CloudFormation names, so that it is not
            in the way of the next one: log groups outlive their stack.
        """
        super().__init__(scope, construct_id)
        log_group = EncryptedLogGroup(
            self, "LogGroup", name=f"/aws/lambda/{name}" if names_log_group else None, key=key
        )
        arn = Stack.of(self).format_arn(
            service="lambda",
            resource="function",
            resource_name=name,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        self.role = ServiceRole(
            self,
            "Role",
            service="lambda.amazonaws.com",
            purpose=f"What {name} may do",
            for_own_account_only=False,
            statements=[
                iam.PolicyStatement(
                    sid="WriteOwnLog",
                    actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                    resources=[log_group.log_group_arn],
                ),
                *(_interface_statements(arn) if network else ()),
                _WRITE_TRACES,
                *(_set_aside_statements(dead_letter_queue, key) if dead_letter_queue else ()),
                *statements,
                *(denials or deny_what_no_function_does()),
            ],
        )
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=name,
            description=description,
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            handler=code.handler,
            code=_asset(code),
            memory_size=memory_mb,
            timeout=Duration.seconds(timeout_seconds),
            reserved_concurrent_executions=reserved_concurrency,
            environment={
                # resolv.conf(5). glibc's own limits, two tries of 5 s, would take a third of the
                # function's time when a name cannot be resolved.
                "RES_OPTIONS": "timeout:1 attempts:2",
                # For any client of AWS that does not say it itself: botocore's own defaults change
                # with the runtime's release.
                "AWS_RETRY_MODE": "standard",
                "AWS_MAX_ATTEMPTS": "2",
                "POWERTOOLS_SERVICE_NAME": name,
                "POWERTOOLS_LOG_LEVEL": "INFO",
                **environment,
            },
            role=self.role,
            log_group=log_group,
            current_version_options=lambda_.VersionOptions(
                description=_handed_over(environment),
                # A version that a failed update published goes again: Lambda would refuse to
                # publish the same code once more.
                removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
            ),
            vpc=network.vpc if network else None,
            vpc_subnets=_PRIVATE_SUBNETS if network else None,
            security_groups=[network.security_group] if network else None,
        )
        # CDK's own options would each add a policy beside this function's one.
        resource = self.function.node.default_child
        assert isinstance(resource, lambda_.CfnFunction)
        resource.tracing_config = lambda_.CfnFunction.TracingConfigProperty(mode="Active")
        if dead_letter_queue:
            resource.dead_letter_config = lambda_.CfnFunction.DeadLetterConfigProperty(
                target_arn=dead_letter_queue.queue_arn
            )
        # Lambda tests the role's rights to network interfaces when it creates the function, so
        # the policy must be there; it brings the role, which CDK would name here again.
        depend_only_on(self.function, self.role.policy)

    @cached_property
    def live(self) -> lambda_.Alias:
        """What is to be called: the version that was released last.

        It is made when it is first asked for; functions that only deployments or operators call
        have none.
        """
        return lambda_.Alias(
            self,
            "Live",
            alias_name=LIVE,
            version=self.function.current_version,
            description="The released version",
        )


LIVE = "live"
"""The alias of every function that payments pass through."""

_PRIVATE_SUBNETS = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)


# X-Ray's actions know no resource.
_WRITE_TRACES = iam.PolicyStatement(
    sid="WriteTraces",
    actions=["xray:PutTelemetryRecords", "xray:PutTraceSegments"],
    resources=["*"],
)


def _interface_statements(function_arn: str) -> list[iam.PolicyStatement]:
    """Lets Lambda, but not the function's code, manage the function's network interfaces.

    None of these actions can be limited to interfaces that do not exist yet; the deny on
    ``lambda:SourceFunctionArn``, which only calls from the code carry, closes what is left open.
    Source: AWS Lambda developer guide, "Giving Lambda functions access to resources in a VPC".
    """
    actions = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
    ]
    return [
        iam.PolicyStatement(sid="OwnNetworkInterfaces", actions=actions, resources=["*"]),
        iam.PolicyStatement(
            sid="DenyInterfacesToCode",
            effect=iam.Effect.DENY,
            actions=actions,
            resources=["*"],
            # Whichever version or alias is called.
            conditions={
                "ArnLike": {"lambda:SourceFunctionArn": [function_arn, f"{function_arn}:*"]}
            },
        ),
    ]


def _asset(code: FunctionCode) -> lambda_.AssetCode:
    """The package under the hash of what is packed: a new key for the same bytes would publish a
    version that Lambda has already, which it refuses."""
    archive = code.archive()
    return lambda_.Code.from_asset(str(archive), asset_hash=archive.parent.name)


def _handed_over(environment: Mapping[str, str]) -> str | None:
    """Describes a version by the values of its environment that other layers hand over.

    A version keeps the environment that it was published with, and CDK publishes another one when
    the text of the function's template changes, which another value in the same place does not
    do. Another description is another version. Lambda takes 256 characters.
    """
    return " ".join(v for v in environment.values() if Token.is_unresolved(v)) or None


def _set_aside_statements(queue: sqs.IQueue, key: kms.IKey) -> list[iam.PolicyStatement]:
    return [
        iam.PolicyStatement(
            sid="SetAsideFailedInvocations",
            actions=["sqs:SendMessage"],
            resources=[queue.queue_arn],
        ),
        use_queue_key(key),
    ]
