"""R17: the functions' own policies; and whom a resource's policy lets in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from ops.console.failure import or_none
from ops.inspection.findings import Finding, judged
from ops.inspection.subjects import Subjects
from ops.production.questions import Clients

_TELLS_WHO: Final = re.compile(
    "aws:(Principal|Source)(Account|Arn|OrgID|OrgPaths)|aws:Source(Owner|Vpce?)|aws:userid"
    "|kms:CallerAccount",
    re.IGNORECASE,
)
"""Condition keys of which a value is known to be somebody's; their case does not matter."""

_MATCHING: Final = frozenset({"StringEquals", "StringLike", "ArnEquals", "ArnLike"})
"""With `IfExists` behind or `ForAllValues:` before, they hold of a request without the key too."""

NOBODY: Final = "nobody"

Item = Mapping[str, Any]


def of_functions(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """Whether a function's own policy, or that of an alias, lets anybody call it."""
    for name in subjects.all_functions:
        aliases = clients("lambda").list_aliases(FunctionName=name)["Aliases"]
        qualifiers = [{}, *({"Qualifier": each["Name"]} for each in aliases)]
        # The embedded environment tells an alias's policy as the function's, too.
        openings = {
            each for one in qualifiers for each in opened(_of_function(clients, name, **one))
        }
        yield judged(
            "R17", f"who may call {name} without a condition", found=openings or NOBODY,
            needed=NOBODY,
            mend=f"aws lambda remove-permission --function-name {name} --statement-id SID (and "
            "--qualifier ALIAS, if it is an alias's)",
        )  # fmt: skip


def opened(policy: str | Item | None) -> list[str]:
    """By which statements of a resource's policy anybody may do what: ``anybody: SID (ACTIONS)``.

    A condition counts that tells whose request it is; one on the address or on TLS does not.
    """
    return [
        f"anybody: {each.get('Sid', 'a statement without Sid')} ({', '.join(_actions(each))})"
        for each in statements(policy)
        if each["Effect"] == "Allow" and of_anybody(each) and not _is_narrowed(each)
    ]


def denies_plain_http(policy: str | Item | None, service: str) -> bool:
    """Whether nobody may do anything of a service, such as ``s3``, without TLS."""
    return any(
        each["Effect"] == "Deny"
        and of_anybody(each)
        and {"*", f"{service}:*"}.intersection(_actions(each))
        and list(each.get("Condition", {})) == ["Bool"]
        and {key.lower(): value for key, value in each["Condition"]["Bool"].items()}
        in ({"aws:securetransport": "false"}, {"aws:securetransport": ["false"]})
        for each in statements(policy)
    )


def statements(policy: str | Item | None) -> list[Item]:
    document = json.loads(policy) if isinstance(policy, str) else policy or {}
    return as_list(document.get("Statement", []))


def as_list(value: Any) -> list[Any]:
    """IAM writes a list of one without brackets."""
    return value if isinstance(value, list) else [value]


def of_anybody(statement: Item) -> bool:
    principal = statement.get("Principal", {})
    if isinstance(principal, str):
        return principal == "*"
    return "NotPrincipal" in statement or "*" in as_list(principal.get("AWS"))


def _actions(statement: Item) -> list[str]:
    if "NotAction" in statement:
        return [f"all but {', '.join(as_list(statement['NotAction']))}"]
    return as_list(statement["Action"])


def _is_narrowed(statement: Item) -> bool:
    return any(
        _TELLS_WHO.fullmatch(key) and "*" not in as_list(value)
        for operator, keys in statement.get("Condition", {}).items()
        if operator.removeprefix("ForAnyValue:") in _MATCHING
        for key, value in keys.items()
    )


def _of_function(clients: Clients, name: str, **qualifier: str) -> str | None:
    ask = partial(clients("lambda").get_policy, FunctionName=name, **qualifier)
    found = or_none(ask, "ResourceNotFoundException")
    return found["Policy"] if found else None
