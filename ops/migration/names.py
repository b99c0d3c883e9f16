"""Names that production's templates fix, and that something in its account has already."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ops.migration.todo import Group, Importance, Todo
from ops.production.existing import Existing
from ops.production.names import TAKEN
from ops.production.needs import Needs
from ops.production.questions import Clients


def taken(
    clients: Clients, type_: str, needs: Needs, now: Existing, is_inside: Callable[[str], bool]
) -> Iterator[Todo]:
    """
    Args:
        now: what of PaymentsProd stands: its own names are not in its way.
    """
    what, ask, mend = TAKEN[type_]
    names = [name for name in needs.names.get(type_, []) if not now.has(type_, name)]
    for name in sorted(set(ask(clients, names))) if names else []:
        whose = "this environment" if is_inside(name) else "something else in this account"
        before, found, command = mend.rpartition("aws ")
        yield Todo(
            group=Group.REMAINS,
            importance=Importance.CRITICAL,
            what=f"name of the {what} {name}",
            found=f"taken by {whose}",
            needed="free, where production is deployed",
            mend="deploy production in an account of its own, which is better, or free the name"
            + (f": {before.strip(' :')}" if before.strip(" :") else ""),
            command=f"{found}{command} {name}" if found else "",
        )
