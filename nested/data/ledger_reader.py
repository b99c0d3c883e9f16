"""payments-ledger-reader: the operators' way to the ledger, which only reads."""

from __future__ import annotations

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import Construct

from building_blocks.bundle import FunctionCode
from building_blocks.function import PythonFunction
from config import LEDGER_READER_CONCURRENCY
from nested.data.ledger_database import LedgerDatabase
from nested.network import NetworkOutputs


class LedgerReader(PythonFunction):
    """Nothing calls it but people, through ``python -m ops``: docs/decisions/0010.

    Who invokes it waits for its answer. So it has no alias, which a release would move step by
    step, and no queue for invocations that failed.
    """

    LEDGER_USER = "ledger_reader"
    """The database user that the migrations create; it logs in with IAM, and may only read."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        ledger: LedgerDatabase,
        network: NetworkOutputs,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            name="payments-ledger-reader",
            description="Shows operators what the ledger holds",
            code=FunctionCode(package="ledger_reader", shared_packages=("payments", "ledger")),
            key=network.application_key,
            network=network.ledger_clients,
            reserved_concurrency=LEDGER_READER_CONCURRENCY,
            environment=ledger.client_environment(self.LEDGER_USER),
            statements=[
                iam.PolicyStatement(
                    sid="LogInToLedger",
                    actions=["rds-db:connect"],
                    resources=[
                        # Of every instance: a restored copy of the ledger is another one, and
                        # the security groups admit to the ledger and its copies only.
                        f"arn:{Aws.PARTITION}:rds-db:{Aws.REGION}:{Aws.ACCOUNT_ID}:dbuser:"
                        f"*/{self.LEDGER_USER}"
                    ],
                ),
            ],
        )
