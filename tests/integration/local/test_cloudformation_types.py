"""The added CloudFormation types make state that the services' own APIs describe."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.environment import Environment, Stack, resource
from tests.probe import LAMBDA, allow, policy

VPC = resource("EC2::VPC", CidrBlock="10.0.0.0/16")
SUBNET = resource("EC2::Subnet", VpcId={"Ref": "Vpc"}, CidrBlock="10.0.0.0/24")


def _tags(**tags: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _nat(**tags: str) -> dict[str, Any]:
    return {
        "Vpc": VPC,
        "Subnet": SUBNET,
        "Address": resource("EC2::EIP", Domain="vpc", Tags=_tags(**tags)),
        "Nat": resource(
            "EC2::NatGateway",
            SubnetId={"Ref": "Subnet"},
            AllocationId={"Fn::GetAtt": ["Address", "AllocationId"]},
            Tags=_tags(**tags),
        ),
    }


def test_nat_gateway_and_address(stack: Stack) -> None:
    ec2 = stack.client("ec2")

    def gateway() -> dict[str, Any]:
        found = ec2.describe_nat_gateways(NatGatewayIds=[stack.physical_id("Nat")])
        return dict(*found["NatGateways"])

    def addresses() -> list[str]:
        return [address["PublicIp"] for address in ec2.describe_addresses()["Addresses"]]

    assert stack.create(_nat(Team="payments")) == "CREATE_COMPLETE"
    first, address = gateway(), stack.physical_id("Address")
    assert (first["State"], first["SubnetId"]) == ("available", stack.physical_id("Subnet"))
    assert address in addresses()
    assert {"Key": "Team", "Value": "payments"} in first["Tags"]

    assert stack.update(_nat(Team="ledger")) == "UPDATE_COMPLETE"
    assert gateway()["NatGatewayId"] == first["NatGatewayId"]
    assert {"Key": "Team", "Value": "ledger"} in gateway()["Tags"]
    assert stack.physical_id("Address") == address

    assert stack.delete() == "DELETE_COMPLETE"
    assert address not in addresses()
    left = ec2.describe_nat_gateways(NatGatewayIds=[first["NatGatewayId"]])["NatGateways"]
    assert [gateway["State"] for gateway in left] in ([], ["deleted"])


def _groups(port: int, description: str) -> dict[str, Any]:
    group = resource(
        "EC2::SecurityGroup",
        GroupDescription="a group",
        VpcId={"Ref": "Vpc"},
        SecurityGroupEgress=[
            {"IpProtocol": "icmp", "CidrIp": "255.255.255.255/32", "FromPort": 1, "ToPort": 1}
        ],
    )
    rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "Description": description}
    database, function = ({"Fn::GetAtt": [name, "GroupId"]} for name in ("Database", "Function"))
    return {
        "Vpc": VPC,
        "Database": group,
        "Function": group,
        "In": resource(
            "EC2::SecurityGroupIngress", **rule, GroupId=database, SourceSecurityGroupId=function
        ),
        "Out": resource(
            "EC2::SecurityGroupEgress",
            **rule,
            GroupId=function,
            DestinationSecurityGroupId=database,
        ),
    }


@pytest.mark.parametrize(
    ("group", "field"),
    [("Database", "IpPermissions"), ("Function", "IpPermissionsEgress")],
)
def test_security_group_rules(stack: Stack, group: str, field: str) -> None:
    ec2 = stack.client("ec2")

    def rules() -> list[tuple[int, str]]:
        found = ec2.describe_security_groups(GroupIds=[stack.physical_id(group)])
        return [
            (permission["FromPort"], permission["UserIdGroupPairs"][0].get("Description", ""))
            for permission in found["SecurityGroups"][0][field]
            if permission["IpProtocol"] == "tcp"
        ]

    assert stack.create(_groups(5432, "SQL")) == "CREATE_COMPLETE"
    assert rules() == [(5432, "SQL")]
    assert stack.update(_groups(5432, "PostgreSQL")) == "UPDATE_COMPLETE"
    assert [port for port, _ in rules()] == [5432]
    assert stack.update(_groups(5433, "PostgreSQL")) == "UPDATE_COMPLETE"
    assert rules() == [(5433, "PostgreSQL")]
    without = _groups(5433, "")
    del without["In"], without["Out"]
    assert stack.update(without) == "UPDATE_COMPLETE"
    assert rules() == []


def test_flow_log(stack: Stack) -> None:
    ec2 = stack.client("ec2")

    def resources(traffic: str) -> dict[str, Any]:
        flow = resource(
            "EC2::FlowLog",
            ResourceId={"Ref": "Vpc"},
            ResourceType="VPC",
            TrafficType=traffic,
            LogDestinationType="cloud-watch-logs",
            LogGroupName="flow",
        )
        return {"Vpc": VPC, "Flow": flow}

    def flow_logs(vpc: str) -> list[str]:
        found = ec2.describe_flow_logs(Filters=[{"Name": "resource-id", "Values": [vpc]}])
        return [log["TrafficType"] for log in found["FlowLogs"]]

    assert stack.create(resources("REJECT")) == "CREATE_COMPLETE"
    vpc = stack.physical_id("Vpc")
    assert flow_logs(vpc) == ["REJECT"]
    assert stack.update(resources("ALL")) == "UPDATE_COMPLETE"
    assert flow_logs(vpc) == ["ALL"]
    assert stack.delete() == "DELETE_COMPLETE"
    assert flow_logs(vpc) == []


def _alarms(stack: Stack, *, rule: str, metrics: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "Metric": resource(
            "CloudWatch::Alarm",
            AlarmName=f"{stack.name}-metric",
            ComparisonOperator="GreaterThanThreshold",
            EvaluationPeriods=1,
            Threshold=1,
            Metrics=metrics,
        ),
        "Composite": resource(
            "CloudWatch::CompositeAlarm",
            AlarmName=f"{stack.name}-composite",
            AlarmRule=f"{rule}({stack.name}-metric)",
        )
        | {"DependsOn": "Metric"},
    }


def test_alarms_on_metrics_and_on_alarms(stack: Stack) -> None:
    cloudwatch = stack.client("cloudwatch")
    counted = {"Namespace": "AWS/Lambda", "MetricName": "Errors"}
    errors = {"Metric": counted, "Period": 60, "Stat": "Sum"}
    one = [{"Id": "m1", "MetricStat": errors}]
    rate: list[dict[str, Any]] = [
        {"Id": "m1", "MetricStat": errors, "ReturnData": False},
        {"Id": "rate", "Expression": "m1 / 60"},
    ]

    def found() -> list[dict[str, Any]]:
        described = cloudwatch.describe_alarms(
            AlarmNamePrefix=stack.name, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        return [*described["MetricAlarms"], *described["CompositeAlarms"]]

    assert stack.create(_alarms(stack, rule="ALARM", metrics=one)) == "CREATE_COMPLETE"
    metric, composite = found()
    assert counted.items() <= metric.items()
    assert metric["Statistic"] == "Sum"
    assert composite["AlarmRule"].startswith("ALARM(")
    assert stack.update(_alarms(stack, rule="OK", metrics=rate)) == "UPDATE_COMPLETE"
    metric, composite = found()
    assert metric["MetricName"] == "rate"
    assert composite["AlarmRule"].startswith("OK(")
    assert stack.delete() == "DELETE_COMPLETE"
    assert found() == []


def _web_acl(name: str) -> dict[str, Any]:
    seen = {"CloudWatchMetricsEnabled": True, "SampledRequestsEnabled": True}
    return resource(
        "WAFv2::WebACL",
        Name=name,
        Scope="REGIONAL",
        DefaultAction={"Allow": {}},
        VisibilityConfig={**seen, "MetricName": name},
    )


def test_web_acl_association_and_logging(stack: Stack) -> None:
    waf = stack.client("wafv2")
    stage = f"arn:aws:apigateway:us-east-1::/restapis/{stack.name}/stages/prod"

    def resources(acl: str) -> dict[str, Any]:
        arn = {"Fn::GetAtt": [acl, "Arn"]}
        return {
            "First": _web_acl(f"{stack.name}-first"),
            "Second": _web_acl(f"{stack.name}-second"),
            "Association": resource("WAFv2::WebACLAssociation", ResourceArn=stage, WebACLArn=arn),
            "Logging": resource(
                "WAFv2::LoggingConfiguration",
                ResourceArn=arn,
                LogDestinationConfigs=["arn:aws:logs:x"],
            ),
        }

    def associated() -> str:
        return str(waf.get_web_acl_for_resource(ResourceArn=stage)["WebACL"]["Name"])

    assert stack.create(resources("First")) == "CREATE_COMPLETE"
    assert associated() == f"{stack.name}-first"
    assert stack.update(resources("Second")) == "UPDATE_COMPLETE"
    assert associated() == f"{stack.name}-second"
    assert stack.delete() == "DELETE_COMPLETE"
    with pytest.raises(waf.exceptions.WAFNonexistentItemException):
        associated()


def _function(**properties: Any) -> dict[str, Any]:
    bounded = {"PermissionsBoundary": {"Ref": "Boundary"}} if properties else {}
    return {
        "Boundary": resource("IAM::ManagedPolicy", PolicyDocument=policy(allow("s3:GetObject"))),
        "Role": resource(
            "IAM::Role",
            AssumeRolePolicyDocument=policy(LAMBDA),
            **bounded,
        ),
        "Function": resource(
            "Lambda::Function",
            Runtime="python3.14",
            Handler="index.handle",
            Role={"Fn::GetAtt": ["Role", "Arn"]},
            Code={"ZipFile": "def handle(event, context): pass"},
            **properties,
        ),
    }


def test_permissions_boundary_and_reserved_concurrency(stack: Stack) -> None:
    iam, functions = stack.client("iam"), stack.client("lambda")

    def seen() -> tuple[str | None, int | None]:
        role = iam.get_role(RoleName=stack.physical_id("Role"))["Role"]
        reserved = functions.get_function_concurrency(FunctionName=stack.physical_id("Function"))
        return (
            role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            reserved.get("ReservedConcurrentExecutions"),
        )

    assert stack.create(_function(ReservedConcurrentExecutions=5)) == "CREATE_COMPLETE"
    boundary = stack.physical_id("Boundary")
    assert seen() == (boundary, 5)
    assert stack.update(_function(ReservedConcurrentExecutions=7)) == "UPDATE_COMPLETE"
    assert seen() == (boundary, 7)
    assert stack.update(_function()) == "UPDATE_COMPLETE"
    assert seen() == (None, None)
    assert stack.delete() == "DELETE_COMPLETE"


def test_a_log_group_whose_name_is_taken_is_refused_and_stays(stack: Stack) -> None:
    logs = stack.client("logs")
    name = f"/test/{stack.name}"
    logs.create_log_group(logGroupName=name)
    group = resource("Logs::LogGroup", LogGroupName=name)
    assert stack.create({"Group": group}) == "ROLLBACK_COMPLETE"
    assert "already exists" in stack.reasons()[-1]
    (found,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert found["logGroupName"] == name


def test_a_function_whose_name_is_taken_is_refused(stack: Stack) -> None:
    assert stack.create(_function(FunctionName=stack.name)) == "CREATE_COMPLETE"
    second = Stack(stack.environment)
    assert second.create(_function(FunctionName=stack.name)) == "ROLLBACK_COMPLETE"
    assert "already exist" in second.reasons()[-1]
    assert stack.update(_function(FunctionName=stack.name, MemorySize=256)) == "UPDATE_COMPLETE"
    assert stack.delete() == "DELETE_COMPLETE"


def test_a_stage_is_not_deleted_while_it_is_on_a_usage_plan(stack: Stack) -> None:
    """Also of others: they take it off by a patch, and put it on by one."""
    api = {"RestApiId": {"Ref": "Api"}}
    root = {"ResourceId": {"Fn::GetAtt": ["Api", "RootResourceId"]}}
    method = {"HttpMethod": "GET", "AuthorizationType": "NONE", "Integration": {"Type": "MOCK"}}
    stage = {"DeploymentId": {"Ref": "Deployment"}, "StageName": "prod"}
    on_it = {"ApiStages": [{"ApiId": {"Ref": "Api"}, "Stage": {"Ref": "Stage"}}]}
    resources = {
        "Api": resource("ApiGateway::RestApi", Name=stack.name),
        "Method": resource("ApiGateway::Method", **api, **root, **method),
        "Deployment": resource("ApiGateway::Deployment", **api) | {"DependsOn": "Method"},
        "Stage": resource("ApiGateway::Stage", **api, **stage),
        "Plan": resource("ApiGateway::UsagePlan", **on_it),
    }
    assert stack.create(resources) == "CREATE_COMPLETE"
    gateway, own = stack.client("apigateway"), stack.physical_id("Api")
    plan = gateway.create_usage_plan(name=stack.name)["id"]

    def patch(op: str) -> list[dict[str, str]]:
        operation = {"op": op, "path": "/apiStages", "value": f"{own}:prod"}
        told = gateway.update_usage_plan(usagePlanId=plan, patchOperations=[operation])
        stages: list[dict[str, str]] = told["apiStages"]
        return stages

    assert patch("add") == [{"apiId": own, "stage": "prod"}]
    with pytest.raises(gateway.exceptions.BadRequestException, match="pending to be"):
        gateway.delete_stage(restApiId=own, stageName="prod")
    assert stack.delete() == "DELETE_FAILED"
    assert any("pending to be" in reason for reason in stack.reasons())
    assert patch("remove") == []
    assert stack.delete() == "DELETE_COMPLETE"


def test_query_definition_is_recorded(stack: Stack) -> None:
    def resources(query: str) -> dict[str, Any]:
        return {"Query": resource("Logs::QueryDefinition", Name="errors", QueryString=query)}

    outputs = {"Id": {"Fn::GetAtt": ["Query", "QueryDefinitionId"]}}
    assert stack.create(resources("fields @message"), outputs) == "CREATE_COMPLETE"
    first = stack.outputs()
    assert first["Id"] == stack.physical_id("Query")
    assert stack.update(resources("fields @timestamp"), outputs) == "UPDATE_COMPLETE"
    assert stack.outputs() == first
    assert stack.delete() == "DELETE_COMPLETE"


def test_an_unknown_type_is_refused(environment: Environment) -> None:
    cloudformation = environment.client("cloudformation")
    template = json.dumps({"Resources": {"Nothing": resource("Nothing::AtAll")}})
    with pytest.raises(cloudformation.exceptions.ClientError, match="Unrecognized resource types"):
        cloudformation.create_stack(StackName="nothing", TemplateBody=template)
