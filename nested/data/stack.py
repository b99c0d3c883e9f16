"""The data stack: ledger, history, audit trail and queues."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import NestedStack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from config import ProductionConfig
from nested.data.audit_bucket import AuditBucket
from nested.data.ledger_database import LedgerDatabase
from nested.data.ledger_reader import LedgerReader
from nested.data.ledger_schema import LedgerSchema
from nested.data.production_seal import SealProvider
from nested.data.queues import Queues
from nested.data.reconciliation import Reconciliation
from nested.data.transactions_table import TransactionsTable
from nested.network import NetworkOutputs


@dataclass(frozen=True, kw_only=True)
class DataOutputs:
    """What the data layer hands on."""

    ledger: LedgerDatabase
    ledger_reader: lambda_.Function
    transactions_table: dynamodb.ITable
    audit_bucket: s3.IBucket
    audit_access_logs: s3.IBucket
    audit_key: kms.IKey
    retry_queue: sqs.IQueue
    retry_dead_letter_queue: sqs.IQueue
    audit_failure_queue: sqs.IQueue
    failed_invocations_queue: sqs.IQueue
    """Of asynchronous invocations: nobody waits for their answer."""
    seal_provider: SealProvider


class DataNestedStack(NestedStack):
    """The ledger's database with its schema and its reader, the transactions table, the audit
    bucket, the queues, the function that compares them at night, and the one that protects them
    against deletion."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: ProductionConfig,
        network: NetworkOutputs,
        monitoring_role: iam.IRole,
    ) -> None:
        """:param monitoring_role: of RDS's enhanced monitoring; known everywhere by now."""
        super().__init__(
            scope,
            construct_id,
            description=f"Payments {config.environment}, data: "
            "ledger, history, audit trail, queues",
        )
        ledger = LedgerDatabase(
            self,
            "LedgerDatabase",
            config=config,
            network=network,
            monitoring_role=monitoring_role,
        )
        queues = Queues(self, "Queues", key=network.application_key)
        schema = LedgerSchema(
            self,
            "LedgerSchema",
            ledger=ledger,
            network=network,
            dead_letter_queue=queues.failed_invocations,
        )
        reader = LedgerReader(self, "LedgerReader", ledger=ledger, network=network)
        table = TransactionsTable(
            self,
            "TransactionsTable",
            key=network.application_key,
            restored=config.table_restored,
        )
        seal_provider = SealProvider(
            self,
            "ProductionSeal",
            ledger=ledger,
            table=table,
            network=network,
            dead_letter_queue=queues.failed_invocations,
        )
        audit = AuditBucket(
            self,
            "AuditBucket",
            environment=config.environment,
            retention_days=config.audit_retention_days,
        )
        # Late: the rollback of a first deployment cannot delete a bucket that S3 has delivered
        # access logs to, and it does so whenever it likes.
        audit.bucket.node.add_dependency(schema.resource)
        Reconciliation(
            self,
            "Reconciliation",
            network=network,
            ledger_reader=reader.function,
            table=table,
            audit=audit,
            dead_letter_queue=queues.failed_invocations,
        )
        self.layer = DataOutputs(
            ledger=ledger,
            ledger_reader=reader.function,
            transactions_table=table,
            audit_bucket=audit.bucket,
            audit_access_logs=audit.access_logs,
            audit_key=audit.key,
            retry_queue=queues.retry,
            retry_dead_letter_queue=queues.retry_dead_letter,
            audit_failure_queue=queues.audit_failure,
            failed_invocations_queue=queues.failed_invocations,
            seal_provider=seal_provider,
        )
