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

# CodeDeploy user guide, "Predefined deployment configurations for an AWS Lambda compute platform"
_CANARY = "CodeDeployDefault.LambdaCanary10Percent5Minutes"
_AT_ONCE = "CodeDeployDefault.LambdaAllAtOnce"


class Releases(Construct):
    """CodeDeploy, which moves each alias to its new version during CloudFormation's update.

    A canary serves every tenth call for five minutes. If it fails, CodeDeploy takes it back and
    the update fails, and with it the whole unit. CloudFormation itself makes an alias, so a first
    creation knows nothing of this.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        by_canary: Sequence[PythonFunction],
        at_once: Sequence[PythonFunction],
    ) -> None:
        super().__init__(scope, construct_id)
        self._application = codedeploy.CfnApplication(
            self, "Application", compute_platform="Lambda"
        )
        self._role = _role(self, [*by_canary, *at_once])
        for function in by_canary:
            self._shift(function, _CANARY, [_new_versions_errors(self, function)])
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
                application_name=self._application.ref, deployment_group_name=group.ref
            )
        )


def _role(scope: Construct, functions: Sequence[PythonFunction]) -> ServiceRole:
    """What ``AWSCodeDeployRoleForLambda`` allows, less what is not used here: hooks, messages,
    and revisions in S3 (CloudFormation hands them over itself)."""
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
                resources=[f"{arn}:{LIVE}" for arn in arns],
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


def _new_versions_errors(scope: Construct, function: PythonFunction) -> cloudwatch.CfnAlarm:
    """Fires at the first failure of the version that is being released, as the alias serves it.

    Lambda counts the calls that raise or run out of time, the function itself those that it
    answered with 500 or 503.

    Its name holds the version, so that each release has an alarm of its own, which was never
    anything but quiet before. One alarm for all would still be in the state that the bad release
    left when the rollback begins, and CodeDeploy starts nothing while its alarm is on.
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
        statistic="Sum",
    )
    failed = cloudwatch.Metric(
        namespace="Payments",
        metric_name="CallsFailed",
        dimensions_map={"service": name, "version": version},
        statistic="Sum",
    )
    alarm = cloudwatch.Alarm(
        scope,
        f"{function.node.id}Errors",
        alarm_name=f"payments-release-{name}-{version}-errors",
        alarm_description=Alert(
            name="release-errors",
            subject=f"{name}-{version}",
            family="rollback",
            severity=Severity.WARNING,
            summary="The version that is being released fails; CodeDeploy takes it back.",
            impact="For some minutes every tenth call may fail.",
        ).description(),
        metric=cloudwatch.MathExpression(
            expression="FILL(raised, 0) + FILL(failed, 0)",
            using_metrics={"raised": raised, "failed": failed},
            label="Failures of the new version",
            period=Duration.minutes(1),
        ),
        threshold=0,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluation_periods=1,
        # Nobody called it, or its release is long over.
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )
    resource = alarm.node.default_child
    assert isinstance(resource, cloudwatch.CfnAlarm)
    return resource
