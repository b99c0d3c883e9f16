"""What the old environment holds, and who uses it: data, messages, clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ops.inspection.compute import paths_besides
from ops.inspection.subjects import Subjects
from ops.migration.todo import Group, Importance, Todo
from ops.production.questions import Clients
from ops.production.queues import messages_in
from ops.production.stack import every

_ANEW: Final = "docs/migration.md, Data, tells why"


def in_table(clients: Clients, subjects: Subjects) -> Iterator[Todo]:
    name = subjects.table
    if not name:
        return
    items = clients("dynamodb").describe_table(TableName=name)["Table"].get("ItemCount", 0)
    yield Todo(
        group=Group.DECIDE,
        importance=Importance.MEDIUM,
        requirement="R9",
        what=f"items of {name}: is an export kept?",
        found=f"about {items}",
        mend=f"payments of the old environment are not imported ({_ANEW}); an export keeps them",
        command=f"aws dynamodb scan --table-name {name} --output json > {name}.json\n"
        f"aws dynamodb create-backup --table-name {name} --backup-name {name}-last",
    )


def in_database(clients: Clients, subjects: Subjects) -> Iterator[Todo]:
    name = subjects.database
    if not name:
        return
    (found,) = clients("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    storage = f"{found['Engine']}, {found.get('AllocatedStorage', '?')} GiB"
    yield Todo(
        group=Group.REMAINS,
        importance=Importance.HIGH,
        requirement="R4",
        what=f"last snapshot of {name}",
        found=storage,
        mend="before it is switched off; an export (pg_dump) besides can be read without RDS",
        command=f"aws rds create-db-snapshot --db-instance-identifier {name} "
        f"--db-snapshot-identifier {name}-last",
    )
    yield Todo(
        group=Group.DECIDE,
        importance=Importance.HIGH,
        requirement="R4",
        what=f"opening balances of merchants in {name}",
        found=storage,
        mend="if merchants are owed money, each balance is one entry through the ledger's own "
        "door (docs/migration.md, Data); rows are not copied",
    )


def in_bucket(clients: Clients, subjects: Subjects) -> Iterator[Todo]:
    name = subjects.bucket
    if not name:
        return
    page = clients("s3").list_objects_v2(Bucket=name, MaxKeys=1000)
    count = f"{page.get('KeyCount', 0)}{' or more' if page.get('IsTruncated') else ''} objects"
    yield Todo(
        group=Group.DECIDE,
        importance=Importance.MEDIUM,
        requirement="R10",
        what=f"audit logs in {name}: how long are they kept?",
        found=count,
        mend="they stay where they are, or are copied elsewhere: production's trail is a chain "
        "from its first object, and takes none of others",
        command=f"aws s3 sync s3://{name} {name}",
    )


def in_queue(clients: Clients, subjects: Subjects) -> Iterator[Todo]:
    if not (url := subjects.queue):
        return
    yield Todo(
        group=Group.REMAINS,
        importance=Importance.HIGH,
        requirement="R11",
        what=f"messages in {url.rsplit('/', 1)[-1]} at the cut-over",
        found=f"about {messages_in(clients('sqs'), url)}",
        mend="let the old environment work them off: production's queue does not know them. What "
        "is left is settled by hand, payment by payment",
        command=f"aws sqs get-queue-attributes --queue-url {url} --attribute-names All",
    )


def plans(clients: Clients, api: str) -> list[Mapping[str, Any]]:
    """The usage plans that an API is in."""
    return [
        plan
        for plan in every(clients("apigateway"), "get_usage_plans")
        if api in [each["apiId"] for each in plan.get("apiStages", [])]
    ]


def of_clients(clients: Clients, subjects: Subjects) -> Iterator[Todo]:
    if not (api := subjects.api):
        return
    gateway = clients("apigateway")
    keys = {
        key["id"]
        for plan in plans(clients, api)
        for key in every(gateway, "get_usage_plan_keys", usagePlanId=plan["id"])
    }
    yield Todo(
        group=Group.REMAINS,
        importance=Importance.HIGH,
        requirement="R8",
        what="clients get production's address and an API key of production",
        found=f"{len(keys)} API keys" if keys else "no API key: who calls is known from logs only",
        mend="and its contract, docs/openapi.yaml (docs/migration.md, Cut-over); keys and "
        "addresses of the old environment do not lead to production",
    )
    others = sorted(paths_besides(clients, api))
    if others:
        yield Todo(
            group=Group.DECIDE,
            importance=Importance.HIGH,
            requirement="R7",
            what="paths of the API that production has not",
            found=", ".join(others),
            mend="who calls them stops calling, or they are built (docs/changing.md, An endpoint)",
        )
