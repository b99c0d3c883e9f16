"""The stack as it is deployed now, whatever its state; nothing, if there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ops.console.environment import stack_name
from ops.production.questions import Clients
from ops.production.stack import Resource, described, standing


@dataclass(frozen=True, kw_only=True)
class Existing:
    """The stack as it is deployed now; empty if there is none. Its own resources, and those of the
    stacks nested in it, are not in its way."""

    status: str = ""
    protected: bool = False
    resources: Sequence[Resource] = field(default_factory=tuple)

    def has(self, type_: str, name: str) -> bool:
        # The physical id of a web ACL is its name, id and scope.
        return any(
            each.type == type_ and each.name.split("|")[0] == name for each in self.resources
        )

    def count(self, type_: str) -> int:
        return sum(each.type == type_ for each in self.resources)


def existing(clients: Clients) -> Existing:
    cloudformation = clients("cloudformation")
    stack = described(cloudformation, stack_name())
    if stack is None:
        return Existing()
    return Existing(
        status=stack["StackStatus"],
        protected=stack.get("EnableTerminationProtection", False),
        resources=tuple(standing(cloudformation)),
    )
