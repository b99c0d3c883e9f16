"""AWS clients with time limits that fit into a function of 30 seconds."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config


def client(service: str) -> Any:
    """A client for work: two tries of at most 3 s each.

    A /process that meets every fault at once reads the table, waits for the ledger and writes to
    the queue: 6 + 12 + 6 s.
    """
    return _client(service, timeout=2, tries=2)


def impatient_client(service: str) -> Any:
    """A client for /status: one try of at most 2 s."""
    return _client(service, timeout=1, tries=1)


def _client(service: str, *, timeout: int, tries: int) -> Any:
    config = Config(
        connect_timeout=1,
        read_timeout=timeout,
        retries={"mode": "standard", "total_max_attempts": tries},
    )
    # boto3's stubs know a type for each service name; this one is any of them.
    return boto3.client(service, config=config)  # type: ignore[call-overload]
