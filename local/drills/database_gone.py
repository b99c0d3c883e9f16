"""The ledger's database is deleted while payments are sent, and comes back as it was some payments
before (docs/runbooks/restore.md)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from local.drills import gone
from local.drills.first_deployments import protections
from local.drills.payments import Traffic
from local.drills.releases import GOOD, RESTORED
from local.drills.report import Step, drill
from local.drills.site import Site, wait_until
from local.drills.states import states

NAME: Final = "payments-ledger"
_CLIENTS: Final = 6
_KEPT, _LOST, _ALL = 200, 350, 500
"""Payments accepted by the restored moment, by the deletion, and in the end."""

_WAY_BACK: Final = "docs/runbooks/restore.md#the-ledgers-database-is-gone"


@drill(
    "database-gone",
    "The ledger's database is gone: the way back to posted payments",
    GOOD,
    RESTORED,
)
def database_gone(site: Site) -> Iterator[Step]:
    site.ensure_deployed()
    begin = datetime.now(UTC)
    traffic = Traffic(site, clients=_CLIENTS, pause=0)
    traffic.start()
    try:
        wait_until(lambda: len(traffic.accepted) >= _KEPT, 600)
        moment = datetime.now(UTC)
        wait_until(lambda: len(traffic.accepted) >= _LOST, 600)
        before = _delete(site)
        wait_until(lambda: len(traffic.accepted) >= _ALL, 600)
    finally:
        traffic.stop()
    yield Step(
        f"delete {NAME} while payments are sent",
        f"{_ALL} payments are accepted; none is refused",
        len(traffic.accepted) >= _ALL and not traffic.refused,
        f"{len(traffic.accepted)} accepted; refused: {traffic.refused[:3] or 'none'}",
    )
    yield from _told(site)
    retries = _retries(site)
    _switch(site, retries, on=False)
    _restore(site, before, moment)
    lacks = "the ledger lacks what was posted since"
    yield _compared(site, begin, "restore it under its name, to five minutes before", lacks)
    done = site.deploy(RESTORED)
    yield Step(
        "cdk deploy -c database_restored_at=…",
        "UPDATE_COMPLETE; the functions may sign in, and it is protected again",
        done.succeeded and all(protections(site).values()),
        str(protections(site)) if done.succeeded else done.told,
        states(site),
    )
    yield from _replayed(site, begin)
    _switch(site, retries, on=True)
    yield from traffic.judge()
    yield _compared(site, begin, "reconcile --scan")
    bucket = site.find().outputs["AuditBucketName"]
    trail = site.ops("audit-trail", "verify", f"--bucket={bucket}")
    yield Step("audit-trail verify", "whole", trail.succeeded, trail.output[-300:])


def _delete(site: Site) -> dict[str, Any]:
    """As somebody does who means it; the description that it had."""
    rds = site.client("rds")
    (found,) = rds.describe_db_instances(DBInstanceIdentifier=NAME)["DBInstances"]
    rds.modify_db_instance(
        DBInstanceIdentifier=NAME, DeletionProtection=False, ApplyImmediately=True
    )
    rds.delete_db_instance(
        DBInstanceIdentifier=NAME, SkipFinalSnapshot=True, DeleteAutomatedBackups=False
    )
    before: dict[str, Any] = found
    return before


def _told(site: Site) -> Iterator[Step]:
    """What those on call see."""
    yield from gone.told(site, _WAY_BACK)
    status = site.find().call("GET", "/status").body
    ledger = status["components"]["ledger"]
    yield Step(
        "GET /status",
        "degraded: it says that the ledger's database must be restored",
        status["status"] == "degraded" and "must be restored" in ledger.get("detail", ""),
        str(ledger),
    )


def _retries(site: Site) -> str:
    mappings = site.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    (found,) = (each["UUID"] for each in mappings if ":sqs:" in each["EventSourceArn"])
    return str(found)


def _switch(site: Site, mapping: str, *, on: bool) -> None:
    site.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=on)


def _restore(site: Site, before: dict[str, Any], moment: datetime) -> None:
    rds = site.client("rds")
    rds.restore_db_instance_to_point_in_time(
        SourceDbiResourceId=before["DbiResourceId"],
        TargetDBInstanceIdentifier=NAME,
        RestoreTime=moment,
        DBSubnetGroupName=before["DBSubnetGroup"]["DBSubnetGroupName"],
        VpcSecurityGroupIds=[each["VpcSecurityGroupId"] for each in before["VpcSecurityGroups"]],
        DBParameterGroupName=before["DBParameterGroups"][0]["DBParameterGroupName"],
        MultiAZ=True,
        PubliclyAccessible=False,
        EnableIAMDatabaseAuthentication=True,
        CopyTagsToSnapshot=True,
        Tags=[each for each in before["TagList"] if not each["Key"].startswith("aws:")],
    )
    rds.get_waiter("db_instance_available").wait(
        DBInstanceIdentifier=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )


def _replayed(site: Site, begin: datetime) -> Iterator[Step]:
    for options, expected in (
        ([], "tells what would be queued; changes nothing"),
        (["--yes"], "queues what the ledger lacks, and records it"),
    ):
        told = site.reconcile(begin, "--replay", *options)["replay"]
        yield Step(
            f"reconcile --replay {' '.join(options)}",
            expected,
            bool(told["payments"]) and not told["left"] and told["done"] is bool(options),
            f"{len(told['payments'])} payments; left: {len(told['left'])}; {told['record']}",
        )


def _compared(site: Site, begin: datetime, name: str, lacks: str = "") -> Step:
    """
    Args:
        lacks: what is expected, unless that nothing differs.
    """
    document = site.reconcile(begin, "--scan")
    kinds = sorted({each["kind"] for each in document["differences"]})
    counts = [
        f"{store} {sum(each[store]['count'] for each in document['sums'])}"
        for store in ("ledger", "history", "audit")
    ]
    return Step(
        name,
        lacks or "no difference",
        kinds == (["no ledger entry"] if lacks else []) and document["held"] is not bool(lacks),
        f"{', '.join(counts)}; {', '.join(kinds) or 'no difference'}",
    )
