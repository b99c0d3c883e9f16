"""AWS clients with time limits that fit into a function of 30 seconds.

They are botocore's: boto3 would add nothing but the import of its transfer manager, a fifth of a
cold start's CPU time (docs/decisions/0005-driver-validation-and-tracing.md).
"""

from __future__ import annotations

from functools import cache
from typing import Any

from botocore.config import Config
from botocore.session import Session

# Seconds that a call of `client` may take: two tries of 1 s to connect and 2 s for the answer, and
# up to a second in between (botocore's standard retries).
LONGEST_CALL = 7.0
# The same of `impatient_client`: 1 s to connect, 1 s for the answer.
LONGEST_IMPATIENT_CALL = 2.0


@cache
def session() -> Session:
    """The sandbox's one session: credentials and region from the environment."""
    return Session()


def client(service: str) -> Any:
    """A client for work: two tries, LONGEST_CALL at worst."""
    return _client(service, timeout=2, tries=2)


def impatient_client(service: str) -> Any:
    """A client that tries once: LONGEST_IMPATIENT_CALL at worst."""
    return _client(service, timeout=1, tries=1)


def _client(service: str, *, timeout: int, tries: int) -> Any:
    config = Config(
        connect_timeout=1,
        read_timeout=timeout,
        retries={"mode": "standard", "total_max_attempts": tries},
    )
    return session().create_client(service, config=config)
