"""Stores of the stack that are not there any more: each in a line, with the way back.

No deployment brings such a store back: CloudFormation takes it to be there, and does not look.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from ops.production.names import TAKEN
from ops.production.questions import Clients
from ops.production.stack import Resource

DATABASE: Final = "AWS::RDS::DBInstance"
TABLE: Final = "AWS::DynamoDB::Table"
GONE: Final = "gone: somebody deleted it"
WAYS_BACK: Final[Mapping[str, str]] = {
    DATABASE: "docs/runbooks/restore.md#the-ledgers-database-is-gone leads back to posted payments",
    TABLE: "docs/runbooks/table-lost.md restores it, with all that was in it",
}
"""By type. Never a deployment: one without the resource, and then with it, makes an empty one."""


def told(name: str, type_: str) -> str:
    """That a store is gone, and the way back, in a line."""
    return f"{name} is {GONE}. {WAYS_BACK[type_]}"


def lost(clients: Clients, resources: Iterable[Resource]) -> Iterator[Resource]:
    """Those of the stores of the stack that AWS does not know."""
    for each in resources:
        if each.type in WAYS_BACK and each.name:
            _, those_there, _ = TAKEN[each.type]
            if not list(those_there(clients, [each.name])):
                yield each
