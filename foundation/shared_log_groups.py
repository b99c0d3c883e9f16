"""Log groups whose names AWS gives out once an account: adopted or made, and left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aws_cdk import ArnFormat, CustomResource, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from building_blocks.bundle import FunctionCode
from building_blocks.custom_resource import PROVIDER_TIMEOUT_SECONDS, service_timeout, try_once
from building_blocks.function import PythonFunction
from building_blocks.logs import RETENTION_DAYS

SHARED_LOG_GROUPS: Final[Mapping[str, str]] = {
    # API Gateway writes one line here when it is given its role.
    "ApiGatewayWelcome": "/aws/apigateway/welcome",
    # RDS writes enhanced monitoring's reports of all databases of the account here.
    "DatabaseMonitoring": "RDSOSMetrics",
}
"""By construct."""


class SharedLogGroups(Construct):
    """``Custom::SharedLogGroup`` for each group that belongs to the account, not to this stack.

    An ``AWS::Logs::LogGroup`` could not be created where another API, another database or an
    earlier stack has brought the group already; and it would take the group from them when a first
    deployment is rolled back (docs/decisions/0012).
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, key: kms.IKey, tags: Mapping[str, str]
    ) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        arns = {
            construct: stack.format_arn(
                service="logs",
                resource="log-group",
                resource_name=name,
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            )
            for construct, name in SHARED_LOG_GROUPS.items()
        }
        provider = PythonFunction(
            self,
            "Provider",
            name="payments-shared-log-groups",
            description="Keeps log groups of the account as ours are, during a deployment",
            code=FunctionCode(package="shared_log_groups", shared_packages=("custom_resource",)),
            key=key,
            timeout_seconds=PROVIDER_TIMEOUT_SECONDS,
            # CloudFormation asks for both at once.
            reserved_concurrency=len(SHARED_LOG_GROUPS),
            environment={},
            # What a deleted stack has left must not be in the way of what takes things over.
            names_log_group=False,
            statements=[
                iam.PolicyStatement(
                    sid="KeepSharedGroups",
                    actions=[
                        "logs:AssociateKmsKey",
                        "logs:CreateLogGroup",
                        "logs:DisassociateKmsKey",
                        "logs:PutRetentionPolicy",
                        "logs:TagResource",
                    ],
                    # With and without the part for streams: which one is asked about differs.
                    resources=[each for arn in arns.values() for each in (arn, f"{arn}:*")],
                ),
                iam.PolicyStatement(
                    sid="FindGroups",
                    # Asks for the right to all groups, whichever are looked for.
                    actions=["logs:DescribeLogGroups"],
                    resources=["*"],
                ),
            ],
        )
        tried_once = try_once(provider)
        self.resources = []
        for construct, name in SHARED_LOG_GROUPS.items():
            resource = CustomResource(
                self,
                construct,
                resource_type="Custom::SharedLogGroup",
                service_token=provider.function.function_arn,
                service_timeout=service_timeout(),
                properties={
                    "LogGroupName": name,
                    "LogGroupArn": arns[construct],
                    "RetentionInDays": RETENTION_DAYS,
                    "KmsKeyId": key.key_arn,
                    "Tags": dict(tags),
                },
            )
            resource.node.add_dependency(tried_once)
            self.resources.append(resource)
