"""`cdk synth`, as people run it: what a finding makes of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.environment import PROJECT
from tests.synthesis import Synthesized, project_context, synthesize

# The app, with what nobody should do to it.
SEEDED = """
import app
from aws_cdk import aws_dynamodb as dynamodb, aws_ec2 as ec2, aws_iam as iam, aws_kms as kms
from aws_cdk import aws_logs as logs, aws_rds as rds, aws_s3 as s3, aws_sns as sns

intact = app.build


def l1(stack, path, kind):
    for name in path.split("/"):
        stack = stack.node.find_child(name)
    assert isinstance(stack, kind), stack
    return stack


def build(scope):
    stack = intact(scope)
    data, compute, network = (f"{layer}NestedStack" for layer in ("Data", "Compute", "Network"))
    bucket = l1(stack, f"{data}/AuditBucket/Bucket/Resource", s3.CfnBucket)
    bucket.add_property_override("PublicAccessBlockConfiguration.BlockPublicPolicy", False)
    policy = l1(stack, f"{compute}/PaymentValidator/Role/Policy/Resource", iam.CfnManagedPolicy)
    read = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "arn:aws:dynamodb:::t"}
    policy.add_property_override("PolicyDocument.Statement", [read])
    policy = l1(stack, f"{compute}/PaymentProcessor/Role/Policy/Resource", iam.CfnManagedPolicy)
    policy.add_property_override("PolicyDocument.Statement.0.Action", "logs:*")
    group = l1(stack, f"{network}/SecurityGroups/Database/Resource", ec2.CfnSecurityGroup)
    open_to_all = {"CidrIp": "0.0.0.0/0", "IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432}
    group.add_property_override("SecurityGroupIngress", [open_to_all])
    topic = l1(stack, "ObservabilityNestedStack/AlertsTopic/Resource", sns.CfnTopic)
    topic.add_property_deletion_override("KmsMasterKeyId")
    key = l1(stack, "ApplicationKey/Resource", kms.CfnKey)
    key.add_property_override("EnableKeyRotation", False)
    group = l1(stack, f"{compute}/PaymentValidator/LogGroup/Resource", logs.CfnLogGroup)
    group.add_property_deletion_override("RetentionInDays")
    table = l1(stack, f"{data}/TransactionsTable/Resource", dynamodb.CfnTable)
    table.add_property_deletion_override("PointInTimeRecoverySpecification")
    database = l1(stack, f"{data}/LedgerDatabase/Instance/Resource", rds.CfnDBInstance)
    database.add_property_deletion_override("Tags")
    role = l1(stack, f"{compute}/AuditLogger/Role/Resource", iam.CfnRole)
    iam.PermissionsBoundary.of(role).clear()
    return stack


app.build = build
app.main()
"""

FINDINGS = {
    "PublicBucket": "DataNestedStack/AuditBucket/Bucket/Resource",
    "MissingDeny": "ComputeNestedStack/PaymentValidator/Role/Policy/Resource",
    "WildcardAction": "ComputeNestedStack/PaymentProcessor/Role/Policy/Resource",
    "OpenGroup": "NetworkNestedStack/SecurityGroups/Database/Resource",
    "Unencrypted": "ObservabilityNestedStack/AlertsTopic/Resource",
    "KeyWithoutRotation": "ApplicationKey/Resource",
    "LogGroupWithoutRetention": "ComputeNestedStack/PaymentValidator/LogGroup/Resource",
    "MissingPointInTimeRecovery": "DataNestedStack/TransactionsTable/Resource",
    "UntaggedResource": "DataNestedStack/LedgerDatabase/Instance/Resource",
    "RoleWithoutBoundary": "ComputeNestedStack/AuditLogger/Role/Resource",
}


def test_cdk_synth_fails_and_names_the_resource_of_each_of_ten_regressions(tmp_path: Path) -> None:
    seeded = tmp_path / "seeded.py"
    seeded.write_text(SEEDED)
    done = subprocess.run(
        [
            *("npx", "--no-install", "cdk", "synth", "PaymentsProd", "--quiet"),
            *("--app", f"{sys.executable} {seeded}", "--output", str(tmp_path / "cdk.out")),
        ],
        cwd=PROJECT,
        env={"PATH": _path(), "PYTHONPATH": str(PROJECT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    told = done.stderr.split("\n\n")
    for rule, resource in FINDINGS.items():
        (finding,) = (block for block in told if f"'Payments::{rule}'" in block)
        assert f"PaymentsProd/{resource} " in finding, rule
    assert "Traceback" not in done.stderr


def _path() -> str:
    folders = [Path(sys.executable).parent, PROJECT / "node_modules" / ".bin"]
    return ":".join([*map(str, folders), "/usr/bin", "/bin"])


def test_staging_has_the_resources_of_production_and_no_finding(
    synthesized: Synthesized, tmp_path: Path
) -> None:
    context = json.dumps(project_context(environment="staging"))
    assert synthesize(tmp_path, CDK_CONTEXT_JSON=context) == ""
    staging = Synthesized.read(tmp_path, "PaymentsStaging")
    for layer, template in synthesized.templates().items():
        types = [
            Counter(each["Type"] for each in one["Resources"].values())
            for one in (template, staging.templates()[layer])
        ]
        assert types[0] == types[1], layer
    (stack,) = staging.stacks().values()
    assert stack["properties"]["tags"]["Environment"] == "staging"
    text = json.dumps([*staging.templates().values()])
    assert "PaymentsProd" not in text
    # A name that both have, as each is in an account of its own.
    assert not re.findall(r"(?<!payments-)production(?!_seal)|payments-production(?!-seal)", text)


def test_an_address_of_its_own_adds_itself_and_no_finding(
    synthesized: Synthesized, tmp_path: Path
) -> None:
    arn = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
    settings = {"api_domain_name": "pay.company.com", "certificate_arn": arn}
    context = json.dumps(project_context(**settings))
    assert synthesize(tmp_path, CDK_CONTEXT_JSON=context) == ""
    other = Synthesized.read(tmp_path)
    added = other.compute["Resources"].keys() - synthesized.compute["Resources"].keys()
    assert sorted(other.compute["Resources"][each]["Type"] for each in added) == [
        "AWS::ApiGateway::BasePathMapping",
        "AWS::ApiGateway::DomainName",
    ]
    domain, api = other.only("AWS::ApiGateway::DomainName"), other.only("AWS::ApiGateway::RestApi")
    assert (domain["DomainName"], domain["RegionalCertificateArn"]) == tuple(settings.values())
    assert domain["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    assert domain["SecurityPolicy"] == api["SecurityPolicy"]
    assert "DisableExecuteApiEndpoint" not in api
    mapping = other.only("AWS::ApiGateway::BasePathMapping")
    types = {name: each["Type"] for name, each in other.compute["Resources"].items()}
    assert types[mapping["RestApiId"]["Ref"]] == "AWS::ApiGateway::RestApi"
    assert types[mapping["Stage"]["Ref"]] == "AWS::ApiGateway::Stage"
    assert other.root["Outputs"].keys() - synthesized.root["Outputs"].keys() == {
        "ApiAddress",
        "ApiAddressHostedZoneId",
        "ApiAddressTarget",
    }
    linter = Path(sys.executable).with_name("cfn-lint")
    command = [str(linter), "--regions", "us-east-1", "--", *map(str, other.files())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
