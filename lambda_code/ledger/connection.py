"""Connections to the ledger's PostgreSQL: TLS with a verified server, and time limits."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from pg8000.native import Connection, DatabaseError  # type: ignore[import-untyped]


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


# Addresses that the ledger's name has, each of which gets the time limit to itself: an instance's
# endpoint is an alias of the one address that its primary has (RDS user guide, "Multi-AZ DB
# instance deployments": the record is changed in a failover), and has no IPv6 address unless its
# network type is DUAL.
ADDRESSES = 1
# Answers that opening a connection waits for, besides the resolver's: TCP's, the one to SSLRequest,
# TLS's handshake, the request for the password, and what follows the password.
OPENING_WAITS = ADDRESSES + 4
# Seconds for the resolver, which no socket's time limit covers: every function's RES_OPTIONS
# (resolv.conf(5)) are two tries of a second.
RESOLVER_SECONDS = 2.0


def connect(
    address: LedgerAddress,
    user: str,
    password: str,
    timeout: float,
    *,
    opening_timeout: float | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Connection:
    """Open a connection. The name is resolved each time: after a failover it leads elsewhere.

    Args:
        password: the password, or an IAM token: it is only sent over verified TLS.
        timeout: seconds that the server may be silent in every later statement.
        opening_timeout: seconds that it may be silent now, before each of its OPENING_WAITS
            answers; the same unless given.
        settings: of the server's, by their names, for this session: they come before those that
            the user has for good, and which the user itself may change (PostgreSQL, ALTER ROLE).

    Raises:
        pg8000.native.DatabaseError: the server has refused it.
        OSError, pg8000.exceptions.Error: it cannot be opened.
    """
    try:
        connection = Connection(
            user,
            host=address.host,
            port=address.port,
            database=address.database,
            password=password,
            ssl_context=ssl.create_default_context(cafile=str(_ca_file())),
            timeout=opening_timeout or timeout,
            application_name=os.environ.get("POWERTOOLS_SERVICE_NAME"),
            startup_params=dict(settings),
        )
    except Exception as error:
        if refused := refusal(error):
            raise refused from None
        raise
    connection._usock.settimeout(timeout)  # pg8000 has no other way to change it
    return connection


def refusal(error: BaseException | None) -> DatabaseError | None:
    """What the server said before a connection failed: the driver closes what is refused, and where
    the server has closed it already, that error stands over the server's."""
    while error is not None and not isinstance(error, DatabaseError):
        error = error.__context__
    return error


def is_unknown_name(error: BaseException | None) -> bool:
    """Whether a connection failed since its server's name does not exist, as that of an RDS
    instance that was deleted. While one is stopped or fails over, its name stays; while the
    resolver does not answer, it says so (EAI_AGAIN)."""
    while error is not None and not isinstance(error, socket.gaierror):
        error = error.__cause__ or error.__context__
    return error is not None and error.errno in _UNKNOWN


_UNKNOWN = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))


def _ca_file() -> Path:
    """The only certificate authorities that may vouch for the server: RDS's, in the bundle."""
    given = os.environ.get("LEDGER_CA_FILE")
    return Path(given) if given else Path(os.environ["LAMBDA_TASK_ROOT"]) / "rds-ca.pem"
