"""Objects of the audit trail are deleted, overwritten, erased and forged: each is told, with what
is intact, and so are the payments without a record (docs/runbooks/audit-trail.md)."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from local import deployed
from local.drills import runbook
from local.drills.report import Step, drill
from local.drills.site import Site, wait_until

_RUNBOOK = "audit-trail.md"
_OBJECTS = 8
"""With records, of which some are hurt, and others stand before, between and behind them."""

_OFFICER, _LEAD_TOO = "security officer", "security officer, payments lead"


@drill("trail-broken", "Somebody deletes, overwrites, erases and forges objects of the audit trail")
@runbook.with_cli
def trail_broken(site: Site) -> Iterator[Step]:
    site.ensure_deployed()
    begin = datetime.now(UTC)
    trail = _paid(site)
    hurt = _Hurt(site, trail)

    told = site.told("audit-trail", "verify", f"--bucket={hurt.bucket}")
    found = {
        (each["fault"], each["key"], each["intact"], each["tell"])
        for each in (*told["faults"], *told["forged"])
    }
    yield Step(
        "python -m ops audit-trail verify",
        "all four faults, the intact versions, and whom to tell",
        found == hurt.expected,
        ", ".join(sorted(fault for fault, *_ in found)),
    )
    yield _read(site, hurt)
    yield _pasted(site, hurt)
    _, _, none, _ = runbook.blocks(_RUNBOOK, "What was there")
    done = runbook.paste(site, none, {"PASTE-THE-KEY": hurt.erased})
    yield runbook.pasted(
        "*None is intact*",
        done,
        expected="audit-logger told of the object that was erased",
        held="records audited" in done.output,
    )
    yield from _walked(site, begin, hurt)
    lacking = {
        each["transaction_id"]
        for each in site.reconcile(begin)["differences"]
        if each["kind"] == "no audit record"
    }
    yield Step(
        "python -m ops reconcile",
        "names the payments without an audit record",
        lacking == set[str]().union(*(trail[key] for key in hurt.records)),
        f"{len(lacking)} of {len(set[str]().union(*trail.values()))} payments",
    )


def _paid(site: Site) -> dict[str, set[str]]:
    """Payments, until the trail has objects enough: the payments that each has records of."""
    deployment, paid = site.find(), set[str]()
    before = {each.key for each in deployed.audited(deployment)}

    def audited() -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for each in deployed.audited(deployment):
            if each.key not in before:
                found.setdefault(each.key, []).append(each.transaction_id)
        return found

    def all_are_complete() -> bool:
        records = Counter(chain(*audited().values()))
        return all(records[each] == 2 for each in paid)

    while len(audited()) < _OBJECTS:
        paid.add(deployed.post(deployment))
    wait_until(all_are_complete)
    return {key: set(ids) for key, ids in audited().items()}


class _Hurt:
    """What somebody did to the trail, who may do all.

    Attributes:
        expected: fault, key, intact version, and whom to tell.
        versions, intact: as they were, by key; the contents of those that can be read.
    """

    def __init__(self, site: Site, trail: dict[str, set[str]]) -> None:
        s3, self.bucket = site.client("s3"), site.find().outputs["AuditBucketName"]
        _, self.deleted, _, self.overwritten, _, self.erased, last, *_ = sorted(trail)
        self.records = (self.deleted, self.overwritten, self.erased)
        self.forged = last.replace(".ndjson", f"-{'0' * 16}.ndjson")
        self.versions: dict[str, str] = {}
        self.intact: dict[str, bytes] = {}
        for key in self.records:
            stored: Any = s3.get_object(Bucket=self.bucket, Key=key)
            self.versions[key], self.intact[key] = stored["VersionId"], stored["Body"].read()
        del self.intact[self.erased]
        s3.delete_object(Bucket=self.bucket, Key=self.deleted)
        for key in (self.overwritten, self.forged):
            s3.put_object(Bucket=self.bucket, Key=key, Body=gzip.compress(b""))
        s3.delete_object(
            Bucket=self.bucket,
            Key=self.erased,
            VersionId=self.versions[self.erased],
            BypassGovernanceRetention=True,
        )
        self.expected = {
            ("deleted", self.deleted, self.versions[self.deleted], _OFFICER),
            ("overwritten", self.overwritten, self.versions[self.overwritten], _OFFICER),
            ("missing", self.erased, "", _LEAD_TOO),
            ("forged", self.forged, "", _OFFICER),
        }


def _read(site: Site, hurt: _Hurt) -> Step:
    told = site.ops("audit-trail", "verify", f"--bucket={hurt.bucket}").output
    read: dict[str, bytes] = {}
    for line in re.findall(r"intact: (aws .+)", told):
        (key,) = (each for each in hurt.intact if each in line)
        runbook.paste(site, f"cd {site.directory}\n{line}").require()
        read[key] = (site.directory / "intact.ndjson.gz").read_bytes()
    expected, seen = "reads the very content of before", f"{len(read)} objects"
    return Step("paste each line `intact:`", expected, read == hurt.intact, seen)


def _pasted(site: Site, hurt: _Hurt) -> Step:
    """What the page has for an object that is deleted, and for when that was."""
    (look,) = runbook.blocks(_RUNBOOK, "What is wrong")
    site.paste(look.partition(".venv")[0]).require()
    intact, *_ = runbook.blocks(_RUNBOOK, "What was there")
    when, *_ = runbook.blocks(_RUNBOOK, "Who did it")
    version = hurt.versions[hurt.deleted]
    values = {"PASTE-THE-KEY": hurt.deleted, "PASTE-THE-VERSION": version}
    done = runbook.paste(site, f"{intact}\n{when}", values)
    return runbook.pasted(
        "*An intact version* and *Who did it*",
        done,
        expected="the records, and when it was deleted",
        held=gzip.decompress(hurt.intact[hurt.deleted]).decode() in done.output
        and len(re.findall(r"^20\S+\t", done.output, re.MULTILINE)) == len(("version", "marker")),
    )


def _walked(site: Site, begin: datetime, hurt: _Hurt) -> Iterator[Step]:
    """What the night finds."""
    *_, walk = (
        each for each in runbook.blocks("business.md", "reconciliation-missing") if "walk" in each
    )
    day = {"PASTE-THE-DAY-AS-2026-01-31": f"{begin:%Y-%m-%d}"}
    yield runbook.pasted(
        "the invocations of *reconciliation-missing*", runbook.paste(site, walk, day)
    )
    _, look, *_ = runbook.blocks("business.md", "audit-trail-broken")

    def told() -> set[tuple[str, str]]:
        lines = runbook.paste(site, look).require().output.splitlines()
        found = (json.loads(line) for line in lines if line.startswith("{"))
        return {(each["kind"], each["key"]) for each in found}

    expected = {(fault, key) for fault, key, *_ in hurt.expected}
    found = deployed.eventually(told, lambda found: expected <= found)
    yield Step(
        "paste what *audit-trail-broken* has for the log of payments-reconciliation",
        "the walk found the same",
        found == expected,
        ", ".join(sorted(fault for fault, _ in found)),
    )
