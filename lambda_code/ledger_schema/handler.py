"""ledger-schema: Custom::LedgerSchema brings the ledger's schema up to the release's.

Create and Update apply the migrations of the bundle; Delete touches nothing.
ResourceProperties: Migrations, a list of "NNNN_name.sql:<sha256>"; a new one makes the Update.
Environment: LEDGER_HOST, LEDGER_PORT, LEDGER_DATABASE, MASTER_SECRET_ARN.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger
from pg8000.native import Connection  # type: ignore[import-untyped]

from custom_resource.protocol import answer
from ledger.connection import LedgerAddress, connect
from ledger_schema.migrator import migrate, read

# Seconds kept back to tell CloudFormation: its protocol's tries, and a rollback.
RESERVE = 30.0

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: Any) -> None:
    def apply(_properties: Mapping[str, Any]) -> None:
        limit = context.get_remaining_time_in_millis() / 1000 - RESERVE
        connection = _connect(max(limit, 1.0))
        try:
            logger.info("migrated", extra={"applied": migrate(connection, read())})
        finally:
            with suppress(Exception):  # the cause is not to be hidden by a dead connection
                connection.close()

    answer(event, context, "ledger-schema", {"Create": apply, "Update": apply})


def _connect(limit: float) -> Connection:
    """As the master user, whose password RDS keeps in Secrets Manager.

    Args:
        limit: seconds that a statement, or waiting for another migrator, may take.
    """
    secrets = boto3.client("secretsmanager")
    secret = secrets.get_secret_value(SecretId=os.environ["MASTER_SECRET_ARN"])
    master = json.loads(secret["SecretString"])
    address = LedgerAddress.from_environment(os.environ)
    connection = connect(address, master["username"], master["password"], limit + 1)
    connection.run(f"SET statement_timeout = {round(limit * 1000)}")
    return connection
