"""The ledger's database is deleted while payments are sent, and comes back as it was some payments
before (docs/runbooks/restore.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from local.drills import gone
from local.drills.first_deployments import protections
from local.drills.payments import Traffic
from local.drills.releases import GOOD, RESTORED
from local.drills.report import Drill, Step
from local.drills.site import Done, Site, wait_until
from local.drills.states import stack_id, states

NAME: Final = "payments-ledger"
_CLIENTS: Final = 6
_KEPT, _LOST, _ALL = 200, 350, 500
"""Payments accepted by the restored moment, by the deletion, and in the end."""

_WAY_BACK: Final = "docs/runbooks/restore.md#the-ledgers-database-is-gone"


def _database_gone(site: Site) -> Iterator[Step]:
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
        name=f"delete {NAME} while payments are sent",
        expected=f"{_ALL} payments are accepted; none is refused",
        held=len(traffic.accepted) >= _ALL and not traffic.refused,
        seen=f"{len(traffic.accepted)} accepted; refused: {traffic.refused[:3] or 'none'}",
    )
    yield from _told(site)
    retries = _retries(site)
    _switch(site, retries, on=False)
    _restore(site, before, moment)
    yield _compared(
        site,
        begin,
        "restore it under its name, to five minutes before",
        "the ledger lacks what was posted since",
        lacks=True,
    )
    done = site.deploy(RESTORED)
    yield Step(
        name="cdk deploy -c database_restored_at=…",
        expected="UPDATE_COMPLETE; the functions may sign in, and it is protected again",
        held=done.succeeded and all(protections(site).values()),
        states=states(site.client("cloudformation"), stack_id(site.client("cloudformation"))),
        seen=str(protections(site)) if done.succeeded else done.output[-500:],
    )
    yield from _replayed(site, begin)
    _switch(site, retries, on=True)
    yield from traffic.judge()
    yield _compared(site, begin, "reconcile --scan", "no difference", lacks=False)
    bucket = site.find().outputs["AuditBucketName"]
    trail = site.ops("audit-trail", "verify", f"--bucket={bucket}")
    yield Step(
        name="audit-trail verify",
        expected="whole",
        held=trail.succeeded,
        seen=trail.output[-300:],
    )


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
        name="GET /status",
        expected="degraded: it says that the ledger's database must be restored",
        held=status["status"] == "degraded" and "must be restored" in ledger.get("detail", ""),
        seen=str(ledger),
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
        told = json.loads(_reconcile(site, begin, "--replay", *options).output)["replay"]
        yield Step(
            name=f"reconcile --replay {' '.join(options)}",
            expected=expected,
            held=bool(told["payments"]) and not told["left"] and told["done"] is bool(options),
            seen=f"{len(told['payments'])} payments; left: {len(told['left'])}; {told['record']}",
        )


def _reconcile(site: Site, begin: datetime, *options: str) -> Done:
    period = f"--from={begin:%Y-%m-%dT%H:%M:%SZ}"
    return site.ops("reconcile", period, "--grace=0", "--json", *options)


def _compared(site: Site, begin: datetime, name: str, expected: str, *, lacks: bool) -> Step:
    done = _reconcile(site, begin, "--scan")
    document = json.loads(done.output)
    kinds = sorted({each["kind"] for each in document["differences"]})
    counts = {
        store: sum(each[store]["count"] for each in document["sums"])
        for store in ("ledger", "history", "audit")
    }
    return Step(
        name=name,
        expected=expected,
        held=kinds == (["no ledger entry"] if lacks else []) and done.succeeded is not lacks,
        seen=", ".join(f"{store} {count}" for store, count in counts.items())
        + f"; {', '.join(kinds) or 'no difference'}",
    )


DRILLS = [
    Drill(
        name="database-gone",
        title="The ledger's database is gone: the way back to posted payments",
        run=_database_gone,
        releases=[GOOD, RESTORED],
    )
]
