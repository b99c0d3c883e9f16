"""How a release reaches the functions' callers."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import ArnFormat, CfnCodeDeployLambdaAliasUpdate, CfnUpdatePolicy, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from building_blocks.alert import Alert, Severity
from building_blocks.dependencies import depend_only_on
from building_blocks.function import LIVE, PythonFunction
from building_blocks.role import ServiceRole
from foundation import ReleaseTest

# CodeDeploy user guide, "Predefined deployment configurations for an AWS Lambda compute platform"
_CANARY = "CodeDeployDefault.LambdaCanary10Percent5Minutes"
_AT_ONCE = "CodeDeployDefault.LambdaAllAtOnce"

# In a minute. The way back is a canary of the former version, under its own alarms: a single
# failure of it, as any version has one, would end in UPDATE_ROLLBACK_FAILED.
_TOLERATED_FAILURES = 1


class Releases(Construct):
    """CodeDeploy, which moves each alias to its new version during CloudFormation's update.

    A new version is tried before clients reach it; then, as a canary, it serves every tenth call
    for five minutes. If it fails either, CodeDeploy takes it back and the update fails, and with it
    the whole unit. CloudFormation itself makes an alias, so a first creation knows nothing of this.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        by_canary: Sequence[PythonFunction],
        at_once: Sequence[PythonFunction],
        before_clients: ReleaseTest,
    ) -> None:
        """:param before_clients: tries the new versions before any call is given to them."""
        super().__init__(scope, construct_id)
        self._application = codedeploy.CfnApplication(
            self, "Application", compute_platform="Lambda"
        )
        self._role = _role(self, [*by_canary, *at_once], before_clients.function)
        for function in by_canary:
            self._shift(function, _CANARY, _new_versions_failures(self, function))
        for function in at_once:
            self._shift(function, _AT_ONCE, [])

    def _shift(
        self, function: PythonFunction, configuration: str, alarms: Sequence[cloudwatch.CfnAlarm]
    ) -> None:
        # CDK's own construct would attach AWS's managed policy to the role.
        group = codedeploy.CfnDeploymentGroup(
            self,
            function.node.id,
            application_name=self._application.ref,
            service_role_arn=self._role.role_arn,
            deployment_config_name=configuration,
            deployment_style=codedeploy.CfnDeploymentGroup.DeploymentStyleProperty(
                deployment_type="BLUE_GREEN", deployment_option="WITH_TRAFFIC_CONTROL"
            ),
            auto_rollback_configuration=(
                codedeploy.CfnDeploymentGroup.AutoRollbackConfigurationProperty(
                    enabled=True,
                    events=[
                        "DEPLOYMENT_FAILURE",
                        "DEPLOYMENT_STOP_ON_REQUEST",
                        *(["DEPLOYMENT_STOP_ON_ALARM"] if alarms else []),
                    ],
                )
            ),
            alarm_configuration=(
                codedeploy.CfnDeploymentGroup.AlarmConfigurationProperty(
                    enabled=True,
                    alarms=[
                        codedeploy.CfnDeploymentGroup.AlarmProperty(name=alarm.ref)
                        for alarm in alarms
                    ],
                )
                if alarms
                else None
            ),
        )
        depend_only_on(group, self._role.policy)
        alias = function.live.node.default_child
        assert isinstance(alias, lambda_.CfnAlias)
        alias.cfn_options.update_policy = CfnUpdatePolicy(
            code_deploy_lambda_alias_update=CfnCodeDeployLambdaAliasUpdate(
                application_name=self._application.ref,
                deployment_group_name=group.ref,
                # The name itself: CDK hands no other stack's reference on to an update policy.
                before_allow_traffic_hook=ReleaseTest.NAME,
            )
        )


def _role(
    scope: Construct, functions: Sequence[PythonFunction], hook: lambda_.IFunction
) -> ServiceRole:
    """What ``AWSCodeDeployRoleForLambda`` allows, less what is not used here: messages, and
    revisions in S3 (CloudFormation hands them over itself)."""
    arns = [function.function.function_arn for function in functions]
    return ServiceRole(
        scope,
        "Role",
        service="codedeploy.amazonaws.com",
        purpose="Lets CodeDeploy move the payment functions' aliases",
        for_own_account_only=False,
        statements=[
            # Lambda asks for the right to the function, or to its alias, by the action.
            iam.PolicyStatement(
                sid="MoveLiveAliases",
                actions=["lambda:GetAlias", "lambda:UpdateAlias"],
                resources=[*arns, *(f"{arn}:{LIVE}" for arn in arns)],
            ),
            iam.PolicyStatement(
                sid="WaitForProvisionedConcurrency",
                actions=["lambda:GetProvisionedConcurrencyConfig"],
                # Lambda asks for the right to the alias, or to the version behind it.
                resources=[f"{arn}:*" for arn in arns],
            ),
            iam.PolicyStatement(
                sid="TryBeforeClients",
                actions=["lambda:InvokeFunction"],
                resources=[hook.function_arn],
            ),
            iam.PolicyStatement(
                sid="WatchAlarms",
                actions=["cloudwatch:DescribeAlarms"],
                # CloudWatch asks for the right to all alarms, whichever are looked up.
                resources=[
                    Stack.of(scope).format_arn(
                        service="cloudwatch",
                        resource="alarm",
                        resource_name="*",
                        arn_format=ArnFormat.COLON_RESOURCE_NAME,
                    )
                ],
            ),
        ],
    )


def _new_versions_failures(scope: Construct, function: PythonFunction) -> list[cloudwatch.CfnAlarm]:
    """Two alarms on the version that is being released: on what Lambda counts as an error, calls
    that raise or run out of time; and on what the function counts, calls that it answers with 5xx.

    Their names hold the version, so that each release has alarms of its own, which were never
    anything but quiet before. Ones for all would still be in the state that the bad release left
    when the rollback begins, and CodeDeploy starts nothing while an alarm of its group is on.

    The metrics are plain: ``FILL`` makes the newest minute 0 while it has not arrived, and these
    arrive one to three minutes late. One bad minute of the last three is enough.
    """
    name = function.function.function_name
    version = function.function.current_version.version
    raised = cloudwatch.Metric(
        namespace="AWS/Lambda",
        metric_name="Errors",
        dimensions_map={
            "FunctionName": name,
            "Resource": f"{name}:{LIVE}",
            "ExecutedVersion": version,
        },
    )
    answered = cloudwatch.Metric(
        namespace="Payments",
        metric_name="CallsFailed",
        dimensions_map={"service": name, "version": version},
    )
    return [
        _failures(
            scope,
            function,
            kind="errors",
            metric=raised,
            summary="The version that is being released raises or runs out of time.",
        ),
        _failures(
            scope,
            function,
            kind="failed-calls",
            metric=answered,
            summary="The version that is being released answers with 5xx.",
        ),
    ]


def _failures(
    scope: Construct,
    function: PythonFunction,
    *,
    kind: str,
    metric: cloudwatch.Metric,
    summary: str,
) -> cloudwatch.CfnAlarm:
    name = function.function.function_name
    version = function.function.current_version.version
    alarm = cloudwatch.Alarm(
        scope,
        f"{function.node.id}{''.join(word.capitalize() for word in kind.split('-'))}",
        alarm_name=f"payments-release-{name}-{version}-{kind}",
        alarm_description=Alert(
            name="release-errors",
            subject=f"{name}-{version}",
            family="rollback",
            severity=Severity.WARNING,
            summary=f"{summary} CodeDeploy takes it back.",
            impact="For some minutes every tenth call may fail.",
        ).description(),
        metric=metric.with_(statistic="Sum", period=Duration.minutes(1)),
        threshold=_TOLERATED_FAILURES,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluation_periods=3,
        datapoints_to_alarm=1,
        # Nobody called it, or its release is long over.
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )
    resource = alarm.node.default_child
    assert isinstance(resource, cloudwatch.CfnAlarm)
    return resource
