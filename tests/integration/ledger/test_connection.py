"""The way to the ledger: TLS to a verified server, or no connection at all."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from pg8000.native import DatabaseError, InterfaceError  # type: ignore[import-untyped]

from ledger.connection import LedgerAddress, connect
from ledger.session import LedgerSession, LedgerUnavailableError

PASSWORD = "a-token"
TIMEOUT = 2.0  # seconds


class Listener:
    """The beginning of a PostgreSQL server: it answers SSLRequest, and then reads.

    received: all that a client sent after the server's answer, decrypted.
    """

    def __init__(self, certificates: trustme.LeafCert, answer: bytes = b"S") -> None:
        self.received = b""
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificates.configure_cert(self._tls)
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        client, _ = self._socket.accept()
        with client:
            client.settimeout(5)
            client.recv(8)
            client.sendall(self._answer)
            try:
                with self._tls.wrap_socket(client, server_side=True) as encrypted:
                    self.received += encrypted.recv(4096)
            except OSError:
                return

    def stop(self) -> None:
        self._thread.join(10)
        self._socket.close()


class Refusing:
    """A PostgreSQL server that refuses every sign-in, and closes the connection at once."""

    def __init__(self, certificates: trustme.LeafCert) -> None:
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificates.configure_cert(self._tls)
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # when it is stopped
            while True:
                client, _ = self._socket.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.recv(8)
                client.sendall(b"S")
                with self._tls.wrap_socket(client, server_side=True) as encrypted:
                    encrypted.recv(4096)
                    fields = b"SFATAL\0C53300\0Mtoo many clients already\0\0"
                    encrypted.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
                    # With a reset: what the client says from now on fails.
                    linger = struct.pack("ii", 1, 0)
                    encrypted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def stop(self) -> None:
        self._socket.close()


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """The authority that the functions trust."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "rds-ca.pem"))
    monkeypatch.delenv("LEDGER_CA_FILE", raising=False)
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(tmp_path))
    return authority


@pytest.fixture
def listen() -> Iterator[type[Listener]]:
    listeners: list[Listener] = []

    class Kept(Listener):
        def __init__(self, certificates: trustme.LeafCert, answer: bytes = b"S") -> None:
            super().__init__(certificates, answer)
            listeners.append(self)

    yield Kept
    for listener in listeners:
        listener.stop()


def attempt(port: int) -> str:
    """Why no connection came to be."""
    address = LedgerAddress("localhost", port, "payments")
    session = LedgerSession(lambda: connect(address, "payment_processor", PASSWORD, TIMEOUT))
    with pytest.raises(LedgerUnavailableError) as error:
        session.run("SELECT 1")
    return str(error.value)


def test_a_server_that_our_authority_vouches_for_is_spoken_to(
    authority: trustme.CA, listen: type[Listener]
) -> None:
    listener = listen(authority.issue_cert("localhost"))
    attempt(listener.port)
    listener.stop()
    assert b"payment_processor" in listener.received


def test_the_authority_may_be_given_by_the_environment(
    authority: trustme.CA,
    listen: type[Listener],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = trustme.CA()
    other.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    monkeypatch.setenv("LEDGER_CA_FILE", str(tmp_path / "other.pem"))
    listener = listen(other.issue_cert("localhost"))
    attempt(listener.port)
    listener.stop()
    assert b"payment_processor" in listener.received


@pytest.mark.usefixtures("authority")
def test_a_server_of_another_authority_gets_nothing(listen: type[Listener]) -> None:
    listener = listen(trustme.CA().issue_cert("localhost"))
    assert "CERTIFICATE_VERIFY_FAILED" in attempt(listener.port)
    listener.stop()
    assert listener.received == b""


def test_a_server_of_another_name_gets_nothing(
    authority: trustme.CA, listen: type[Listener]
) -> None:
    listener = listen(authority.issue_cert("elsewhere.example"))
    assert "CERTIFICATE_VERIFY_FAILED" in attempt(listener.port)
    listener.stop()
    assert listener.received == b""


def test_a_server_without_tls_gets_nothing(authority: trustme.CA, listen: type[Listener]) -> None:
    listener = listen(authority.issue_cert("localhost"), b"N")
    assert "refuses SSL" in attempt(listener.port)


def test_what_a_server_says_that_closes_at_once_is_never_lost(authority: trustme.CA) -> None:
    """pg8000 says good-bye to a server that has gone, and that error stands over the server's."""
    server = Refusing(authority.issue_cert("localhost"))
    address = LedgerAddress("localhost", server.port, "payments")
    told = []
    for _ in range(300):
        with pytest.raises((DatabaseError, InterfaceError)) as refused:
            connect(address, "payment_processor", PASSWORD, TIMEOUT)
        told.append(str(refused.value))
    assert [one for one in told if "53300" not in one] == []
    assert attempt(server.port) == "no connection: SQLSTATE 53300: too many clients already"
    server.stop()


@pytest.mark.usefixtures("authority")
def test_a_silent_server_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        assert "timed out" in attempt(silent.getsockname()[1])
        assert time.monotonic() - started < 3 * TIMEOUT
