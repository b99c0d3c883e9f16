"""What functions reach that is not of their environment: production's do not reach it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final
from urllib.parse import urlsplit

from ops.inspection import roles
from ops.inspection.policies import as_list
from ops.inspection.subjects import Subjects
from ops.migration.todo import Group, Importance, Todo
from ops.production.questions import Clients
from ops.production.stack import every

_ARN: Final = re.compile(
    r"arn:aws[\w-]*:(?P<service>[\w-]+):(?P<region>[\w-]*):(?P<account>\d*):(?P<rest>[^\s,;\"']+)"
)
_QUEUE: Final = re.compile(r"https?://[^/\s]+/(?P<account>\d{12})/(?P<name>[\w-]+)(\.fifo)?$")
_DATABASE: Final = re.compile(r"\b(?P<name>[a-z][\w-]*)\.[\w-]+\.[\w-]+\.rds\.amazonaws\.com")
_KINDS: Final = re.compile(
    "alias|cluster|db|event-bus|function|layer|parameter|proxy|rule|secret|stateMachine|stream"
    "|table|topic"
)
"""With which the last part of an ARN begins, before the name."""

_NOT_NAMED: Final = ("ec2", "iam", "kms", "logs", "rds-db", "sts", "xray", "cloudwatch")
"""Services whose ARNs hold no name that tells whose it is, or that hold no data."""

_OWN_HOSTS: Final = (".amazonaws.com", ".api.aws", "localhost", "127.0.0.1")


Reached = Iterator[tuple[str, str]]
"""What, such as ``dynamodb shared-customers``, or a host; and by which function, and how."""


def todos(
    clients: Clients, account: str, subjects: Subjects, is_inside: Callable[[str], bool],
    variables: Mapping[str, Mapping[str, str]],
) -> Iterator[Todo]:  # fmt: skip
    """
    Args:
        is_inside: whether a name is of the environment that is looked at.
        variables: of each function, those with secrets left out: nothing of them is told.
    """
    found = [
        *_in_variables(account, subjects, is_inside, variables),
        *_in_configurations(clients, account, subjects, is_inside),
        *_in_roles(clients, account, subjects, is_inside),
    ]
    for what, those in groupby(sorted({*found}), key=itemgetter(0)):
        yield Todo(
            group=Group.DECIDE,
            importance=Importance.HIGH,
            what=f"{what} is reached, and is not of this environment",
            found=f"by {', '.join(by for _, by in those)}",
            mend="production's functions reach their own stores only: does production need it? "
            "Then it gets one of its own, its statement and its rule in nested/compute; else "
            "nothing is to be done",
        )


def _in_variables(
    account: str, subjects: Subjects, is_inside: Callable[[str], bool],
    variables: Mapping[str, Mapping[str, str]],
) -> Reached:  # fmt: skip
    known = {name: kind for kind, names in subjects.listed.items() for name in names}
    for function, those in variables.items():
        for variable, value in those.items():
            by = f"{function} (variable {variable})"
            if value in known and not is_inside(value):
                kind = known[value].partition("-")[0]
                yield f"{kind} {value}", by
            for what in _named_in(value, account, is_inside):
                yield what, by


def _named_in(value: str, account: str, is_inside: Callable[[str], bool]) -> Iterator[str]:
    """The resources and hosts that a text names, from outside the environment."""
    arns = [*of_arns(value, account, is_inside)]
    yield from arns
    if queue := _QUEUE.match(value):
        if not is_inside(queue["name"]):
            yield f"queue {queue['name']}{_foreign(queue['account'], account)}"
    elif database := _DATABASE.search(value):
        if not is_inside(database["name"]):
            yield f"database {database['name']}"
    elif value.startswith("s3://"):
        if not is_inside(bucket := value.removeprefix("s3://").split("/")[0]):
            yield f"s3 {bucket}"
    elif re.match(r"[a-z][a-z0-9+.-]*://", value):
        host = urlsplit(value).hostname or ""
        if host and not host.endswith(_OWN_HOSTS):
            yield f"host {host}"


def of_arns(text: str, account: str, is_inside: Callable[[str], bool]) -> Iterator[str]:
    for arn in _ARN.finditer(text):
        name = _name(arn["rest"])
        if arn["service"] in _NOT_NAMED or not name.strip("*/") or is_inside(name):
            continue
        yield f"{arn['service']} {name}{_foreign(arn['account'], account)}"


def _name(rest: str) -> str:
    """Of the last part of an ARN, such as ``table/orders/stream/2025`` or ``orders/*``."""
    kind, separator, named = re.match(r"([^:/]*)([:/]?)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if not _KINDS.fullmatch(kind):
        return str(kind)
    if kind in ("parameter", "rule"):
        return str(named)
    return re.split(r"[:/]", named)[0] if separator else str(kind)


def _foreign(owner: str, account: str) -> str:
    return f" of account {owner}" if owner and owner != account else ""


def _in_configurations(
    clients: Clients, account: str, subjects: Subjects, is_inside: Callable[[str], bool]
) -> Reached:
    functions = clients("lambda")
    mappings = [*every(functions, "list_event_source_mappings")]
    for name in subjects.all_functions:
        found = functions.get_function_configuration(FunctionName=name)
        sources = [
            each.get("EventSourceArn", "")
            for each in mappings
            if each["FunctionArn"].split(":function:")[-1].split(":")[0] == name
        ]
        for how, arns in (
            ("event source", sources),
            ("layer", [each["Arn"] for each in found.get("Layers", [])]),
            ("dead letters", [found.get("DeadLetterConfig", {}).get("TargetArn", "")]),
            ("file system", [each["Arn"] for each in found.get("FileSystemConfigs", [])]),
        ):
            for what in _of_all(arns, account, is_inside):
                yield what, f"{name} ({how})"


def _in_roles(
    clients: Clients, account: str, subjects: Subjects, is_inside: Callable[[str], bool]
) -> Reached:
    for function, statement in roles.granted(clients, subjects):
        if statement["Effect"] == "Allow":
            arns = as_list(statement.get("Resource", []))
            for what in _of_all(arns, account, is_inside):
                yield what, f"{function} (its role)"


def _of_all(arns: Sequence[Any], account: str, is_inside: Callable[[str], bool]) -> Iterator[str]:
    for arn in arns:
        yield from of_arns(str(arn), account, is_inside)
