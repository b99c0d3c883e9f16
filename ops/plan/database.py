"""What a deployment does to a database that is running, by its live values.

CloudFormation has RDS apply changes at once, not in the maintenance window (`ApplyImmediately`),
with whatever waits for that window, and restarts an instance that it changes while a static
parameter waits for a restart (UpdateHandler of
aws-cloudformation/aws-cloudformation-resource-providers-rds). What interrupts is told in the Amazon
RDS user guide, "Settings for DB instances". Only read permissions are needed:
rds:DescribeDBInstances, rds:DescribeDBParameters and rds:DescribeEngineDefaultParameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from ops.console.failure import denied
from ops.plan.comparison import Certainty, Comparison
from ops.plan.model import Action, Change, Remark, Weight
from ops.production.stack import every

_INSTANCE: Final = "AWS::RDS::DBInstance"
_PARAMETER_GROUP: Final = "AWS::RDS::DBParameterGroup"

Properties = Mapping[str, Any]
Found = Iterator[tuple[Weight, str]]

# RDS grows storage by a tenth at least ("Increasing DB instance storage capacity"), and wants the
# limit of its own growth as far above.
_LEAST_STEP: Final = 0.1

# By property, what happens when it changes, beyond what has rules of its own below.
_INTERRUPTIONS: Final[Mapping[str, str]] = {
    "AutoMinorVersionUpgrade": "RDS may install a newer minor version in the maintenance window",
    "CACertificateIdentifier": "another certificate authority: RDS restarts the database, unless "
    "its version takes certificates without (clients must trust the new one first)",
    "Domain": "RDS restarts the database",
    "Iops": "no interruption, but slower until RDS has moved the data",
    "LicenseModel": "RDS restarts the database",
    "MultiAZ": "no interruption, but slower while RDS makes the second instance",
    "NetworkType": "RDS restarts the database",
    "OptionGroupName": "another option group: RDS may restart the database",
    "PreferredMaintenanceWindow": "what waits for the window is done at once, if the new one has "
    "begun",
    "ProcessorFeatures": "RDS restarts the database",
    "StorageThroughput": "no interruption, but slower until RDS has moved the data",
    "StorageType": "slower until RDS has moved the data; a database without a second zone may stop",
}
# States that RDS does not leave by itself; in the others, CloudFormation waits.
_STANDING_STATES: Final = ("failed", "inaccessible", "incompatible", "restore-error", "stopp")


@dataclass(frozen=True)
class _Instance:
    """One that changes in place.

    Attributes:
        changed: names of the properties that do.
        live: DescribeDBInstances's answer; empty if there is none.
    """

    old: Properties
    new: Properties
    changed: frozenset[str]
    live: Mapping[str, Any]

    def number(self, name: str) -> int | None:
        """A size as it is: live, or by the deployed template."""
        return _number(self.live.get(name, self.old.get(name)))

    def text(self, name: str) -> str:
        """A value as it is, likewise."""
        return _text(self.live.get(name, self.old.get(name)))

    def is_wanted(self, name: str) -> bool:
        return self.new.get(name) in (True, "true")


def remarks(changes: Sequence[Change], comparison: Comparison, rds: Any) -> Iterator[Remark]:
    """On databases and their parameters that are changed in place."""
    changing = [change for change in changes if change.action is Action.CHANGED]
    instances = [change for change in changing if change.resource_type == _INSTANCE]
    for change in changing:
        if change.resource_type == _INSTANCE:
            found = _on_instance(change, comparison.at(change.stack), rds)
        elif change.resource_type == _PARAMETER_GROUP:
            found = _on_parameters(change, comparison.at(change.stack), rds, bool(instances))
        else:
            continue
        for weight, text in found:
            yield Remark(stack=change.stack, logical_id=change.logical_id, weight=weight, text=text)


# -- instances ---------------------------------------------------------------------------


def _on_instance(change: Change, stack: Comparison, rds: Any) -> Found:
    old, new = stack.properties(change.logical_id)
    name = stack.physical_id(change.logical_id) or _text(old.get("DBInstanceIdentifier"))
    try:
        live = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    except rds.exceptions.DBInstanceNotFoundFault:
        live = {}  # which is told by itself (ops.production.lost)
    except ClientError as error:
        live = {}
        yield (
            Weight.UNSEEN,
            f"how {name} is now: {denied(error)}. Judged by the deployed template, which does not "
            "know how far its storage has grown",
        )
    changed = frozenset(
        each for each in {*old, *new} if stack.property(change.logical_id, each) is Certainty.YES
    )
    instance = _Instance(old, new, changed, live)
    for rule in _RULES:
        yield from rule(instance)


def _status(instance: _Instance) -> Found:
    status = instance.live.get("DBInstanceStatus", "available")
    if status.startswith(_STANDING_STATES):
        yield Weight.FAILS, f"it is {status}, and RDS changes it when it is available only"


def _pending(instance: _Instance) -> Found:
    if waiting := instance.live.get("PendingModifiedValues"):
        yield (
            Weight.INTERRUPTS,
            "CloudFormation's change does at once what waits for the maintenance window: "
            f"{', '.join(sorted(waiting))}",
        )
    groups = instance.live.get("DBParameterGroups", ())
    if any(group.get("ParameterApplyStatus") == "pending-reboot" for group in groups):
        yield (
            Weight.INTERRUPTS,
            "a static parameter waits for a restart: CloudFormation restarts the database when it "
            "changes anything of it",
        )


def _storage(instance: _Instance) -> Found:
    wanted = _number(instance.new.get("AllocatedStorage"))
    now = instance.number("AllocatedStorage")
    if "AllocatedStorage" in instance.changed and wanted is not None and now is not None:
        if wanted < now:
            yield (
                Weight.IMPOSSIBLE,
                f"it has {now} GiB, and storage cannot shrink to {wanted}. "
                f"Set database_storage_gib to {now}",
            )
        elif wanted > now:
            yield from _growth(instance, now, wanted)
    yield from _limit(instance, now, wanted)


def _growth(instance: _Instance, now: int, wanted: int) -> Found:
    least = _a_step_above(now)
    if wanted < least:
        yield (
            Weight.IMPOSSIBLE,
            f"it has {now} GiB, and RDS adds a tenth of that at least. Set database_storage_gib to "
            f"{now}, or to {least} or more",
        )
        return
    busy = instance.live.get("DBInstanceStatus") == "storage-optimization"
    if busy or "AllocatedStorage" in instance.live.get("PendingModifiedValues", {}):
        yield (
            Weight.IMPOSSIBLE,
            "RDS is at work on its storage, and takes no other change of it until then. Wait, and "
            "plan again",
        )
        return
    yield (
        Weight.INTERRUPTS,
        f"storage grows from {now} to {wanted} GiB: no interruption, but slower meanwhile, and RDS "
        "takes no other change of it for six hours. It cannot shrink again",
    )


def _limit(instance: _Instance, now: int | None, wanted: int | None) -> Found:
    """Of the storage's own growth. Equal to the storage, it switches the growth off."""
    limit = _number(instance.new.get("MaxAllocatedStorage"))
    if "MaxAllocatedStorage" not in instance.changed or limit is None or now is None:
        return
    storage = max(now, wanted or now)
    least = _a_step_above(storage)
    if limit != storage and limit < least:
        yield (
            Weight.IMPOSSIBLE,
            f"storage of {storage} GiB cannot have the limit {limit}. Set database_max_storage_gib "
            f"to {least} or more",
        )


def _instance_class(instance: _Instance) -> Found:
    now, wanted = instance.text("DBInstanceClass"), _text(instance.new.get("DBInstanceClass"))
    if "DBInstanceClass" in instance.changed and wanted != now:
        how = "some minutes without database"
        if instance.live.get("MultiAZ", instance.old.get("MultiAZ")) in (True, "true"):
            how = "RDS changes the standby, and fails over to it; a minute or two without database"
        yield Weight.INTERRUPTS, f"from {now} to {wanted}, at once: {how}"


def _version(instance: _Instance) -> Found:
    if "EngineVersion" not in instance.changed:
        return
    now, wanted = instance.text("EngineVersion"), _text(instance.new.get("EngineVersion"))
    ours, theirs = _parts(now), _parts(wanted)
    if not ours or not theirs or ours[: len(theirs)] == theirs:
        return  # a major version alone is any of its minor ones
    if theirs < ours:
        yield (
            Weight.IMPOSSIBLE,
            f"it runs {now}, and cannot go back to {wanted}. Name {now}, or its major version",
        )
    elif theirs[0] != ours[0] and not instance.is_wanted("AllowMajorVersionUpgrade"):
        yield (
            Weight.IMPOSSIBLE,
            f"from {now} to {wanted} is another major version, which RDS takes with "
            "AllowMajorVersionUpgrade only",
        )
    else:
        yield (
            Weight.INTERRUPTS,
            f"from version {now} to {wanted}, at once: without database for some minutes, for a "
            "major version much longer",
        )


def _parameter_group(instance: _Instance) -> Found:
    if "DBParameterGroupName" in instance.changed:
        yield (
            Weight.INTERRUPTS,
            "another parameter group: CloudFormation restarts the database, about a minute",
        )


def _port(instance: _Instance) -> Found:
    wanted = _number(instance.new.get("Port"))
    now = _number(instance.live.get("Endpoint", {}).get("Port", instance.old.get("Port")))
    if "Port" in instance.changed and wanted != now:
        yield Weight.INTERRUPTS, f"from port {now} to {wanted}: RDS restarts the database at once"


def _backups(instance: _Instance) -> Found:
    now = instance.number("BackupRetentionPeriod")
    wanted = _number(instance.new.get("BackupRetentionPeriod"))
    if "BackupRetentionPeriod" in instance.changed and bool(now) != bool(wanted):
        yield Weight.INTERRUPTS, "backups begin or end: RDS restarts the database"


def _others(instance: _Instance) -> Found:
    for name in sorted(instance.changed & set(_INTERRUPTIONS)):
        if name not in instance.live or instance.live[name] != instance.new.get(name):
            yield Weight.INTERRUPTS, f"{name}: {_INTERRUPTIONS[name]}"


_RULES: Final[Sequence[Callable[[_Instance], Found]]] = (
    _status,
    _pending,
    _storage,
    _instance_class,
    _version,
    _parameter_group,
    _port,
    _backups,
    _others,
)


# -- parameters --------------------------------------------------------------------------


def _on_parameters(change: Change, stack: Comparison, rds: Any, with_instance: bool) -> Found:
    """Whether a parameter is static is RDS's to tell: of a group, or of its family's defaults.

    Args:
        with_instance: whether the deployment changes a database as well.
    """
    old, new = (each.get("Parameters") for each in stack.properties(change.logical_id))
    old, new = ({} if each is None else each for each in (old, new))
    changing = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    if not changing:
        return
    name = stack.physical_id(change.logical_id)
    family = _text(stack.properties(change.logical_id)[1].get("Family"))
    try:
        known = _described(rds, name, family, changing)
    except ClientError as error:
        yield (
            Weight.UNSEEN,
            f"whether {', '.join(changing)} need a restart of the database: {denied(error)}",
        )
        return
    fixed = [each for each in changing if known.get(each, {}).get("IsModifiable") is False]
    if fixed:
        yield Weight.IMPOSSIBLE, f"RDS does not let {', '.join(fixed)} be changed. Leave them out"
    live = {each: known[each].get("ParameterValue") for each in changing if each in known}
    static = [
        each
        for each in changing
        if known.get(each, {}).get("ApplyType") == "static"
        and (each not in new or live[each] != _text(new[each]))
    ]
    if static:
        when = (
            "CloudFormation restarts the database in this deployment, which changes it too"
            if with_instance
            else "they hold when the database starts again: when CloudFormation changes anything "
            "of it, at a failover, or by hand"
        )
        yield Weight.INTERRUPTS, f"static: {', '.join(static)}; {when}"
    unknown = [each for each in changing if "ApplyType" not in known.get(each, {})]
    if unknown:
        yield (
            Weight.UNSEEN,
            f"whether {', '.join(unknown)} need a restart of the database: RDS does not list them "
            f"for {family}",
        )


def _described(
    rds: Any, group: str | None, family: str, names: Sequence[str]
) -> Mapping[str, Mapping[str, Any]]:
    """What RDS says of parameters, by name."""

    def listed(operation: str, **of: str) -> dict[str, Mapping[str, Any]]:
        return {each["ParameterName"]: each for each in every(rds, operation, **of)}

    found = listed("describe_db_parameters", DBParameterGroupName=group) if group else {}
    if any("ApplyType" not in found.get(name, {}) for name in names):
        defaults = listed("describe_engine_default_parameters", DBParameterGroupFamily=family)
        for name in set(names) & set(defaults):
            found[name] = {**defaults[name], **found.get(name, {"ParameterValue": None})}
    return found


# -- values ------------------------------------------------------------------------------


def _number(value: object) -> int | None:
    """A number of a template, which may be a string; None if it is neither, as a reference."""
    try:
        return int(value) if isinstance(value, (int, str)) else None
    except ValueError:
        return None


def _text(value: object) -> str:
    return str(value) if isinstance(value, (int, str)) else "a value known during the deployment"


def _parts(version: str) -> list[int]:
    """`18.1` or `18` as numbers; empty if it has others."""
    parts = version.split(".")
    return [int(part) for part in parts] if all(part.isdigit() for part in parts) else []


def _a_step_above(gib: int) -> int:
    return gib + math.ceil(gib * _LEAST_STEP)
