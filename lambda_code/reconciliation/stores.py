"""Where the stores that are read come from, and what keeps them from being read."""

from __future__ import annotations

from typing import Any, Protocol


class UnreadableError(Exception):
    """A store did not tell what it holds; the text says why and what to do."""


class Deployed(Protocol):
    """The deployed PaymentsProd."""

    def client(self, service: str) -> Any:
        """Of botocore."""

    def output(self, key: str) -> str:
        """Of the stack."""
