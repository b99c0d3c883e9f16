"""Whether what is left is empty of business: no item, no message, no object, no entry.

What cannot be proven is not, and is never touched.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Final

from botocore.exceptions import ClientError
from pg8000.exceptions import DatabaseError, InterfaceError  # type: ignore[import-untyped]
from pg8000.native import Connection  # type: ignore[import-untyped]

from assurance.assembly import NESTED_STACK
from ops.console.environment import stack_name
from ops.leftovers.search import Leftover
from ops.production.questions import Clients
from ops.production.queues import messages_in
from ops.production.stack import every

COMPLETE: Final = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
_SECONDS: Final = 5
"""For a database that stands in private subnets: nobody is let in but the functions."""
_ACCESS_LOGS: Final = "AuditBucketAccessLogs"


def proven(clients: Clients, found: Sequence[Leftover]) -> list[Leftover]:
    """The same, each with its verdict; databases last, as the history says something of them."""
    creations = Creations(clients)
    others = [
        _judged(creations, each, partial(_emptiness, clients, each))
        for each in found
        if each.kind != "database"
    ]
    nothing_written = all(each.proven for each in others if each.kind == "table")
    databases = [
        _judged(creations, each, partial(database, clients, each.name, nothing_written))
        for each in found
        if each.kind == "database"
    ]
    return [*others, *databases]


@dataclass(frozen=True)
class Creations:
    """The root stacks that CloudFormation remembers: for 90 days after their end."""

    clients: Clients

    def failed(self, owner: str) -> tuple[bool, str]:
        """Whether what made something never was production, and how that is known.

        Args:
            owner: the id of a stack; empty, if nobody knows which.
        """
        if owner and owner not in self._complete:
            return False, "its stack is no longer known: nobody can tell whether it was complete"
        if not self._complete:
            return False, "no stack that made it is known"
        complete = self._complete[owner] if owner else any(self._complete.values())
        return (False, _WAS_COMPLETE) if complete else (True, "")

    @cached_property
    def _complete(self) -> dict[str, bool]:
        """Whether a root stack ever was complete, by its id and those of its nested stacks."""
        cloudformation = self.clients("cloudformation")
        summaries = [*every(cloudformation, "list_stacks")]
        found: dict[str, bool] = {}
        for root in (each["StackId"] for each in summaries if each["StackName"] == stack_name()):
            events = [*every(cloudformation, "describe_stack_events", StackName=root)]
            complete = any(
                event.get("PhysicalResourceId") == root and event["ResourceStatus"] in COMPLETE
                for event in events
            )
            nested = {
                event.get("PhysicalResourceId", "")
                for event in events
                if event["ResourceType"] == NESTED_STACK
            }
            found |= dict.fromkeys({root} | nested - {""}, complete)
        # Those of a change set that was never carried out: nothing was made.
        for each in summaries:
            if each["StackStatus"] == "REVIEW_IN_PROGRESS":
                found.setdefault(each["StackId"], False)
        return found


_WAS_COMPLETE: Final = (
    "a stack that was complete made it, or may have: that was production, see "
    "docs/runbooks/teardown.md"
)


def _judged(creations: Creations, each: Leftover, look: Callable[[], tuple[bool, str]]) -> Leftover:
    failed, why = creations.failed(each.owner)
    if not failed:
        return replace(each, evidence=why)
    empty, evidence = look()
    return replace(each, proven=empty, evidence=evidence)


def _emptiness(clients: Clients, each: Leftover) -> tuple[bool, str]:
    match each.kind:
        case "table":
            read = clients("dynamodb").scan(TableName=each.name, Limit=1, ConsistentRead=True)
            # A page without an item may come before one that has some.
            empty = not read["Items"] and "LastEvaluatedKey" not in read
            return empty, "no item" if empty else "holds items"
        case "queue":
            return _queue(clients("sqs"), each.name)
        case "bucket":
            return _bucket(clients("s3"), each)
        case "stack":
            return _stack(each.evidence)
        case "role":
            return _role(clients, each.name)
        case "log group":
            return True, "logs of a creation that failed"
        case "key":
            return True, "nothing but what is listed here is under it"
        case "subnet group" | "parameter group" | "policy" | "network interface":
            return True, "holds nothing"
    return False, "not looked into"


def _queue(sqs: Any, name: str) -> tuple[bool, str]:
    messages = messages_in(sqs, sqs.get_queue_url(QueueName=name)["QueueUrl"])
    return messages == 0, f"{messages} messages" if messages else "no message"


def _bucket(s3: Any, each: Leftover) -> tuple[bool, str]:
    read = s3.list_object_versions(Bucket=each.name, MaxKeys=1)
    if not read.get("Versions") and not read.get("DeleteMarkers"):
        return True, "no object"
    if each.logical_id.startswith(_ACCESS_LOGS):
        return True, "S3's logs of who looked into the audit bucket; they go with it"
    return False, "holds objects"


def _stack(status: str) -> tuple[bool, str]:
    if status == "CREATE_FAILED":
        stack = stack_name()
        return False, f"{status}: aws cloudformation rollback-stack --stack-name {stack} first"
    if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        return False, f"{status}: wait until that has ended"
    return True, status


def _role(clients: Clients, name: str) -> tuple[bool, str]:
    """API Gateway's logging role is the account's, and others may log by it."""
    gateway = clients("apigateway")
    used = str(gateway.get_account().get("cloudwatchRoleArn", "")).endswith(f"/{name}")
    if used and gateway.get_rest_apis(limit=1)["items"]:
        return False, "other APIs of this account log by it: give API Gateway another one first"
    return True, "holds nothing"


def database(clients: Clients, name: str, nothing_written: bool) -> tuple[bool, str]:
    """Whether it is empty, and how that is known.

    Args:
        nothing_written: that the history, which is written first, is empty.
    """
    try:
        entries = _entries(clients, name)
    except DatabaseError as error:
        return False, f"its entries could not be counted: {error}"
    except (InterfaceError, OSError, KeyError, ClientError):
        # A payment is written into the history before it is posted (docs/payments.md).
        evidence = "it lets nobody in from here; its stack was never complete, and the history, "
        return nothing_written, evidence + (
            "which comes first, is empty" if nothing_written else "is not proven empty"
        )
    return not entries, f"{entries} entries" if entries else "no entry"


def _entries(clients: Clients, name: str) -> int:
    """How many rows the tables of the ledger have, the names of its migrations apart."""
    (instance,) = clients("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    told = clients("secretsmanager").get_secret_value(
        SecretId=instance["MasterUserSecret"]["SecretArn"]
    )
    master = json.loads(told["SecretString"])
    # SCRAM proves to each side that the other has the password, whatever the certificate says.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = Connection(
        master["username"],
        password=master["password"],
        host=instance["Endpoint"]["Address"],
        port=int(instance["Endpoint"]["Port"]),
        database=instance["DBName"],
        ssl_context=context,
        timeout=_SECONDS,
    )
    try:
        return sum(_rows(connection))
    finally:
        connection.close()


def _rows(connection: Any) -> Iterator[int]:
    tables = connection.run(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN "
        "('pg_catalog', 'information_schema') AND tablename <> 'schema_migrations'"
    )
    for (table,) in tables:
        ((rows,),) = connection.run(f"SELECT count(*) FROM {table}")  # noqa: S608 - quoted
        yield int(rows)
