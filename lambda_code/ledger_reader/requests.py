"""What may be asked: of one payment, or of a period, whose end does not belong to it.

Each question may name the database that it is asked of: a restored copy, in place of the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final

import fastjsonschema

from ledger.connection import LedgerAddress
from payments.identifiers import UUID_PATTERN

LARGEST_PAGE: Final = 5000
"""Entries. About 400 bytes each: Lambda's answers hold 6 MB."""

_YEARS: Final = range(2000, 3000)
"""Nothing was posted before, or will be after."""

_ID: Final = {"type": "string", "pattern": rf"^{UUID_PATTERN}\Z"}
_PERIOD: Final = {name: {"type": "string", "format": "date-time"} for name in ("from", "to")}

_MEMBERS: Final[Mapping[str, dict[str, Any]]] = {
    "payment": {"transaction_id": _ID},
    "totals": _PERIOD,
    "entries": {
        **_PERIOD,
        "after": {"anyOf": [_ID, {"type": "null"}]},
        "limit": {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE},
    },
}
"""By action; all of its members are needed."""

_DATABASE: Final = {
    "type": "object",
    "properties": {
        "host": {"type": "string", "pattern": r"^[a-z0-9.-]{1,255}\Z"},
        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    },
    "required": ["host", "port"],
    "additionalProperties": False,
}


class InvalidRequestError(Exception):
    """The text says what is wrong, and repeats no value."""


def check(event: object) -> dict[str, Any]:
    """The request, if it is one.

    Raises:
        InvalidRequestError: it is none.
    """
    action = event.get("action") if isinstance(event, dict) else None
    if not isinstance(action, str) or action not in _MEMBERS:
        raise InvalidRequestError(f"action must be one of {', '.join(_MEMBERS)}")
    try:
        request: dict[str, Any] = _validator(action)(event)
    except fastjsonschema.JsonSchemaValueException as error:
        raise InvalidRequestError(error.message) from error
    if "from" in request and _moment(request, "from") >= _moment(request, "to"):
        raise InvalidRequestError("from must be before to")
    return request


def address(request: Mapping[str, Any], ledger: LedgerAddress) -> LedgerAddress:
    """The database that is asked: the ledger, or a copy of it that was restored in its region.

    Raises:
        InvalidRequestError: it is none of RDS's in this region.
    """
    if "database" not in request:
        return ledger
    host, port = request["database"]["host"], request["database"]["port"]
    # An instance's name and the account's own part come before the region's domain.
    domain = ledger.host.split(".", 2)[2:]
    if host.split(".", 2)[2:] != domain:
        raise InvalidRequestError("database must be one of the ledger's region")
    return LedgerAddress(host, port, ledger.database)


def _moment(request: Mapping[str, Any], name: str) -> datetime:
    try:
        found = datetime.fromisoformat(request[name])
    except ValueError as error:
        raise InvalidRequestError(f"{name} is no moment") from error
    if found.year not in _YEARS:
        raise InvalidRequestError(f"{name} must be in the years {_YEARS[0]} to {_YEARS[-1]}")
    return found


@cache
def _validator(action: str) -> Callable[[object], Any]:
    members = {"action": {"const": action}, **_MEMBERS[action]}
    return fastjsonschema.compile(
        {
            "type": "object",
            "properties": {**members, "database": _DATABASE},
            "required": list(members),
            "additionalProperties": False,
        }
    )
