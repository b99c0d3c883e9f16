"""`npx cdk deploy PaymentsProd` again: nothing changes, or just what was asked for.

Named to run last: the update stays deployed.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from local.deployed import payment_request
from tests.command_line import operators_tool
from tests.deployment import MONITORED_BEFORE, Production


def test_what_is_deployed_can_be_described(production: Production) -> None:
    ec2 = production.client("ec2")
    gateways = ec2.describe_nat_gateways(Filters=[{"Name": "state", "Values": ["available"]}])
    assert len(gateways["NatGateways"]) == 3
    assert ec2.describe_flow_logs()["FlowLogs"]
    vpc = gateways["NatGateways"][0]["VpcId"]
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    (default,) = [g for g in groups["SecurityGroups"] if g["GroupName"] == "default"]
    assert (default["IpPermissions"], default["IpPermissionsEgress"]) == ([], [])
    rds = production.client("rds")
    (ledger,) = rds.describe_db_instances()["DBInstances"]
    assert ledger["MultiAZ"]
    assert ledger["BackupRetentionPeriod"] == 30


@pytest.mark.parametrize("name", [MONITORED_BEFORE, "/aws/apigateway/welcome"])
def test_a_log_group_of_the_account_is_adopted_or_made(production: Production, name: str) -> None:
    logs = production.client("logs")
    (group,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert group["retentionInDays"] == 90
    assert ":key/" in group["kmsKeyId"]
    tags = logs.list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*"))["tags"]
    owner = {"Owner": "reporting"} if name == MONITORED_BEFORE else {}
    assert tags.items() >= {"Team": "payments", **owner}.items()


@pytest.mark.parametrize("name", ["payment-validator", "payment-processor", "audit-logger"])
def test_functions_are_as_required(production: Production, name: str) -> None:
    configuration = production.function(name)
    assert (configuration["MemorySize"], configuration["Timeout"]) == (512, 30)
    functions = production.client("lambda")
    reserved = functions.get_function_concurrency(FunctionName=name)
    assert reserved["ReservedConcurrentExecutions"] > 0


def test_a_plan_refuses_what_cannot_be_and_nothing_else(production: Production) -> None:
    settings = (
        # go on,
        "team_tag=another",
        "environment_tag=another",
        "backup_retention_days=35",
        # replace,
        "vpc_cidr=10.30.0.0/16",
        # interrupts and is impossible.
        "database_instance_type=t3.large",
        "database_storage_gib=50",
    )
    options = [option for setting in settings for option in ("-c", setting)]
    done = operators_tool(production.environment, "plan", "--json", *options)
    report = done.document
    types = {each["logical_id"]: each["resource_type"] for each in report["changes"]}
    refused = {types[logical_id] for logical_id in report["refused"]}
    assert refused == {"AWS::EC2::Subnet", "AWS::EC2::VPC", "AWS::RDS::DBInstance"}
    assert len(types) > len(report["refused"])
    assert sorted({each["weight"] for each in report["remarks"]}) == ["impossible", "interrupts"]
    assert done.code == 1


def test_a_deployment_changes_nothing_but_what_was_asked_for(production: Production) -> None:
    def validity() -> float:
        answer = production.deployment.call("POST", "/validate", payment_request())
        expires_at = datetime.fromisoformat(answer.body["expires_at"])
        return (expires_at - datetime.now(UTC)).total_seconds()

    assert "PaymentsProd (no changes)" in production.deploy()
    assert validity() == pytest.approx(900, abs=30)
    production.deploy(approval_validity_seconds=300)
    assert validity() == pytest.approx(300, abs=30)
    # And the rest still works: unchanged resources kept what refers to them.
    done = operators_tool(production.environment, "smoke", "--payments", "1", "--json")
    assert {check["verdict"] for check in done.document["checks"]} == {"held"}, done
