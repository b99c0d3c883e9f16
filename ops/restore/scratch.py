"""Restores under scratch names, and their end: the history's table, and the ledger's database.

A scratch name is the live one's with `-restore-drill-` and a moment behind it; nothing else is
ever deleted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError

from ops.console.failure import OpsError, code, or_none
from ops.production.lost import DATABASE, TABLE, told
from ops.production.stack import Production, every

_MARK: Final = "-restore-drill-"
_GONE: Final = {"ResourceNotFoundException", "DBInstanceNotFound"}
_BUSY: Final = {"ResourceInUseException", "InvalidDBInstanceState"}
_SEEN_BY: Final = 120.0
"""Seconds."""
_FAILED: Final = re.compile(
    "ARCHIVED|INACCESSIBLE_ENCRYPTION_CREDENTIALS|failed|inaccessible-encryption-credentials.*"
    "|incompatible-.*|insufficient-capacity|restore-error|storage-full"
)
"""States that it does not leave by itself."""

Json = dict[str, Any]


def scratch_name(store: Store, moment: datetime) -> str:
    return f"{store.live}{_MARK}{moment:%Y%m%d-%H%M%S}"


def is_scratch(store: Store, name: str) -> bool:
    return re.fullmatch(rf"{re.escape(store.live + _MARK)}\d{{8}}-\d{{6}}", name) is not None


@dataclass(kw_only=True)
class Copy:
    """A restored store under a scratch name, from the request for it to its end.

    Attributes:
        asked: when it was asked for, by time.monotonic; None: by somebody else, or not at all.
        state: as AWS called it last.
    """

    store: Store
    name: str
    asked: float | None = None
    state: str | None = None

    def restore(self, at: datetime | None) -> None:
        """Ask for it."""
        self.asked = time.monotonic()
        try:
            self.store.restore(self.name, at)
        except ClientError:  # refused: there will be none
            self.asked = None
            raise

    def is_restored(self) -> bool:
        """
        Raises:
            OpsError: it failed, or is gone.
        """
        if self._is_gone():
            raise OpsError(f"{self.store.what}: {self.name} is gone; somebody deleted it")
        if _FAILED.fullmatch(str(self.state)):
            raise OpsError(
                f"{self.store.what}: {self.name} is {self.state}; see its events in the console"
            )
        return self.state in {"ACTIVE", "available"}

    def try_to_delete(self) -> bool:
        """Ask for its end, if that can be asked for now; whether it is gone.

        Raises:
            OpsError: it has no scratch name.
        """
        if not is_scratch(self.store, self.name):
            raise OpsError(f"{self.name} was not restored by a drill, and is not deleted")
        if self._is_gone():
            return True
        if self.state in {None, "DELETING", "deleting"}:
            return False
        try:
            self.store.delete(self.name)
        except ClientError as error:
            if code(error) not in _BUSY | _GONE:
                raise
            return code(error) in _GONE
        return self._is_gone()

    def _is_gone(self) -> bool:
        seen = self.state is not None
        self.state = self.store.state(self.name)
        if self.state is not None:
            return False
        # What was just asked for is not yet known to every server of AWS.
        return seen or self.asked is None or time.monotonic() - self.asked > _SEEN_BY


@dataclass(frozen=True, kw_only=True)
class Table:
    """The history. A restored table has the items and the key of the live one: no stream, no tags,
    no point-in-time recovery, no deletion protection."""

    dynamodb: Any
    live: str
    what: str = "history table"

    @classmethod
    def of(cls, production: Production) -> Table:
        return cls(
            dynamodb=production.client("dynamodb"), live=production.output("TransactionsTableName")
        )

    def description(self, name: str) -> Json:
        found: Json = self.dynamodb.describe_table(TableName=name)["Table"]
        return found

    def key(self, name: str) -> str | None:
        """ARN of the key that it is encrypted with; None where AWS does not tell."""
        key: str | None = self.description(name).get("SSEDescription", {}).get("KMSMasterKeyArn")
        return key

    def window(self) -> tuple[datetime, datetime]:
        """The earliest and the latest moment that it can be restored to, in UTC.

        Raises:
            OpsError: it cannot be restored at all.
        """
        ask = partial(self.dynamodb.describe_continuous_backups, TableName=self.live)
        backups = or_none(ask, "TableNotFoundException")
        if backups is None:
            raise OpsError(told(self.live, TABLE))
        recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        if recovery["PointInTimeRecoveryStatus"] != "ENABLED":
            raise OpsError(
                f"{self.live} cannot be restored: its point-in-time recovery is off. Switch it on "
                f"(aws dynamodb update-continuous-backups --table-name {self.live} "
                "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true), and find "
                "out who switched it off"
            )
        earliest, latest = (
            recovery[f"{end}RestorableDateTime"].astimezone(UTC) for end in ("Earliest", "Latest")
        )
        return earliest, latest

    def restore(self, name: str, at: datetime | None) -> None:
        """Ask for it; without a moment, the latest."""
        key = self.key(self.live)  # without one, under AWS's own
        encryption = {"Enabled": True, "SSEType": "KMS", **({"KMSMasterKeyId": key} if key else {})}
        self.dynamodb.restore_table_to_point_in_time(
            SourceTableName=self.live,
            TargetTableName=name,
            SSESpecificationOverride=encryption,
            **({"RestoreDateTime": at} if at else {"UseLatestRestorableTime": True}),
        )

    def state(self, name: str) -> str | None:
        """Of a restored one, as AWS calls it; None: there is none."""
        found = or_none(partial(self.description, name), *_GONE)
        return found["TableStatus"] if found else None

    def scratch(self) -> Iterator[str]:
        """The names of restored ones that there are."""
        for name in every(self.dynamodb, "list_tables"):
            if is_scratch(self, name):
                yield name

    def delete(self, name: str) -> None:
        self.dynamodb.delete_table(TableName=name)


@dataclass(frozen=True, kw_only=True)
class Database:
    """The ledger. Restored in one availability zone, with the live one's class, key, subnets,
    security groups and parameters."""

    rds: Any
    live: str
    what: str = "ledger database"

    @classmethod
    def of(cls, production: Production) -> Database:
        (instance,) = (each.name for each in production.resources("AWS::RDS::DBInstance"))
        return cls(rds=production.client("rds"), live=instance)

    def description(self, name: str) -> Json:
        (found,) = self.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
        description: Json = found
        return description

    def key(self, name: str) -> str | None:
        return self.description(name).get("KmsKeyId")

    def address(self, name: str) -> tuple[str, int]:
        endpoint: Mapping[str, Any] = self.description(name)["Endpoint"]
        return endpoint["Address"], endpoint["Port"]

    def window(self) -> tuple[datetime, datetime]:
        live = or_none(partial(self.description, self.live), *_GONE)
        if live is None:
            raise OpsError(told(self.live, DATABASE))
        if not live["BackupRetentionPeriod"] or "LatestRestorableTime" not in live:
            raise OpsError(
                f"{self.live} cannot be restored: it has no automated backups (retention "
                f"{live['BackupRetentionPeriod']} days). A deployment of the app sets them"
            )
        latest: datetime = live["LatestRestorableTime"].astimezone(UTC)
        kept = latest - timedelta(days=live["BackupRetentionPeriod"])
        return max(kept, live["InstanceCreateTime"].astimezone(UTC)), latest

    def restore(self, name: str, at: datetime | None) -> None:
        live = self.description(self.live)
        self.rds.restore_db_instance_to_point_in_time(
            SourceDBInstanceIdentifier=self.live,
            TargetDBInstanceIdentifier=name,
            DBInstanceClass=live["DBInstanceClass"],
            DBSubnetGroupName=live["DBSubnetGroup"]["DBSubnetGroupName"],
            VpcSecurityGroupIds=[
                group["VpcSecurityGroupId"] for group in live["VpcSecurityGroups"]
            ],
            DBParameterGroupName=live["DBParameterGroups"][0]["DBParameterGroupName"],
            MultiAZ=False,
            PubliclyAccessible=False,
            AutoMinorVersionUpgrade=False,
            DeletionProtection=False,
            EnableIAMDatabaseAuthentication=True,  # as payments-ledger-reader signs in
            Tags=[tag for tag in live["TagList"] if not tag["Key"].startswith("aws:")],
            **({"RestoreTime": at} if at else {"UseLatestRestorableTime": True}),
        )

    def state(self, name: str) -> str | None:
        found = or_none(partial(self.description, name), *_GONE)
        return found["DBInstanceStatus"] if found else None

    def scratch(self) -> Iterator[str]:
        databases = every(self.rds, "describe_db_instances")
        names = (each["DBInstanceIdentifier"] for each in databases)
        yield from (name for name in names if is_scratch(self, name))

    def delete(self, name: str) -> None:
        self.rds.delete_db_instance(
            DBInstanceIdentifier=name, SkipFinalSnapshot=True, DeleteAutomatedBackups=True
        )


Store = Table | Database
"""What is restored."""
