"""Problem details (RFC 9457): the one form in which the API reports an error.

codes.json is the table of all of them: API Gateway's own answers and the documentation are made
from it too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

CODES: Final = Path(__file__).parent / "codes.json"

_table: dict[str, Any] = json.loads(CODES.read_text())
# A tag URI (RFC 4151): it names the type, and leads nowhere.
_TYPE_PREFIX: Final[str] = _table["type_prefix"]
_TITLES: Final[dict[str, str]] = {known["code"]: known["title"] for known in _table["problems"]}


@dataclass(frozen=True)
class FieldError:
    """One thing that is wrong with one part of a request.

    Attributes:
        pointer: where, as a JSON Pointer (RFC 6901); "" is the whole body.
        detail: what, without the value.
    """

    pointer: str
    detail: str


class Problem(Exception):  # noqa: N818 - RFC 9457's own word
    """The request cannot be served; `code` is stable, for programs to decide by."""

    def __init__(
        self, status: HTTPStatus, code: str, detail: str, errors: Sequence[FieldError] = ()
    ) -> None:
        """Say what is wrong, in words that repeat nothing of the request.

        Args:
            status, code: as codes.json has them together; a test reads every use.
            detail: of this occurrence.
        """
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)

    def body(self) -> dict[str, object]:
        """The problem as schemas/problem.json describes it."""
        body: dict[str, object] = {
            "type": _TYPE_PREFIX + self.code,
            "title": _TITLES[self.code],
            "status": int(self.status),
            "detail": self.detail,
            "code": self.code,
        }
        if self.errors:
            body["errors"] = [{"pointer": e.pointer, "detail": e.detail} for e in self.errors]
        return body
