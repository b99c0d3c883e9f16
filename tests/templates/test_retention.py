"""What holds data, or what such a thing cannot be without, survives its stack; only a first
deployment that fails takes it along (``RetainExceptOnCreate``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.synthesis import Resource, Synthesized

Templates = dict[str, dict[str, Any]]

STATEFUL = {
    "AWS::ApiGateway::Account": "one for the account and region: without it no API there logs",
    "AWS::DynamoDB::Table": "the payments' history",
    "AWS::KMS::Key": "what it encrypts is lost with it",
    "AWS::Logs::LogGroup": "who did what, for 90 days",
    "AWS::RDS::DBInstance": "the ledger",
    "AWS::RDS::DBParameterGroup": "an instance cannot be without",
    "AWS::RDS::DBSubnetGroup": "an instance cannot be without",
    "AWS::S3::Bucket": "the audit trail, and who read it",
    "AWS::S3::BucketPolicy": "guards a bucket that stays",
    "AWS::SQS::Queue": "payments and events that wait for a person",
    "AWS::SQS::QueuePolicy": "guards a queue that stays",
}
"""Types that must be kept, and why."""

STATELESS = {
    # Configuration: the templates make it again as it was.
    *(
        f"AWS::ApiGateway::{kind}"
        for kind in (
            "ApiKey",
            "Deployment",
            "GatewayResponse",
            "Method",
            "Model",
            "RequestValidator",
            "Resource",
            "RestApi",
            "Stage",
            "UsagePlan",
            "UsagePlanKey",
        )
    ),
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentConfig",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::EC2::FlowLog",
    "AWS::Budgets::Budget",
    "AWS::Events::Rule",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Role",
    "AWS::KMS::Alias",
    *(
        f"AWS::Lambda::{kind}"
        for kind in (
            "Alias",
            "EventInvokeConfig",
            "EventSourceMapping",
            "Function",
            "Permission",
            "Version",
        )
    ),
    "AWS::Logs::MetricFilter",
    "AWS::Logs::QueryDefinition",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::WAFv2::LoggingConfiguration",
    "AWS::WAFv2::WebACL",
    "AWS::WAFv2::WebACLAssociation",
    # The network: whoever deletes the stack decides on it, with what still stands in it.
    *(
        f"AWS::EC2::{kind}"
        for kind in (
            "EIP",
            "InternetGateway",
            "NatGateway",
            "Route",
            "RouteTable",
            "SecurityGroup",
            "SecurityGroupEgress",
            "SecurityGroupIngress",
            "Subnet",
            "SubnetRouteTableAssociation",
            "VPC",
            "VPCEndpoint",
            "VPCGatewayAttachment",
        )
    ),
    # What decides itself on what stays of it.
    "AWS::CloudFormation::Stack",
    "Custom::DefaultSecurityGroup",
    "Custom::LedgerSchema",
    "Custom::ProductionSeal",
    "Custom::SharedLogGroup",
    "Custom::TerminationProtection",
}
"""Types that hold nothing which would be lost."""


def is_kept(resource: Resource) -> bool:
    return (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")) == (
        "RetainExceptOnCreate",
        "Retain",
    )


def not_kept(templates: Templates) -> Iterator[str]:
    """What would be lost: layer and logical id."""
    for layer, template in templates.items():
        resources = template["Resources"]
        kept = {name for name, resource in resources.items() if resource["Type"] in STATEFUL}
        for name in list(kept):
            if resources[name]["Type"] == "AWS::RDS::DBInstance":
                kept |= helpers(name, resources)
        yield from (f"{layer}/{name}" for name in sorted(kept) if not is_kept(resources[name]))


def helpers(name: str, resources: dict[str, Resource]) -> set[str]:
    """What a resource refers to in its own template. (Its role for monitoring is the root's.)"""
    return references(resources[name]["Properties"]) & resources.keys()


def references(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*(references(item) for item in value))
    if not isinstance(value, dict):
        return set()
    if "Ref" in value:
        return {value["Ref"]}
    if "Fn::GetAtt" in value:
        return {value["Fn::GetAtt"][0]}
    return references(list(value.values()))


def test_what_holds_data_survives_its_stack(synthesized: Synthesized) -> None:
    lost = list(not_kept(synthesized.templates()))
    assert not lost, (
        "would be deleted with the stack or when replaced; give it the removal policy "
        "RETAIN_ON_UPDATE_OR_DELETE:\n" + "\n".join(lost)
    )


def test_every_type_is_known_to_hold_data_or_not(synthesized: Synthesized) -> None:
    types = {resource["Type"] for _, _, resource in synthesized.resources()}
    unknown = types - STATEFUL.keys() - STATELESS
    assert not unknown, f"say in this file whether they hold data: {sorted(unknown)}"
    assert not STATEFUL.keys() & STATELESS
    assert STATEFUL.keys() <= types


def test_the_databases_helpers_are_what_it_refers_to(synthesized: Synthesized) -> None:
    resources = synthesized.data["Resources"]
    ((_, instance, _),) = synthesized.resources("AWS::RDS::DBInstance")
    assert {resources[name]["Type"] for name in helpers(instance, resources)} == {
        "AWS::KMS::Key",
        "AWS::RDS::DBParameterGroup",
        "AWS::RDS::DBSubnetGroup",
    }
