"""Tries the versions of a release before clients reach them."""

from __future__ import annotations

from typing import Final

from aws_cdk import ArnFormat, Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from building_blocks.bundle import FunctionCode
from building_blocks.function import PythonFunction

RELEASED: Final = ("payment-validator", "payment-processor", "audit-logger")
"""The functions that have the alias."""

_TIMEOUT_SECONDS: Final = 180
"""Two versions may take 30 s each, and be waited for until Lambda has them ready."""


class ReleaseTest(PythonFunction):
    """CodeDeploy's hook ``BeforeAllowTraffic`` (decision 8).

    It stands before all layers, so that an update has changed it, and a rollback taken it back,
    when the aliases are moved; so it knows the functions by their names.
    """

    NAME = "payments-release-test"

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.IKey) -> None:
        stack = Stack.of(scope)
        functions = [
            stack.format_arn(
                service="lambda",
                resource="function",
                resource_name=name,
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            )
            for name in RELEASED
        ]
        super().__init__(
            scope,
            construct_id,
            name=self.NAME,
            description="Tries the versions of a release before clients reach them",
            code=FunctionCode(package="release_test"),
            key=key,
            timeout_seconds=_TIMEOUT_SECONDS,
            # The aliases are moved side by side, each with a call of its own.
            reserved_concurrency=len(RELEASED),
            environment={},
            names_log_group=False,
            statements=[
                iam.PolicyStatement(
                    sid="TryVersions",
                    actions=["lambda:InvokeFunction"],
                    resources=[f"{arn}:*" for arn in functions],
                ),
                iam.PolicyStatement(
                    sid="AskAndTellCodeDeploy",
                    actions=[
                        "codedeploy:GetDeployment",
                        "codedeploy:PutLifecycleEventHookExecutionStatus",
                    ],
                    resources=[_of_codedeploy(stack, "deploymentgroup", "*/*")],
                ),
                iam.PolicyStatement(
                    sid="ReadVersions",
                    actions=["codedeploy:GetApplicationRevision"],
                    resources=[_of_codedeploy(stack, "application", "*")],
                ),
            ],
        )


def _of_codedeploy(stack: Stack, kind: str, names: str) -> str:
    """CloudFormation names the application and its groups, after this."""
    return stack.format_arn(
        service="codedeploy",
        resource=kind,
        resource_name=f"{Aws.STACK_NAME}-{names}",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
