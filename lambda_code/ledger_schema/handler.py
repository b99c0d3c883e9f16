"""ledger-schema: Custom::LedgerSchema brings the ledger's schema up to the release's.

Create and Update apply the migrations of the bundle; Delete touches nothing. Nor does an Update
that takes migrations away (the rollback of one that brought them, a release before): migrations go
forward only, and a rollback must not depend on the ledger, which may be why it rolls back.
ResourceProperties: Migrations, a list of "NNNN_name.sql:<sha256>"; a new one makes the Update.
Environment: LEDGER_HOST, LEDGER_PORT, LEDGER_DATABASE, MASTER_SECRET_ARN.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pg8000.native import Connection, DatabaseError, InterfaceError  # type: ignore[import-untyped]

from custom_resource.patience import patiently
from custom_resource.protocol import answer
from ledger.connection import LedgerAddress, connect
from ledger_schema.migrator import migrate, read

# Seconds kept back to tell CloudFormation: its protocol's tries, and a rollback.
RESERVE = 30.0
# Seconds that a first deployment's database may take to be reachable, and between two tries.
PATIENCE, PAUSE = 90.0, 5.0
# SQLSTATEs of a server that starts, stops or is full, and of a password that was just rotated.
PASSING = frozenset({"57P01", "57P02", "57P03", "53300", "28P01"})
SHORT = Config(
    connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2}
)

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: Any) -> None:
    def apply(_properties: Mapping[str, Any]) -> None:
        def time_left() -> float:
            return max(float(context.get_remaining_time_in_millis()) / 1000 - RESERVE, 1.0)

        connection = _connect(time_left)
        try:
            logger.info("migrated", extra={"applied": migrate(connection, read(), time_left)})
        finally:
            with suppress(Exception):  # the cause is not to be hidden by a dead connection
                connection.close()

    def update(properties: Mapping[str, Any]) -> None:
        if _names(properties) < _names(event["OldResourceProperties"]):
            logger.info("migrations stay applied")
        else:
            apply(properties)

    answer(event, context, "ledger-schema", {"Create": apply, "Update": update})


def _names(properties: Mapping[str, Any]) -> set[str]:
    return {migration.partition(":")[0] for migration in properties["Migrations"]}


def _until_reachable(sign_in: Callable[[], Connection], patience: float) -> Connection:
    """Try again until it works or `patience` (seconds) is used up: in a first deployment, the
    role, the key's grant and the database's name are seconds old, and not known everywhere."""
    return patiently(
        sign_in,
        may_pass=_may_pass,
        patience=patience,
        pause=PAUSE,
        not_yet="the ledger cannot be reached yet",
    )


def _may_pass(error: Exception) -> bool:
    if isinstance(error, DatabaseError):
        return error.args[0].get("C") in PASSING
    return isinstance(error, BotoCoreError | ClientError | OSError | InterfaceError)


def _sign_in(time_left: Callable[[], float]) -> Connection:
    secrets = boto3.client("secretsmanager", config=SHORT)
    secret = secrets.get_secret_value(SecretId=os.environ["MASTER_SECRET_ARN"])
    master = json.loads(secret["SecretString"])
    address = LedgerAddress.from_environment(os.environ)
    return connect(address, master["username"], master["password"], time_left() + 1)


def _connect(time_left: Callable[[], float]) -> Connection:
    """As the master user, whose password RDS keeps in Secrets Manager.

    Args:
        time_left: seconds that a statement may take now.
    """
    connection = _until_reachable(lambda: _sign_in(time_left), PATIENCE)
    connection.run(f"SET statement_timeout = {round(time_left() * 1000)}")
    return connection
