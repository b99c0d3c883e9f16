"""The logical ids of what holds data do not change by accident.

To CloudFormation, another logical id is another resource: it makes an empty one, and leaves the
one with the data behind, outside the stack (or fails, because the name is taken). CDK makes the
logical id of the construct's path, so that moving or renaming a construct changes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.synthesis import Synthesized
from tests.templates.test_retention import STATEFUL


class Identity(NamedTuple):
    layer: str
    type: str
    logical_id: str


WHAT_A_CHANGE_DOES = {
    **{kind: f"leaves behind, with all that is in it: {what}" for kind, what in STATEFUL.items()},
    "AWS::CloudFormation::Stack": "deletes the whole layer after making it a second time",
    "Custom::ProductionSeal": (
        "seals, and then unseals: the new one is made first, and the old one's deletion comes last"
    ),
}

# Written by hand. Add what is new; take away or change a line only together with a plan for the
# data behind it.
IDENTITIES = {
    Identity("root", "AWS::CloudFormation::Stack", "ComputeNestedStack"),
    Identity("root", "AWS::CloudFormation::Stack", "DataNestedStack"),
    Identity("root", "AWS::CloudFormation::Stack", "NetworkNestedStack"),
    Identity("root", "AWS::CloudFormation::Stack", "ObservabilityNestedStack"),
    Identity("root", "AWS::KMS::Key", "ApplicationKeyA04DA845"),
    Identity("root", "AWS::Logs::LogGroup", "ReleaseTestLogGroupEE6E77CF"),
    Identity("root", "AWS::Logs::LogGroup", "SharedLogGroupsProviderLogGroup6C5E9741"),
    Identity("root", "AWS::Logs::LogGroup", "TerminationProtectionProviderLogGroup69CBACA4"),
    Identity("root", "Custom::ProductionSeal", "ProductionSeal"),
    Identity("network", "AWS::Logs::LogGroup", "DefaultSecurityGroupProviderLogGroup7040CB98"),
    Identity("network", "AWS::Logs::LogGroup", "NetworkFlowLogGroup4F8CEEEF"),
    Identity("data", "AWS::DynamoDB::Table", "TransactionsTable0A011FCB"),
    Identity("data", "AWS::KMS::Key", "AuditBucketKey247690B9"),
    Identity("data", "AWS::KMS::Key", "LedgerDatabaseKey9385BE1D"),
    Identity("data", "AWS::Logs::LogGroup", "LedgerDatabasePostgresqlLogGroup8E24C9C8"),
    Identity("data", "AWS::Logs::LogGroup", "LedgerDatabaseUpgradeLogGroup37A87AC9"),
    Identity("data", "AWS::Logs::LogGroup", "LedgerReaderLogGroup12164E68"),
    Identity("data", "AWS::Logs::LogGroup", "LedgerSchemaProviderLogGroup2302B674"),
    Identity("data", "AWS::Logs::LogGroup", "ProductionSealProviderLogGroup2F96286A"),
    Identity("data", "AWS::Logs::LogGroup", "ReconciliationLogGroup92F459C0"),
    Identity("data", "AWS::RDS::DBInstance", "LedgerDatabaseInstance45F6AF35"),
    Identity("data", "AWS::RDS::DBParameterGroup", "LedgerDatabaseParameterGroupEEFE6256"),
    Identity("data", "AWS::RDS::DBSubnetGroup", "LedgerDatabaseSubnetGroupB1AD1A49"),
    Identity("data", "AWS::S3::Bucket", "AuditBucket78609D59"),
    Identity("data", "AWS::S3::Bucket", "AuditBucketAccessLogs595C045C"),
    Identity("data", "AWS::S3::BucketPolicy", "AuditBucketAccessLogsPolicy09D107BB"),
    Identity("data", "AWS::S3::BucketPolicy", "AuditBucketPolicy83DC868F"),
    Identity("data", "AWS::SQS::Queue", "QueuesAuditFailureQueue0117A707"),
    Identity("data", "AWS::SQS::Queue", "QueuesFailedInvocationsQueueAD695716"),
    Identity("data", "AWS::SQS::Queue", "QueuesRetryDeadLetterQueueFF0C6D4F"),
    Identity("data", "AWS::SQS::Queue", "QueuesRetryQueue7832649F"),
    Identity("data", "AWS::SQS::QueuePolicy", "QueuesAuditFailureQueuePolicy243C41C3"),
    Identity("data", "AWS::SQS::QueuePolicy", "QueuesFailedInvocationsQueuePolicyB2532208"),
    Identity("data", "AWS::SQS::QueuePolicy", "QueuesRetryDeadLetterQueuePolicy8F0C392B"),
    Identity("data", "AWS::SQS::QueuePolicy", "QueuesRetryQueuePolicy4A4E65E9"),
    Identity("compute", "AWS::ApiGateway::Account", "ApiAccountA18C9B29"),
    Identity("compute", "AWS::Logs::LogGroup", "ApiAccessLogGroupE5C79101"),
    Identity("compute", "AWS::Logs::LogGroup", "ApiExecutionLogGroupC196A6BC"),
    Identity("compute", "AWS::Logs::LogGroup", "AuditLoggerLogGroup269BCE3D"),
    Identity("compute", "AWS::Logs::LogGroup", "FirewallLogGroup62028669"),
    Identity("compute", "AWS::Logs::LogGroup", "PaymentProcessorLogGroup6093AEAC"),
    Identity("compute", "AWS::Logs::LogGroup", "PaymentValidatorLogGroup312A2556"),
    Identity("observability", "AWS::SQS::Queue", "AlertsTopicDeadLetterQueueB0299331"),
    Identity("observability", "AWS::SQS::QueuePolicy", "AlertsTopicDeadLetterQueuePolicyE3895E40"),
}


def found_in(templates: dict[str, dict[str, Any]]) -> set[Identity]:
    return {
        Identity(layer, resource["Type"], logical_id)
        for layer, template in templates.items()
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] in WHAT_A_CHANGE_DOES
    }


def complaints(templates: dict[str, dict[str, Any]]) -> Iterator[str]:
    found = found_in(templates)
    for layer, kind, logical_id in sorted(IDENTITIES - found):
        yield (
            f"{layer}/{logical_id} ({kind}) is gone from the template or has another id. "
            f"Deploying this {WHAT_A_CHANGE_DOES[kind]}. Give the construct its old path, or "
            "override its logical id."
        )
    for layer, kind, logical_id in sorted(found - IDENTITIES):
        yield f"{layer}/{logical_id} ({kind}) is not listed here. If it is new, add it."


def test_what_holds_data_is_where_it_was(synthesized: Synthesized) -> None:
    found = list(complaints(synthesized.templates()))
    assert not found, "\n".join(found)
