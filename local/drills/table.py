"""The history's table is deleted, or what is in it is changed: docs/runbooks/table-lost.md, pasted
as it stands, brings all of it back, and payments go on."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from local import deployed
from local.drills import gone, runbook
from local.drills.payments import Traffic, unfinished
from local.drills.releases import GOOD, Release
from local.drills.report import Step, drill
from local.drills.site import Done, Site, wait_until

_RUNBOOK = "table-lost.md"
_TABLE = "payment-transactions"
_CHANGED = "history item changed"
_SECONDS = 8.0  # of payments each: before, meanwhile and afterwards

RESTORED = Release(name="restored", context={"table_restored": "2026-01-31"})

_Payments = Mapping[str, int]
_Damage = Callable[[Site, _Payments, _Payments], set[str]]
"""What somebody does to payments of before, and of after, the moment to be restored; the ids of
those that they made up."""


def _gone(site: Site, before: _Payments, meanwhile: _Payments) -> set[str]:
    """Some items first, so that the backup which the table leaves lacks them; then all of it."""
    dynamodb = site.client("dynamodb")
    _delete(site, [next(iter(before)), next(iter(meanwhile))])
    dynamodb.update_table(TableName=_TABLE, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=_TABLE)
    return set()


def _wrong(site: Site, before: _Payments, meanwhile: _Payments) -> set[str]:
    """Postings and a request deleted, amounts changed, and a posting put in."""
    dynamodb = site.client("dynamodb")
    (old, old_too), (new, new_too) = list(before)[:2], list(meanwhile)[:2]
    _delete(site, [old, new])
    for id_ in (old_too, new_too):
        dynamodb.update_item(
            TableName=_TABLE,
            Key=_key(id_, 0),
            UpdateExpression="SET amount = :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
    made_up = {
        "state": {"S": "posted"},
        "entry_id": {"S": str(uuid.uuid4())},
        "merchant_id": {"S": "drill"},
        "amount": {"N": "1000000"},
        "currency": {"S": "EUR"},
    }
    id_ = str(uuid.uuid4())
    item = {**made_up, **_key(id_, time.time_ns() // 1000)}
    dynamodb.put_item(TableName=_TABLE, Item=item)
    return {id_}


def _delete(site: Site, payments: list[str]) -> None:
    for id_ in payments:
        for item in deployed.history(site.find(), id_):
            key = _key(id_, int(item["timestamp"]))
            site.client("dynamodb").delete_item(TableName=_TABLE, Key=key)


def _key(transaction_id: str, timestamp: int) -> dict[str, Any]:
    return {"transaction_id": {"S": transaction_id}, "timestamp": {"N": str(timestamp)}}


@drill("table-gone", "The table is deleted while payments are made", GOOD, RESTORED)
@runbook.with_cli
def table_gone(site: Site) -> Iterator[Step]:
    yield from _restored(site, _gone, "It is gone")


@drill("table-wrong", "Somebody deletes, changes and makes up what is in the table", GOOD, RESTORED)
@runbook.with_cli
def table_wrong(site: Site) -> Iterator[Step]:
    yield from _restored(site, _wrong, "It is wrong")


def _restored(site: Site, damage: _Damage, remedy: str) -> Iterator[Step]:
    """
    Args:
        remedy: the runbook's section for it.
    """
    site.ensure_deployed()
    before = _pay(site)
    time.sleep(1)  # moments are whole seconds
    moment = datetime.now(UTC) + timedelta(seconds=1)
    time.sleep(2)
    clients = Traffic(site, patient=False)
    clients.start()
    try:
        time.sleep(_SECONDS)
        made_up = damage(site, before, dict(clients.accepted))
        time.sleep(2)
    finally:
        clients.stop()
    paid = {**before, **clients.accepted}
    yield from _told(site) if damage is _gone else _found(site, moment)
    site.paste(f"MOMENT={moment:%Y-%m-%dT%H:%M:%SZ}").require()
    yield _pasted(site, "Stop what writes")
    wait_until(lambda: _is_read(site))
    yield _pasted(site, remedy)
    yield _pasted(site, "Its settings")
    yield from _replayed(site, moment, made_up)
    yield _mapped_anew(site)
    yield _agreed(site, moment, paid, made_up, "reconcile")
    yield _pasted(site, "Look, and let payments in")
    paid |= _pay(site)
    yield _agreed(site, moment, paid, made_up, "send payments again, and reconcile")


def _pasted(site: Site, heading: str) -> Step:
    """What a section of the runbook gives to be pasted, but for the operator's tool, which judges,
    and for another case than this."""
    found = runbook.blocks(_RUNBOOK, heading, until="`BACKUP` is `None`")
    script = "\n".join(block for block in found if "-m ops" not in block)
    return runbook.pasted(f"*{heading}*", runbook.paste(site, script), held=bool(script.strip()))


def _pay(site: Site) -> dict[str, int]:
    """Payments for a while, and until they are in the history."""
    clients = Traffic(site)
    clients.start()
    time.sleep(_SECONDS)
    clients.stop()
    wait_until(lambda: unfinished(site.find()) == 0)
    return clients.accepted


def _told(site: Site) -> Iterator[Step]:
    """What those on call see."""
    status = site.find().call("GET", "/status")
    component = status.body.get("components", {}).get("transactions_table", {})
    held = status.status == 503 and "does not exist" in component.get("detail", "")
    yield Step("GET /status", "outage; the table does not exist", held, str(component))
    yield from gone.told(site, _RUNBOOK)


def _found(site: Site, moment: datetime) -> Iterator[Step]:
    wait_until(lambda: _is_read(site))
    told = _reconciled(site, moment)
    kinds = {each["kind"] for each in told["differences"]}
    expected = {_CHANGED, "history item deleted", "no ledger entry"}
    wanted = f"tells of each: {', '.join(sorted(expected))}"
    yield Step("python -m ops reconcile", wanted, expected <= kinds, ", ".join(sorted(kinds)))


def _is_read(site: Site) -> bool:
    """Whether audit-logger has nothing left to read."""
    counts = []
    for _ in range(2):
        time.sleep(2)
        counts.append(len(_audit_keys(site)))
    return counts[0] == counts[1]


def _audit_keys(site: Site) -> list[str]:
    bucket = site.find().outputs["AuditBucketName"]
    pages = site.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [each["Key"] for page in pages for each in page.get("Contents", [])]


def _replayed(site: Site, moment: datetime, made_up: set[str]) -> Iterator[Step]:
    def replay(*more: str) -> tuple[Done, dict[str, Any]]:
        done = site.ops("replay-history", "--from", f"{moment:%Y-%m-%dT%H:%M:%SZ}", "--json", *more)
        return done, done.document if "{" in done.output else {}

    results = [replay(), replay("--yes"), replay("--yes")]
    (_, dry), (_, real), (done, again) = results
    refused = {key.partition("/")[0] for key in real.get("refused", {})}
    yield Step(
        "python -m ops replay-history, with --yes, and again",
        "the first tells what is lacking, the second puts it back, the third finds nothing; what "
        "somebody made up is named",
        bool(real.get("lacking"))
        and dry["lacking"] == real["lacking"]
        and not again["lacking"]
        and refused == made_up,
        f"put back: {real['lacking']}; refused: {list(real['refused'].values())}"
        if real
        else done.output[-500:],
    )


def _mapped_anew(site: Site) -> Step:
    """What the runbook's `make deploy` does."""
    unread = site.ops("verify", "--no-drift", "--json").output.count("no mapping")
    released = site.operate(RESTORED, "deploy", "--yes")
    table = site.client("dynamodb").describe_table(TableName=_TABLE)["Table"]
    mappings = site.client("lambda").list_event_source_mappings(FunctionName="audit-logger")
    sources = [each["EventSourceArn"] for each in mappings["EventSourceMappings"]]
    return Step(
        "python -m ops deploy -c table_restored=2026-01-31",
        "`verify` misses the mapping before; then audit-logger reads the new stream, only",
        unread == 1 and released.succeeded and sources == [table["LatestStreamArn"]],
        f"mapped to {sources}; {released.told}",
    )


def _reconciled(site: Site, moment: datetime) -> dict[str, Any]:
    return site.reconcile(moment - timedelta(minutes=5), "--scan")


def _agreed(site: Site, moment: datetime, paid: _Payments, made_up: set[str], name: str) -> Step:
    def differences() -> list[dict[str, Any]]:
        return [
            each
            for each in _reconciled(site, moment)["differences"]
            if each["kind"] != _CHANGED and each["transaction_id"] not in made_up
        ]

    found = deployed.eventually(differences, lambda those: not those)
    deployment = site.find()
    posted = {
        id_: [
            int(item["amount"])
            for item in deployed.history(deployment, id_)
            if item["state"] in ("approved", "posted")
        ]
        for id_ in paid
    }
    return Step(
        name,
        "ledger, history and audit trail agree; each payment is once in all of them",
        not found and posted == {id_: [amount] * 2 for id_, amount in paid.items()},
        f"{len(paid)} payments; differences: {found or 'none'}"[:500],
    )
