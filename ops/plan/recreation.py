"""Which properties cannot be changed in place, by CloudFormation's resource schemas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER, ResourceNotFoundError

REGION = "us-east-1"

Path = tuple[str, ...]
Properties = Mapping[str, Any]
Condition = bool | Callable[[Properties, Properties], bool]
"""Whether a change replaces the resource: always, never, or by its properties before and after."""


@dataclass(frozen=True)
class Recreation:
    """Property paths, such as `("TableName",)`.

    Attributes:
        always: a change of these replaces the resource (`createOnlyProperties`).
        sometimes: a change of these may replace it (`conditionalCreateOnlyProperties`).
        conditions: of these, when it does, as far as that is known.
    """

    always: frozenset[Path] = frozenset()
    sometimes: frozenset[Path] = frozenset()
    conditions: Mapping[Path, Condition] = field(default_factory=dict)

    def about(self, name: str) -> Recreation:
        """What is about one property, or parts of it."""
        always, sometimes = (
            frozenset(path for path in paths if path[0] == name)
            for paths in (self.always, self.sometimes)
        )
        return Recreation(always, sometimes, self.conditions)


@cache
def recreation(resource_type: str) -> Recreation:
    """What replaces a resource of this type; nothing is known of a custom resource.

    :raises LookupError: for a type without a schema.
    """
    if resource_type.startswith("Custom::"):
        return Recreation()
    try:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, resource_type).schema
    except ResourceNotFoundError as error:
        raise LookupError(resource_type) from error
    return Recreation(
        _paths(schema.get("createOnlyProperties", ())),
        _paths(schema.get("conditionalCreateOnlyProperties", ())),
        {(name,): condition for name, condition in _CONDITIONS.get(resource_type, {}).items()},
    )


def _paths(pointers: Sequence[str]) -> frozenset[Path]:
    return frozenset(tuple(pointer.split("/")[2:]) for pointer in pointers)


# -- when a change of a conditional property replaces ------------------------------------
#
# The schemas do not tell. What is not listed here is taken for a possible replacement.


def _if_given(name: str) -> Condition:
    """To take it away changes nothing: what was restored stays."""
    return lambda _before, after: bool(after.get(name))


# RDS: ImmutabilityHelper of aws-cloudformation/aws-cloudformation-resource-providers-rds, less the
# engines that are not ours. EC2: template reference, AWS::EC2::VPC.
_CONDITIONS: Final[Mapping[str, Mapping[str, Condition]]] = {
    "AWS::EC2::VPC": {
        "InstanceTenancy": lambda _, after: after.get("InstanceTenancy") != "default"
    },
    "AWS::RDS::DBInstance": {
        "AutoMinorVersionUpgrade": False,
        # To another one.
        "AvailabilityZone": lambda _, after: (
            bool(after.get("AvailabilityZone")) or after.get("MultiAZ") not in (True, "true")
        ),
        "BackupRetentionPeriod": False,
        "DBClusterSnapshotIdentifier": _if_given("DBClusterSnapshotIdentifier"),
        "DBParameterGroupName": False,
        "DBSnapshotIdentifier": _if_given("DBSnapshotIdentifier"),
        "Engine": True,
        "MultiAZ": False,
        "PerformanceInsightsKMSKeyId": lambda before, _: bool(
            before.get("PerformanceInsightsKMSKeyId")
        ),
        "PreferredMaintenanceWindow": False,
        "RestoreTime": _if_given("RestoreTime"),
        "SourceDBInstanceAutomatedBackupsArn": _if_given("SourceDBInstanceAutomatedBackupsArn"),
        "SourceDbiResourceId": _if_given("SourceDbiResourceId"),
        "UseLatestRestorableTime": _if_given("UseLatestRestorableTime"),
    },
}
