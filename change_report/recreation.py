"""Which properties cannot be changed in place, by CloudFormation's resource schemas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER, ResourceNotFoundError

REGION = "us-east-1"

Path = tuple[str, ...]


@dataclass(frozen=True)
class Recreation:
    """Property paths, such as `("TableName",)`.

    Attributes:
        always: a change of these replaces the resource (`createOnlyProperties`).
        sometimes: a change of these may replace it (`conditionalCreateOnlyProperties`).
    """

    always: frozenset[Path] = frozenset()
    sometimes: frozenset[Path] = frozenset()


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
    )


def _paths(pointers: Sequence[str]) -> frozenset[Path]:
    return frozenset(tuple(pointer.split("/")[2:]) for pointer in pointers)
