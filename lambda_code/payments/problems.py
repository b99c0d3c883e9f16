"""Problem details (RFC 9457): the one form in which the API reports an error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus


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
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)

    def body(self) -> dict[str, object]:
        """The problem as schemas/problem.json describes it."""
        body: dict[str, object] = {
            "type": f"urn:payments:problem:{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": int(self.status),
            "detail": self.detail,
            "code": self.code,
        }
        if self.errors:
            body["errors"] = [{"pointer": e.pointer, "detail": e.detail} for e in self.errors]
        return body
