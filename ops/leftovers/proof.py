"""Whether what is left is empty of business: no item, no message, no object, no entry.

What cannot be proven is not, and is never touched.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from botocore.exceptions import ClientError
from pg8000.exceptions import DatabaseError, InterfaceError  # type: ignore[import-untyped]
from pg8000.native import Connection  # type: ignore[import-untyped]

from assurance.assembly import NESTED_STACK
from ops.leftovers.model import Leftover
from ops.production.assembly import STACK
from ops.production.questions import Clients

COMPLETE: Final = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
_SECONDS: Final = 5
"""For a database that stands in private subnets: nobody is let in but the functions."""
_ACCESS_LOGS: Final = "AuditBucketAccessLogs"
_COUNTS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def proven(clients: Clients, found: Sequence[Leftover]) -> list[Leftover]:
    """The same, each with its verdict."""
    creations = Creations(clients)
    judged = [_judged(clients, creations, each) for each in found]
    history = [each for each in judged if each.kind == "table"]
    nothing_written = all(each.proven for each in history)
    return [
        _database(clients, creations, each, nothing_written) if each.kind == "database" else each
        for each in judged
    ]


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
        pages = cloudformation.get_paginator("list_stacks").paginate()
        summaries = [each for page in pages for each in page["StackSummaries"]]
        found: dict[str, bool] = {}
        for root in (each["StackId"] for each in summaries if each["StackName"] == STACK):
            pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=root)
            events = [event for page in pages for event in page["StackEvents"]]
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
    f"a {STACK} that was complete made it, or may have: that was production, see "
    "docs/runbooks/teardown.md"
)


def _judged(clients: Clients, creations: Creations, each: Leftover) -> Leftover:
    failed, why = creations.failed(each.owner)
    if not failed:
        return replace(each, evidence=why)
    empty, evidence = _emptiness(clients, each)
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
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(_COUNTS))["Attributes"]
    messages = sum(int(told[each]) for each in _COUNTS)
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
        return False, f"{status}: aws cloudformation rollback-stack --stack-name {STACK} first"
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


def _database(
    clients: Clients, creations: Creations, each: Leftover, nothing_written: bool
) -> Leftover:
    failed, why = creations.failed(each.owner)
    if not failed:
        return replace(each, evidence=why)
    try:
        entries = _entries(clients, each.name)
    except DatabaseError as error:
        return replace(each, evidence=f"its entries could not be counted: {error}")
    except (InterfaceError, OSError, KeyError, ClientError):
        # A payment is written into the history before it is posted (docs/payments.md).
        evidence = "it lets nobody in from here; its stack was never complete, and the history, "
        return replace(
            each,
            proven=nothing_written,
            evidence=evidence
            + ("which comes first, is empty" if nothing_written else "is not proven empty"),
        )
    return replace(
        each, proven=not entries, evidence=f"{entries} entries" if entries else "no entry"
    )


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
