"""Taking away what is proven empty, in the order in which AWS allows it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from ops.console.environment import stack_name
from ops.console.failure import OpsError, or_none
from ops.leftovers.search import GONE, Leftover
from ops.production.questions import Clients
from ops.production.stack import described

BEFORE_STACKS: Final = (
    "database",
    "subnet group",
    "parameter group",
    "table",
    "queue",
    "bucket",
    "network interface",
)
"""In this order. The network cannot go before what stands in it."""
AFTER_STACKS: Final = ("log group", "role", "policy", "key")
"""What the deletion of a stack still writes to, acts by, or retains."""
ORDER: Final = (*BEFORE_STACKS, "stack", *AFTER_STACKS)

KEY_DAYS: Final = 30
"""KMS, ScheduleKeyDeletion: the longest. Until then the deletion can be taken back."""
_POLL_SECONDS: Final = 5.0
_LONGEST: Final = 3600.0
"""Seconds. A database takes a quarter of an hour, network interfaces of functions 45 minutes."""
_GONE: Final = {
    "AWS.SimpleQueueService.NonExistentQueue",
    "DBInstanceNotFound",
    "DBInstanceNotFoundFault",
    "DBParameterGroupNotFound",
    "DBParameterGroupNotFoundFault",
    "DBSubnetGroupNotFoundFault",
    "InvalidNetworkInterfaceID.NotFound",
    "NoSuchBucket",
    "NoSuchEntity",
    "QueueDoesNotExist",
    "ResourceNotFoundException",
}


class Journal:
    """The record of what was done: a line before each action, and one after it."""

    def __init__(self, path: Path, operator: str, tell: Callable[[str], None]) -> None:
        self.path = path
        self._operator = operator
        self._tell = tell

    @contextmanager
    def action(self, what: str) -> Iterator[None]:
        """Raises OSError if it cannot be written; then the block does not run."""
        self._write(what, "begun")
        try:
            yield
        except BaseException as error:
            self._write(what, f"failed: {error or type(error).__name__}")
            raise
        self._write(what, "done")
        self._tell(what)

    def _write(self, what: str, state: str) -> None:
        line = {
            "at": datetime.now(UTC).isoformat(),
            "operator": self._operator,
            "action": what,
            "state": state,
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


_BY_ONE_CALL: Final = {
    "subnet group": (
        "database subnet group", "rds", "delete_db_subnet_group", "DBSubnetGroupName",
    ),
    "parameter group": (
        "database parameter group", "rds", "delete_db_parameter_group", "DBParameterGroupName",
    ),
    "network interface": (
        "network interface", "ec2", "delete_network_interface", "NetworkInterfaceId",
    ),
    "log group": ("log group", "logs", "delete_log_group", "logGroupName"),
    "policy": ("policy", "iam", "delete_policy", "PolicyArn"),
}  # fmt: skip
"""By kind: what it is to people, service, operation, and the parameter that names it."""


@dataclass(frozen=True, kw_only=True)
class Removal:
    clients: Clients
    journal: Journal
    wait: Callable[[float], None] = time.sleep

    def remove(self, found: Sequence[Leftover], kinds: Sequence[str]) -> None:
        """
        Raises:
            OpsError: something is not proven to be empty, or does not go.
            BotoCoreError, ClientError: AWS refused an action; what was done before is recorded.
        """
        for kind in kinds:
            # A root's id is shorter than its nested stacks', which go with it: it comes first.
            of_kind = [leftover for leftover in found if leftover.kind == kind]
            for each in sorted(of_kind, key=lambda each: len(each.name)):
                if not each.proven:
                    raise OpsError(f"{each.kind} {each.name}: {each.evidence}; it stays")
                or_none(partial(self._remove, each), *_GONE)

    def _remove(self, each: Leftover) -> None:
        if simple := _BY_ONE_CALL.get(each.kind):
            what, service, operation, parameter = simple
            with self.journal.action(f"delete {what} {each.name}"):
                getattr(self.clients(service), operation)(**{parameter: each.name})
            return
        {
            "database": self._database,
            "table": self._table,
            "queue": self._queue,
            "bucket": self._bucket,
            "stack": self._stack,
            "role": self._role,
            "key": self._key,
        }[each.kind](each.name)

    def _database(self, name: str) -> None:
        rds = self.clients("rds")
        (told,) = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
        if told.get("DeletionProtection"):
            with self.journal.action(f"lift the deletion protection of database {name}"):
                rds.modify_db_instance(
                    DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True
                )
        if told["DBInstanceStatus"] != "deleting":
            snapshot = f"{name}-last-{datetime.now(UTC):%Y%m%d-%H%M%S}"
            with self.journal.action(f"delete database {name}, with the final snapshot {snapshot}"):
                rds.delete_db_instance(
                    DBInstanceIdentifier=name, FinalDBSnapshotIdentifier=snapshot
                )
        look = partial(rds.describe_db_instances, DBInstanceIdentifier=name)
        self._until(lambda: or_none(look, *_GONE) is None, f"database {name}")

    def _table(self, name: str) -> None:
        dynamodb = self.clients("dynamodb")
        if dynamodb.describe_table(TableName=name)["Table"].get("DeletionProtectionEnabled"):
            with self.journal.action(f"lift the deletion protection of table {name}"):
                dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
        with self.journal.action(f"delete table {name}"):
            dynamodb.delete_table(TableName=name)
        look = partial(dynamodb.describe_table, TableName=name)
        self._until(lambda: or_none(look, *_GONE) is None, f"table {name}")

    def _queue(self, name: str) -> None:
        sqs = self.clients("sqs")
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        with self.journal.action(f"delete queue {name}"):
            sqs.delete_queue(QueueUrl=url)

    def _bucket(self, name: str) -> None:
        """Its policy denies deleting to everybody."""
        s3 = self.clients("s3")
        with self.journal.action(f"delete the policy of bucket {name}"):
            s3.delete_bucket_policy(Bucket=name)
        # Only S3's access logs, or it would not have been proven.
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
            versions = [
                {"Key": each["Key"], "VersionId": each["VersionId"]}
                for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
            ]
            if versions:
                with self.journal.action(f"delete {len(versions)} access logs in bucket {name}"):
                    s3.delete_objects(Bucket=name, Delete={"Objects": versions, "Quiet": True})
        with self.journal.action(f"delete bucket {name}"):
            s3.delete_bucket(Bucket=name)

    def _stack(self, stack_id: str) -> None:
        cloudformation = self.clients("cloudformation")
        stack = described(cloudformation, stack_id)
        if stack is None or stack["StackStatus"] == GONE:
            return
        name = stack["StackName"]
        if stack.get("EnableTerminationProtection"):
            with self.journal.action(f"lift the termination protection of stack {name}"):
                cloudformation.update_termination_protection(
                    StackName=name, EnableTerminationProtection=False
                )
        with self.journal.action(f"delete stack {name}, which was {stack['StackStatus']}"):
            cloudformation.delete_stack(StackName=stack_id)

            def ended() -> bool:
                now = described(cloudformation, stack_id)
                if now is None or now["StackStatus"] == GONE:
                    return True
                if now["StackStatus"] == "DELETE_FAILED":
                    raise OpsError(
                        f"stack {name} is DELETE_FAILED: {now.get('StackStatusReason', '')} Its "
                        "events name what is in the way. Network interfaces of functions take up "
                        "to 45 minutes to go: run this again then"
                    )
                return False

            self._until(ended, f"stack {name}")

    def _role(self, name: str) -> None:
        iam = self.clients("iam")
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        written = iam.list_role_policies(RoleName=name)["PolicyNames"]
        with self.journal.action(f"delete role {name}"):
            for policy in attached:
                iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
            for policy in written:
                iam.delete_role_policy(RoleName=name, PolicyName=policy)
            iam.delete_role(RoleName=name)

    def _key(self, key: str) -> None:
        with self.journal.action(
            f"schedule the deletion of key {key}, in {KEY_DAYS} days (to take that back: aws kms "
            f"cancel-key-deletion --key-id {key})"
        ):
            self.clients("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=KEY_DAYS)

    def _until(self, ended: Callable[[], bool], what: str) -> None:
        waited = 0.0
        while not ended():
            if waited > _LONGEST:
                raise OpsError(f"{what} is not gone after an hour: run this again")
            self.wait(_POLL_SECONDS)
            waited += _POLL_SECONDS


STACK_STATES: Final = frozenset(
    {"", GONE, "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE",
     "ROLLBACK_FAILED"}
)  # fmt: skip
"""Of the root, in which what there is may be left over; else it is deployed, or being so."""


def refuse_where_deployed(status: str) -> None:
    """Raises OpsError."""
    if status not in STACK_STATES:
        raise OpsError(
            f"{stack_name()} is {status}: it is deployed or being so, and nothing is left over"
        )
