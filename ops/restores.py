"""Restores under scratch names, and their end: the history's table, and the ledger's database.

A scratch name is the live one's with `-restore-drill-` and a moment behind it; nothing else is
ever deleted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from botocore.exceptions import ClientError

from ops.failure import OpsError
from ops.production import Production

_MARK: Final = "-restore-drill-"
_GONE: Final = {"ResourceNotFoundException", "DBInstanceNotFound"}
_BUSY: Final = {"ResourceInUseException", "InvalidDBInstanceState"}
_SEEN_BY: Final = timedelta(minutes=2)
"""What was just asked for is not yet known to every server of AWS."""
_FAILED: Final = {"failed", "restore-error", "incompatible-restore", "incompatible-network"}

Json = dict[str, Any]


class Store(Protocol):
    """What is restored."""

    @property
    def what(self) -> str: ...

    @property
    def live(self) -> str:
        """The name of the live one."""

    def latest(self) -> datetime:
        """The latest moment that it can be restored to.

        Raises:
            OpsError: it cannot be restored at all.
        """

    def restore(self, name: str, at: datetime | None) -> None:
        """Ask for it; without a moment, the latest."""

    def state(self, name: str) -> str | None:
        """Of a restored one, as AWS calls it; None: there is none."""

    def scratch(self) -> Iterator[str]:
        """The names of restored ones that there are."""

    def delete(self, name: str) -> None: ...


def scratch_name(store: Store, moment: datetime) -> str:
    return f"{store.live}{_MARK}{moment:%Y%m%d-%H%M%S}"


def is_scratch(store: Store, name: str) -> bool:
    return re.fullmatch(rf"{re.escape(store.live + _MARK)}\d{{8}}-\d{{6}}", name) is not None


def is_restored(store: Store, name: str, waited: timedelta) -> bool:
    """
    Raises:
        OpsError: it failed, or is gone.
    """
    state = store.state(name)
    if state is None and waited < _SEEN_BY:
        return False
    if state is None or state in _FAILED:
        raise OpsError(f"{store.what}: {name} is {state or 'gone'}; see its events in the console")
    return state in {"ACTIVE", "available"}


def try_to_delete(store: Store, name: str) -> bool:
    """Ask for its end, if there is one to ask for; whether it is gone.

    Raises:
        OpsError: it is no scratch name.
    """
    if not is_scratch(store, name):
        raise OpsError(f"{name} was not restored by a drill, and is not deleted")
    try:
        if store.state(name) not in {None, "DELETING", "deleting"}:
            store.delete(name)
        return store.state(name) is None
    except ClientError as error:
        if error.response["Error"]["Code"] in _BUSY:
            return False
        if error.response["Error"]["Code"] in _GONE:
            return True
        raise


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

    def latest(self) -> datetime:
        backups = self.dynamodb.describe_continuous_backups(TableName=self.live)
        recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        if recovery["PointInTimeRecoveryStatus"] != "ENABLED":
            raise OpsError(
                f"{self.live} cannot be restored: its point-in-time recovery is off. Switch it on "
                f"(aws dynamodb update-continuous-backups --table-name {self.live} "
                "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true), and find "
                "out who switched it off"
            )
        latest: datetime = recovery["LatestRestorableDateTime"]
        return latest

    def restore(self, name: str, at: datetime | None) -> None:
        encryption = self.description(self.live).get("SSEDescription", {})
        self.dynamodb.restore_table_to_point_in_time(
            SourceTableName=self.live,
            TargetTableName=name,
            SSESpecificationOverride={
                "Enabled": True,
                "SSEType": "KMS",
                # Without one, under AWS's own key.
                **(
                    {"KMSMasterKeyId": encryption["KMSMasterKeyArn"]}
                    if "KMSMasterKeyArn" in encryption
                    else {}
                ),
            },
            **({"RestoreDateTime": at} if at else {"UseLatestRestorableTime": True}),
        )

    def state(self, name: str) -> str | None:
        try:
            return str(self.description(name)["TableStatus"])
        except self.dynamodb.exceptions.ResourceNotFoundException:
            return None

    def scratch(self) -> Iterator[str]:
        for page in self.dynamodb.get_paginator("list_tables").paginate():
            yield from (name for name in page["TableNames"] if is_scratch(self, name))

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

    def address(self, name: str) -> tuple[str, int]:
        endpoint: Mapping[str, Any] = self.description(name)["Endpoint"]
        return endpoint["Address"], endpoint["Port"]

    def latest(self) -> datetime:
        live = self.description(self.live)
        if not live["BackupRetentionPeriod"] or "LatestRestorableTime" not in live:
            raise OpsError(
                f"{self.live} cannot be restored: it has no automated backups (retention "
                f"{live['BackupRetentionPeriod']} days). A deployment of the app sets them"
            )
        latest: datetime = live["LatestRestorableTime"]
        return latest

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
        try:
            return str(self.description(name)["DBInstanceStatus"])
        except self.rds.exceptions.DBInstanceNotFoundFault:
            return None

    def scratch(self) -> Iterator[str]:
        for page in self.rds.get_paginator("describe_db_instances").paginate():
            names = (each["DBInstanceIdentifier"] for each in page["DBInstances"])
            yield from (name for name in names if is_scratch(self, name))

    def delete(self, name: str) -> None:
        self.rds.delete_db_instance(
            DBInstanceIdentifier=name, SkipFinalSnapshot=True, DeleteAutomatedBackups=True
        )
