"""What the matrix is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Rows = tuple["Row", ...]


class Decision(StrEnum):
    ALLOW = "allow"
    IMPLICIT_DENY = "implicit deny"
    """Nothing allows it; a statement added later could."""
    EXPLICIT_DENY = "explicit deny"
    """A statement forbids it, and no other statement can allow it."""


@dataclass(frozen=True)
class Given:
    """A circumstance of a request.

    :param context: condition keys and their values; a resource's name in braces stands for its
        ARN, and None takes away a key that the request would have.
    """

    words: str
    context: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class Row:
    who: str
    action: str
    resource: str
    """One of the names in resources.py."""
    expected: Decision
    why: str
    given: tuple[Given, ...] = ()

    @property
    def circumstances(self) -> str:
        return ", ".join(given.words for given in self.given)

    @property
    def request(self) -> str:
        """What is asked for, in words."""
        words = f"{self.who}: {self.action} on {self.resource}"
        return f"{words}, {self.circumstances}" if self.given else words
