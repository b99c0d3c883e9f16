"""The REST API: its operations, behind keys, throttles and request validation (R7, R8)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import ArnFormat, Fn, RemovalPolicy, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from building_blocks.bundle import SOURCES
from building_blocks.logs import EncryptedLogGroup
from building_blocks.operations import OPERATIONS, TABLE, Operation
from building_blocks.role import ServiceRole
from config import ProductionConfig

CODES = SOURCES / "payments" / "codes.json"
STAGE = "prod"

SECURITY_POLICY = "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09"
"""TLS 1.2 or 1.3, forward secrecy only."""

ENDPOINT_ACCESS_MODE = "BASIC"
"""Checks no more than that; STRICT would also refuse clients whose SNI differs from their Host
header."""

# A method that has settings of its own has none of the stage's.
_METHOD_SETTINGS: dict[str, Any] = {
    "logging_level": apigateway.MethodLoggingLevel.INFO,
    "data_trace_enabled": False,  # payloads stay out of the logs
    "metrics_enabled": True,
}


class PaymentsApi(Construct):
    """What ``lambda_code/payments/operations.json`` lists.

    API, stage and methods stand in one stack, so that a rollback takes the stage back to the
    methods it had.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: ProductionConfig,
        log_key: kms.IKey,
        functions: Mapping[str, lambda_.Alias],
    ) -> None:
        """:param functions: by name; of the table's operations, each has its function here."""
        super().__init__(scope, construct_id)
        access_log = EncryptedLogGroup(
            self, "AccessLogGroup", name="/payments/api-access", key=log_key
        )
        throttling = apigateway.ThrottleSettings(
            rate_limit=config.api_rate_limit, burst_limit=config.api_burst_limit
        )
        self.rest_api = apigateway.RestApi(
            self,
            "RestApi",
            rest_api_name="payments",
            description="Payments: " + ", ".join(each.name for each in OPERATIONS),
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            cloud_watch_role=False,
            deploy_options=apigateway.StageOptions(
                stage_name=STAGE,
                access_log_destination=apigateway.LogGroupLogDestination(access_log),
                access_log_format=_ACCESS_LOG_FORMAT,
                tracing_enabled=True,
                **_METHOD_SETTINGS,
                throttling_rate_limit=throttling.rate_limit,
                throttling_burst_limit=throttling.burst_limit,
                method_options={
                    f"{each.path}/{each.method}": apigateway.MethodDeploymentOptions(
                        **_METHOD_SETTINGS,
                        throttling_rate_limit=each.requests_per_second or config.api_rate_limit,
                        throttling_burst_limit=each.requests_per_second or config.api_burst_limit,
                    )
                    for each in OPERATIONS
                },
            ),
        )
        resource = self.rest_api.node.default_child
        assert isinstance(resource, apigateway.CfnRestApi)
        resource.security_policy = SECURITY_POLICY
        resource.endpoint_access_mode = ENDPOINT_ACCESS_MODE
        self._validator = self.rest_api.add_request_validator(
            "Validator", validate_request_body=True, validate_request_parameters=True
        )
        self._let_stage_log(log_key)
        self._describe_errors()
        for operation in OPERATIONS:
            if operation.function not in functions:
                raise ValueError(
                    f"{TABLE.name}: {operation.name} is to be served by {operation.function}; the "
                    f"API's functions are {', '.join(functions)} (nested/compute/stack.py)"
                )
            self._add(operation, functions[operation.function])

        self.key = self.rest_api.add_api_key(
            "Key", description="The first client of the payments API"
        )
        plan = self.rest_api.add_usage_plan(
            "UsagePlan",
            description="What one API key may send",
            throttle=throttling,
            quota=apigateway.QuotaSettings(
                limit=config.api_daily_quota, period=apigateway.Period.DAY
            ),
            api_stages=[
                apigateway.UsagePlanPerApiStage(
                    api=self.rest_api, stage=self.rest_api.deployment_stage
                )
            ],
        )
        plan.add_api_key(self.key)

    def _add(self, operation: Operation, function: lambda_.Alias) -> None:
        models = self._models(operation) if operation.body else None
        self.rest_api.root.resource_for_path(operation.path).add_method(
            operation.method,
            self._integration(operation, function),
            api_key_required=True,
            request_models=models,
            request_parameters={
                f"method.request.path.{name}": True for name in operation.parameters
            }
            or None,
            request_validator=self._validator,
        )

    def _models(self, operation: Operation) -> dict[str, apigateway.IModel]:
        definition = gateway_model(operation.schema())
        model = apigateway.CfnModel(
            self,
            "".join(part.capitalize() for part in str(operation.request).split("_")),
            rest_api_id=self.rest_api.rest_api_id,
            content_type="application/json",
            schema=definition,
        )
        # A stage serves the models of its deployment: a changed one needs another deployment.
        deployment = self.rest_api.latest_deployment
        assert deployment is not None, "the API deploys itself"
        deployment.add_to_logical_id({operation.name: definition})
        imported = apigateway.Model.from_model_name(
            self, f"{operation.name.capitalize()}Model", model.ref
        )
        return {"application/json": imported}

    def _integration(
        self, operation: Operation, function: lambda_.Alias
    ) -> apigateway.AwsIntegration:
        """The function as the method's backend, and the permission to call it.

        CDK's own integration names the stage in the permission by a reference, so that it is made
        after the stage, which serves meanwhile, and answers 500.
        """
        permission = lambda_.CfnPermission(
            function,
            f"{operation.method.capitalize()}{operation.name.capitalize()}",
            action="lambda:InvokeFunction",
            function_name=function.function_arn,
            principal="apigateway.amazonaws.com",
            source_arn=self.rest_api.arn_for_execute_api(
                operation.method, operation.at("*"), STAGE
            ),
        )
        self.rest_api.deployment_stage.node.add_dependency(permission)
        return apigateway.AwsIntegration(
            service="lambda",
            proxy=True,
            path=f"2015-03-31/functions/{function.function_arn}/invocations",
        )

    def _let_stage_log(self, log_key: kms.IKey) -> None:
        """Gives API Gateway its role for logs, and declares the groups that it writes to.

        The role is a setting of the account and region, shared by every API there; it stays when
        this stack is deleted (aws/aws-cdk#10878).
        """
        stack = Stack.of(self)
        execution_log = EncryptedLogGroup(
            self,
            "ExecutionLogGroup",
            name=Fn.join(
                "", ["API-Gateway-Execution-Logs_", self.rest_api.rest_api_id, f"/{STAGE}"]
            ),
            key=log_key,
        )
        role = ServiceRole(
            self,
            "LoggingRole",
            service="apigateway.amazonaws.com",
            purpose="Lets API Gateway write the logs of the APIs in this account and region",
            for_own_account_only=False,
            statements=[
                iam.PolicyStatement(
                    sid="WriteLogs",
                    actions=[
                        "logs:CreateLogGroup",
                        "logs:CreateLogStream",
                        "logs:DescribeLogGroups",
                        "logs:DescribeLogStreams",
                        "logs:FilterLogEvents",
                        "logs:GetLogEvents",
                        "logs:PutLogEvents",
                    ],
                    resources=[
                        stack.format_arn(
                            service="logs",
                            resource="log-group",
                            resource_name="*",
                            arn_format=ArnFormat.COLON_RESOURCE_NAME,
                        )
                    ],
                )
            ],
        )
        for kept in (role, role.policy):
            kept.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
        account = apigateway.CfnAccount(self, "Account", cloud_watch_role_arn=role.role_arn)
        account.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
        # API Gateway tries the role when it is given it.
        account.node.add_dependency(role.policy)
        self.rest_api.deployment_stage.node.add_dependency(account, execution_log)

    def _describe_errors(self) -> None:
        """Errors that API Gateway answers itself look like the functions' own (RFC 9457).

        No text of API Gateway's is passed on: with a body's errors it would quote the body.
        """
        table = json.loads(CODES.read_text(encoding="utf-8"))
        for known in table["problems"]:
            problem = {
                "type": table["type_prefix"] + known["code"],
                "title": known["title"],
                "status": known["status"],
                "detail": known["meaning"],
                "code": known["code"],
            }
            for case in known["gateway_responses"]:
                self.rest_api.add_gateway_response(
                    "".join(word.capitalize() for word in case.split("_")),
                    type=apigateway.ResponseType.of(case),
                    status_code=str(known["status"]),
                    response_headers={
                        "Content-Type": "'application/problem+json'",
                        "Cache-Control": "'no-store'",
                    },
                    templates={"application/json": json.dumps(problem)},
                )


def gateway_model(schema: dict[str, Any]) -> dict[str, Any]:
    """The part of a JSON Schema that API Gateway's validator can check without quoting a value.

    It writes what it refuses to the execution log: for a pattern, a limit or a member too many
    that includes the value or name, which may be a card number. For a type or a missing member it
    does not. The functions check the whole schema.
    """
    kept: dict[str, Any] = {
        name: schema[name] for name in ("$schema", "title", "type", "required") if name in schema
    }
    if "properties" in schema:
        kept["properties"] = {
            name: gateway_model(part) for name, part in schema["properties"].items()
        }
    return kept


_ACCESS_LOG_FORMAT = apigateway.AccessLogFormat.custom(
    json.dumps(
        {
            "requestId": "$context.requestId",
            "requestTime": "$context.requestTime",
            "apiKeyId": "$context.identity.apiKeyId",
            "sourceIp": "$context.identity.sourceIp",
            "httpMethod": "$context.httpMethod",
            "resourcePath": "$context.resourcePath",
            "status": "$context.status",
            "responseLatency": "$context.responseLatency",
            "integrationLatency": "$context.integrationLatency",
            "integrationStatus": "$context.integration.status",
            "errorType": "$context.error.responseType",
            "wafResponseCode": "$context.wafResponseCode",
            "tlsVersion": "$context.tlsVersion",
            "cipherSuite": "$context.cipherSuite",
        }
    )
)
"""Who called what, over which TLS, how it went and how long it took.

Nothing that a client can write into: no header, no payload, no query string, and of the path only
the resource that it met.
"""
