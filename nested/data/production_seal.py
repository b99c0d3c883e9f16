"""The production seal: protection against deletion, switched on once the whole unit stands."""

from __future__ import annotations

from aws_cdk import CustomResource
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from building_blocks.bundle import FunctionCode
from building_blocks.custom_resource import service_timeout, try_once
from building_blocks.denials import deny_what_no_function_but_the_seal_does
from building_blocks.function import PythonFunction
from nested.data.ledger_database import LedgerDatabase
from nested.network import NetworkOutputs

SEAL_TIMEOUT_SECONDS = 300
"""RDS shows a changed protection after seconds; after a first creation it may be busy for minutes
(its first backup), and then refuses changes."""


class SealProvider(Construct):
    """The function that protects and unprotects the ledger's database and the transactions table,
    and may change nothing else.

    It stands with them, in the data stack. The seal itself is the root stack's: only there is it
    known that all layers stand.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        ledger: LedgerDatabase,
        table: dynamodb.ITable,
        network: NetworkOutputs,
        dead_letter_queue: sqs.IQueue,
    ) -> None:
        super().__init__(scope, construct_id)
        self.database_identifier = ledger.instance.instance_identifier
        self.database_resource_id = ledger.resource_id
        self.table_name = table.table_name
        provider = PythonFunction(
            self,
            "Provider",
            name="payments-production-seal",
            description="Protects the data against deletion at the end of a deployment",
            code=FunctionCode(package="production_seal", shared_packages=("custom_resource",)),
            key=network.application_key,
            network=network.functions,
            dead_letter_queue=dead_letter_queue,
            timeout_seconds=SEAL_TIMEOUT_SECONDS,
            environment={},
            statements=[
                iam.PolicyStatement(
                    sid="ProtectTheLedger",
                    actions=["rds:DescribeDBInstances", "rds:ModifyDBInstance"],
                    resources=[ledger.instance.instance_arn],
                ),
                iam.PolicyStatement(
                    sid="ProtectTheHistory",
                    actions=["dynamodb:DescribeTable", "dynamodb:UpdateTable"],
                    resources=[table.table_arn],
                ),
            ],
            denials=deny_what_no_function_but_the_seal_does(),
        )
        try_once(provider)
        self.function_arn = provider.function.function_arn


class ProductionSeal(CustomResource):
    """While it exists, database and table cannot be deleted. See docs/decisions/0007.

    Its place is after everything else, so that the rollback of a first deployment, which must
    delete both, finds them unprotected.
    """

    def __init__(self, scope: Construct, construct_id: str, *, provider: SealProvider) -> None:
        super().__init__(
            scope,
            construct_id,
            resource_type="Custom::ProductionSeal",
            service_token=provider.function_arn,
            service_timeout=service_timeout(SEAL_TIMEOUT_SECONDS),
            properties={
                "DatabaseIdentifier": provider.database_identifier,
                # Another one under the same name, which was restored, is to be sealed too.
                "DatabaseResourceId": provider.database_resource_id,
                "TableName": provider.table_name,
            },
        )
