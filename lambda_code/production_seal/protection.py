"""What can be protected against deletion: the ledger's database and the transactions table.

Both are asked the same three things: whether they are protected, to be so (or no longer), and
whether they are there at all. Sources: ModifyDBInstance and DescribeDBInstances in the Amazon RDS
API reference, UpdateTable and DescribeTable in the Amazon DynamoDB API reference.
"""

from __future__ import annotations

from typing import Any, Protocol

from botocore.exceptions import ClientError


class Protectable(Protocol):
    """A resource with deletion protection."""

    @property
    def name(self) -> str:
        """In words, for people."""

    def is_protected(self) -> bool | None:
        """None if it does not exist, or is being deleted."""

    def protect(self, wanted: bool) -> bool:
        """Ask for it; False if the resource cannot be changed just now, and may be later."""


class Database:
    """An RDS instance."""

    def __init__(self, rds: Any, identifier: str) -> None:
        self._rds = rds
        self._identifier = identifier

    @property
    def name(self) -> str:
        return f"database {self._identifier}"

    def is_protected(self) -> bool | None:
        try:
            found = self._rds.describe_db_instances(DBInstanceIdentifier=self._identifier)
        except ClientError as error:
            if code(error) == "DBInstanceNotFound":
                return None
            raise
        (instance,) = found["DBInstances"]
        if instance["DBInstanceStatus"] == "deleting":
            return None
        return bool(instance["DeletionProtection"])

    def protect(self, wanted: bool) -> bool:
        try:
            self._rds.modify_db_instance(
                DBInstanceIdentifier=self._identifier,
                DeletionProtection=wanted,
                # Or it would wait for the maintenance window.
                ApplyImmediately=True,
            )
        except ClientError as error:
            if code(error) in ("DBInstanceNotFound", "InvalidDBInstanceState"):
                return False
            raise
        return True


class Table:
    """A DynamoDB table."""

    def __init__(self, dynamodb: Any, table_name: str) -> None:
        self._dynamodb = dynamodb
        self._table_name = table_name

    @property
    def name(self) -> str:
        return f"table {self._table_name}"

    def is_protected(self) -> bool | None:
        try:
            table = self._dynamodb.describe_table(TableName=self._table_name)["Table"]
        except ClientError as error:
            if code(error) == "ResourceNotFoundException":
                return None
            raise
        if table["TableStatus"] == "DELETING":
            return None
        return bool(table.get("DeletionProtectionEnabled", False))

    def protect(self, wanted: bool) -> bool:
        try:
            self._dynamodb.update_table(
                TableName=self._table_name, DeletionProtectionEnabled=wanted
            )
        except ClientError as error:
            # In use: another change of the table is still under way.
            busy = ("ResourceInUseException", "LimitExceededException")
            if code(error) in ("ResourceNotFoundException", *busy):
                return False
            raise
        return True


def code(error: ClientError) -> str:
    """The error's code; RDS and its emulators do not agree on the suffix ``Fault``."""
    return str(error.response["Error"]["Code"]).removesuffix("Fault")
