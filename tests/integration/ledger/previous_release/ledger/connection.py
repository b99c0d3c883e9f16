"""Connections to the ledger's PostgreSQL: TLS with a verified server, and time limits."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pg8000.native import Connection  # type: ignore[import-untyped]


@dataclass(frozen=True)
class LedgerAddress:
    """Where the ledger's database is."""

    host: str
    port: int
    database: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """From LEDGER_HOST, LEDGER_PORT and LEDGER_DATABASE."""
        return cls(
            environment["LEDGER_HOST"],
            int(environment["LEDGER_PORT"]),
            environment["LEDGER_DATABASE"],
        )


# Answers that opening a connection waits for, besides the resolver's: TCP's, the one to SSLRequest,
# TLS's handshake, the request for the password, and what follows the password.
OPENING_WAITS = 5
# Seconds for the resolver, which no socket's time limit covers: the template sets RES_OPTIONS
# (resolv.conf(5)) to two tries of a second.
RESOLVER_SECONDS = 2.0


def connect(
    address: LedgerAddress,
    user: str,
    password: str,
    timeout: float,
    *,
    opening_timeout: float | None = None,
) -> Connection:
    """Open a connection. The name is resolved each time: after a failover it leads elsewhere.

    Args:
        password: the password, or an IAM token: it is only sent over verified TLS.
        timeout: seconds that the server may be silent in every later statement.
        opening_timeout: seconds that it may be silent now, before each of its OPENING_WAITS
            answers; the same unless given.

    Raises:
        OSError, pg8000.exceptions.Error: it cannot be opened.
    """
    connection = Connection(
        user,
        host=address.host,
        port=address.port,
        database=address.database,
        password=password,
        ssl_context=ssl.create_default_context(cafile=str(_ca_file())),
        timeout=opening_timeout or timeout,
        application_name=os.environ.get("POWERTOOLS_SERVICE_NAME"),
    )
    connection._usock.settimeout(timeout)  # pg8000 has no other way to change it
    return connection


def _ca_file() -> Path:
    """The only certificate authorities that may vouch for the server: RDS's, in the bundle."""
    given = os.environ.get("LEDGER_CA_FILE")
    return Path(given) if given else Path(os.environ["LAMBDA_TASK_ROOT"]) / "rds-ca.pem"
