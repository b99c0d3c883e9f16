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


def connect(address: LedgerAddress, user: str, password: str, timeout: float) -> Connection:
    """Open a connection.

    Args:
        password: the password, or an IAM token: it is only sent over verified TLS.
        timeout: seconds that the server may be silent, now and in every later statement.

    Raises:
        OSError, pg8000.exceptions.Error: it cannot be opened.
    """
    return Connection(
        user,
        host=address.host,
        port=address.port,
        database=address.database,
        password=password,
        ssl_context=ssl.create_default_context(cafile=str(_ca_file())),
        timeout=timeout,
        application_name=os.environ.get("POWERTOOLS_SERVICE_NAME"),
    )


def _ca_file() -> Path:
    """The only certificate authorities that may vouch for the server: RDS's, in the bundle."""
    given = os.environ.get("LEDGER_CA_FILE")
    return Path(given) if given else Path(os.environ["LAMBDA_TASK_ROOT"]) / "rds-ca.pem"
