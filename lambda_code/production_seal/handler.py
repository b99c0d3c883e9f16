"""production-seal: Custom::ProductionSeal protects the ledger and the history against deletion.

It is the last resource of the unit (docs/decisions/0007-seal-outside-the-template.md).
ResourceProperties: DatabaseIdentifier, TableName; DatabaseResourceId, so that CloudFormation asks
again for a database that was restored under its name. By request:

- Create: everything else stands, so both are protected. If this fails, CloudFormation sends the
  Delete below, and rolls back what it can then delete.
- Update, with other properties or, in a rollback, with the old ones again: both stay protected.
- Delete: the seal goes first, so both are unprotected; what is gone already needs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger
from botocore.config import Config

from custom_resource.protocol import answer
from production_seal.protection import Database, Protectable, Table
from production_seal.seal import seal, unseal

# Seconds kept back to tell CloudFormation (its protocol's tries), and for a last call to end.
RESERVE = 60.0
SHORT = Config(
    connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4}
)

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: Any) -> None:
    def within_time(
        settle: Callable[[Sequence[Protectable], float], None],
    ) -> Callable[[Mapping[str, Any]], None]:
        def settle_all(properties: Mapping[str, Any]) -> None:
            patience = float(context.get_remaining_time_in_millis()) / 1000 - RESERVE
            settle(_resources(properties), patience)

        return settle_all

    answer(
        event,
        context,
        "production-seal",
        {
            "Create": within_time(seal),
            "Update": within_time(seal),
            "Delete": within_time(unseal),
        },
    )


def _resources(properties: Mapping[str, Any]) -> list[Protectable]:
    return [
        Database(boto3.client("rds", config=SHORT), properties["DatabaseIdentifier"]),
        Table(boto3.client("dynamodb", config=SHORT), properties["TableName"]),
    ]
