"""RDS's door before a local PostgreSQL: TLS only, and passwords or IAM tokens checked here.

It speaks the beginning of the PostgreSQL protocol (PostgreSQL documentation, "Message Flow"):
SSLRequest, TLS, StartupMessage, a cleartext password; then it connects to the real server over
its Unix socket as that role and relays bytes. So a client cannot tell it from RDS.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

from local.postgres import PostgresServer

logger = logging.getLogger(__name__)

PROTOCOL_3 = 3
SSL_REQUEST = 80877103
GSS_REQUEST = 80877104
CANCEL_REQUEST = 80877102

STARTUP_LIMIT = 10_000  # bytes; the server's own MAX_STARTUP_PACKET_LENGTH
PASSWORD_LIMIT = 65_536  # bytes; IAM tokens with a session token are about 2,000
LOGIN_SECONDS = 30.0
RELAY_BYTES = 65_536

INVALID_AUTHORIZATION = "28000"
INVALID_PASSWORD = "28P01"  # noqa: S105 - an SQLSTATE


class RefusedError(Exception):
    """The client is sent away with this SQLSTATE and message."""

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


@dataclass(frozen=True, kw_only=True)
class Authentication:
    """How a login is judged.

    master_user: the one who has a password.
    master_password: asked at every login, so that a rotated secret counts at once.
    token_refusal: (user, token) → None if the token opens the door, else why it does not.
    """

    master_user: str
    master_password: Callable[[], str]
    token_refusal: Callable[[str, str], str | None]


class RdsFront:
    """Listens on 127.0.0.1:`port` in a thread of its own until `stop`."""

    def __init__(
        self, server: PostgresServer, tls: ssl.SSLContext, authentication: Authentication
    ) -> None:
        self.port = 0
        self._server = server
        self._tls = tls
        self._authentication = authentication
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="rds-front", daemon=True
        )
        self._listener: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    def start(self, port: int = 0) -> None:
        """Listen on a free port, unless one is given.

        Raises:
            OSError: somebody else listens there.
        """
        self.port = port
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def stop(self) -> None:
        """Close the door and every connection that went through it."""
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._session, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._listener is not None
        self._listener.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._sessions.add(task)
        try:
            async with asyncio.timeout(LOGIN_SECONDS):
                upstream = await self._admit(reader, writer)
            if upstream is not None:
                await _relay(reader, writer, *upstream)
        except RefusedError as refusal:
            logger.info("login refused: %s", refusal)
            writer.write(_error(refusal))
            with contextlib.suppress(OSError):
                await writer.drain()
        except (OSError, EOFError, TimeoutError, ssl.SSLError) as error:
            logger.info("connection ended: %r", error)
        except Exception:  # whatever it is, the client hears that it is not its fault
            logger.exception("login failed")
            writer.write(_error(RefusedError("58000", "the login could not be checked")))
        finally:
            self._sessions.discard(task)
            writer.close()

    async def _admit(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Take the client through TLS and login; the connection upstream, or None if the client
        only wanted to cancel a query."""
        encrypted = False
        while True:
            packet = await _startup_packet(reader)
            (code,) = struct.unpack_from("!I", packet)
            if code == SSL_REQUEST and not encrypted:
                writer.write(b"S")
                await writer.start_tls(self._tls)
                encrypted = True
            elif code == GSS_REQUEST:
                writer.write(b"N")
            elif code == CANCEL_REQUEST:
                _, upstream = await self._connect()
                upstream.write(_with_length(packet))
                await upstream.drain()
                upstream.close()
                return None
            else:
                break
        if code >> 16 != PROTOCOL_3:
            raise RefusedError(
                "0A000", f"unsupported frontend protocol {code >> 16}.{code & 0xFFFF}"
            )
        parameters = _parameters(packet)
        user = parameters.get("user", "")
        database = parameters.get("database") or user
        if not encrypted:
            raise RefusedError(
                INVALID_AUTHORIZATION,
                f'no pg_hba.conf entry for host "127.0.0.1", user "{user}", '
                f'database "{database}", no encryption',
            )
        writer.write(b"R" + struct.pack("!II", 8, 3))  # AuthenticationCleartextPassword
        password = await _password(reader)
        await asyncio.to_thread(self._authenticate, user, password)
        upstream_reader, upstream = await self._connect()
        upstream.write(_with_length(packet))
        return upstream_reader, upstream

    def _authenticate(self, user: str, password: str) -> None:
        rules = self._authentication
        if user == rules.master_user:
            if not hmac.compare_digest(password.encode(), rules.master_password().encode()):
                raise RefusedError(
                    INVALID_PASSWORD, f'password authentication failed for user "{user}"'
                )
        elif not self._uses_iam(user):
            raise RefusedError(
                INVALID_PASSWORD, f'password authentication failed for user "{user}"'
            )
        elif (why := rules.token_refusal(user, password)) is not None:
            logger.info("IAM token of %s: %s", user, why)
            # RDS says no more than this to the client.
            raise RefusedError(INVALID_PASSWORD, f'PAM authentication failed for user "{user}"')

    def _uses_iam(self, user: str) -> bool:
        connection = self._server.connect()
        try:
            rows = connection.run(
                "SELECT pg_has_role(oid, 'rds_iam', 'MEMBER') FROM pg_roles WHERE rolname = :user",
                user=user,
            )
        finally:
            connection.close()
        return bool(rows and rows[0][0])

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self._server.socket_path)


async def _startup_packet(reader: asyncio.StreamReader) -> bytes:
    """A packet of the time before login: its length comes first, without a type byte."""
    (length,) = struct.unpack("!I", await reader.readexactly(4))
    if not 8 <= length <= STARTUP_LIMIT:
        raise RefusedError("08P01", "invalid length of startup packet")
    return await reader.readexactly(length - 4)


async def _password(reader: asyncio.StreamReader) -> str:
    kind, length = struct.unpack("!cI", await reader.readexactly(5))
    if kind != b"p" or not 5 <= length <= PASSWORD_LIMIT:
        raise RefusedError("08P01", "expected password response")
    return (await reader.readexactly(length - 4)).rstrip(b"\0").decode("utf-8", "replace")


def _parameters(packet: bytes) -> dict[str, str]:
    """The names and values of a StartupMessage."""
    words = packet[4:].rstrip(b"\0").split(b"\0")
    if len(words) % 2:
        raise RefusedError("08P01", "invalid startup packet layout")
    text = [word.decode("utf-8", "replace") for word in words]
    return dict(zip(text[::2], text[1::2], strict=True))


def _with_length(packet: bytes) -> bytes:
    return struct.pack("!I", len(packet) + 4) + packet


def _error(refusal: RefusedError) -> bytes:
    fields = {"S": "FATAL", "V": "FATAL", "C": refusal.sqlstate, "M": str(refusal)}
    body = b"".join(f"{kind}{value}".encode() + b"\0" for kind, value in fields.items()) + b"\0"
    return b"E" + struct.pack("!I", len(body) + 4) + body


async def _relay(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    upstream_reader: asyncio.StreamReader,
    upstream: asyncio.StreamWriter,
) -> None:
    """Copy both ways until either side ends, then end the other."""
    copies = {
        asyncio.ensure_future(_copy(reader, upstream)),
        asyncio.ensure_future(_copy(upstream_reader, writer)),
    }
    try:
        await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for copy in copies:
            copy.cancel()
        upstream.close()
        await asyncio.gather(*copies, return_exceptions=True)


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while block := await source.read(RELAY_BYTES):
        sink.write(block)
        await sink.drain()
