"""payment-validator: decides on payment requests."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from constructs import Construct

from building_blocks import operations
from building_blocks.bundle import FunctionCode
from building_blocks.function import PythonFunction
from building_blocks.key import use_table_key
from config import ProductionConfig
from nested.data import DataOutputs
from nested.network import NetworkOutputs


class PaymentValidator(PythonFunction):
    """Checks a request, and stores it with the decision as the payment's first item."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: ProductionConfig,
        network: NetworkOutputs,
        data: DataOutputs,
    ) -> None:
        table = data.transactions_table
        super().__init__(
            scope,
            construct_id,
            name="payment-validator",
            description="Validates incoming payment requests "
            f"({operations.of('payment-validator')})",
            code=FunctionCode(package="payment_validator", shared_packages=("payments",)),
            key=network.application_key,
            dead_letter_queue=data.failed_invocations_queue,
            network=network.functions,
            reserved_concurrency=config.validator_concurrency,
            environment={
                "TRANSACTIONS_TABLE": table.table_name,
                "APPROVAL_VALIDITY_SECONDS": str(config.approval_validity_seconds),
            },
            statements=[
                iam.PolicyStatement(
                    sid="StoreAndReadRequests",
                    actions=["dynamodb:GetItem", "dynamodb:PutItem"],
                    resources=[table.table_arn],
                ),
                use_table_key(network.application_key),
            ],
        )
