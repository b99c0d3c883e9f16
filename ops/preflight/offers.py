"""Whether AWS offers, in the zones that were chosen, what the app is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ops.console.checks import Check, judged, unseen
from ops.production.needs import Needs
from ops.production.questions import Clients
from ops.production.stack import REGION, every

_WITHOUT_LAMBDA: Final = frozenset({"use1-az3"})
"""By id: zone names stand for other buildings in each account. Lambda, "Troubleshoot networking
issues": functions in a VPC cannot stand there."""

_MADE_UP: Final = "the embedded environment's zones and catalogue are made up"


def zones(clients: Clients, needs: Needs) -> Iterator[Check]:
    """Whether the zones work, and take functions."""
    needed = ", ".join(needs.zones)
    if clients.emulated:
        yield unseen("availability zones", needed=needed, why=_MADE_UP)
        return
    described = {
        each["ZoneName"]: each
        for each in clients("ec2").describe_availability_zones()["AvailabilityZones"]
    }
    good = [
        name
        for name, each in sorted(described.items())
        if each["State"] == "available" and each["ZoneId"] not in _WITHOUT_LAMBDA
    ]
    mend = f"before the first deployment: -c availability_zones=..., three of: {', '.join(good)}"
    for name in needs.zones:
        zone = described.get(name, {"ZoneId": "not in this account", "State": "unknown"})
        yield judged(
            f"zone {name}",
            found=f"{zone['ZoneId']}, {zone['State']}"
            + (": Lambda does not work there" if zone["ZoneId"] in _WITHOUT_LAMBDA else ""),
            needed="available, with Lambda",
            held=name in good,
            mend=mend,
        )


def database(clients: Clients, needs: Needs) -> Iterator[Check]:
    """Whether RDS has the engine's version, and the instance class in each of the zones."""
    engine, major = needs.database["Engine"], str(needs.database["EngineVersion"])
    kind, storage = needs.database["DBInstanceClass"], needs.database["StorageType"]
    what = f"{engine} {major} on {kind}"
    if clients.emulated:
        yield unseen(what, needed=f"in {', '.join(needs.zones)}", why=_MADE_UP)
        return
    versions = [
        each["EngineVersion"]
        for each in every(clients("rds"), "describe_db_engine_versions", Engine=engine)
    ]
    matching = [each for each in versions if each == major or each.startswith(f"{major}.")]
    majors = sorted({each.split(".")[0] for each in versions}, key=lambda each: int(each))
    yield judged(
        f"{engine} {major}",
        found=f"offered: {', '.join(matching)}" if matching else f"offered: {', '.join(majors)}",
        needed=f"a version {major}",
        held=bool(matching),
        mend="name a major version that is offered in nested/data/ledger_database.py; the "
        "embedded environment's PostgreSQL must have the same",
    )
    if not matching:
        return
    newest = max(matching, key=lambda each: [int(part) for part in each.split(".")])
    offered = {
        zone["Name"]
        for option in every(
            clients("rds"),
            "describe_orderable_db_instance_options",
            Engine=engine,
            EngineVersion=newest,
            DBInstanceClass=kind,
        )
        if option["MultiAZCapable"] and option["Vpc"] and option["StorageType"] == storage
        for zone in option["AvailabilityZones"]
    }
    yield judged(
        what,
        found=f"Multi-AZ with {storage} in {', '.join(sorted(offered)) or f'no zone of {REGION}'}",
        needed=f"in {', '.join(needs.zones)}",
        held=set(needs.zones) <= offered,
        mend="another class, or before the first deployment: -c availability_zones=..., three of "
        "those where it is offered",
    )
