"""The payments' history."""

from __future__ import annotations

from aws_cdk import RemovalPolicy, Tags
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct


class TransactionsTable(dynamodb.Table):
    """``payment-transactions`` (R9): item ``timestamp = 0`` is the request, every later state is
    one more item. Its stream feeds the audit trail."""

    def __init__(
        self, scope: Construct, construct_id: str, *, key: kms.IKey, restored: str
    ) -> None:
        """:param restored: when it was restored last, or nothing (config.py, table_restored)."""
        super().__init__(
            scope,
            construct_id,
            table_name="payment-transactions",
            partition_key=dynamodb.Attribute(
                name="transaction_id", type=dynamodb.AttributeType.STRING
            ),
            sort_key=dynamodb.Attribute(name="timestamp", type=dynamodb.AttributeType.NUMBER),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            # Old images too: a change or removal, which nobody may make, is then on record.
            stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        if restored:
            Tags.of(self).add("Restored", restored)
