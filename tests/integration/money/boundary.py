"""The boundary of a handler's process: every call that leaves it passes here, and may be disturbed.

External calls are HTTP requests of botocore (each try counts), and of pg8000 the opening of a
connection and every round trip on it. In an invocation they are numbered from 0.
"""

from __future__ import annotations

import os
import signal
import socket
import ssl
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from types import SimpleNamespace
from typing import Any, ClassVar, Final, NoReturn, TypeVar
from urllib.parse import urlsplit

import botocore.endpoint
import pg8000.core  # type: ignore[import-untyped]
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

ERROR, TIMEOUT, KILL = "error", "timeout", "kill"
BEFORE, AFTER = "before", "after"
LEDGER: Final = "ledger"
AWAY: Final = ", which was away"

# Of the protocol's messages (PostgreSQL documentation, "Message Formats").
_TERMINATE, _PASSWORD, _READY = b"X", b"p", b"Z\x00\x00\x00\x05"

T = TypeVar("T")


@dataclass(frozen=True)
class Fault:
    """One disturbance of one external call.

    Attributes:
        at: the call's number in the invocation.
        kind: ERROR, TIMEOUT, or KILL: SIGKILL for the process.
        when: BEFORE the effect, or AFTER it: it happened, and the answer is lost.
        lasting: every later call to the same service fails too, before its effect.
    """

    at: int
    kind: str
    when: str
    lasting: bool = False


class Boundary:
    """The external calls of one invocation."""

    def __init__(self) -> None:
        self.begin()

    def begin(self, faults: Sequence[Fault] = (), down: Collection[str] = ()) -> None:
        """Start another invocation.

        Args:
            down: services (ledger, dynamodb, sqs, s3) that cannot be reached in it.
        """
        self.calls: list[str] = []
        self.fired = 0
        self.seconds: dict[str, float] = {}
        self._faults = {fault.at: fault for fault in faults}
        self._down = {service: Fault(-1, ERROR, BEFORE) for service in down}

    def fault_of(self, service: str, operation: str) -> Fault | None:
        """Count a call; tell what is to happen to it."""
        number = len(self.calls)
        if service in self._down:
            self.calls.append(f"{service} {operation}{AWAY}")
            return self._down[service]
        self.calls.append(f"{service} {operation}")
        fault = self._faults.get(number)
        if fault is not None:
            self.fired += 1
            if fault.lasting:
                self._down[service] = Fault(-1, fault.kind, BEFORE)
        return fault

    @contextmanager
    def timed(self, service: str) -> Iterator[None]:
        """Add to the time that the process waits for a service."""
        started = time.perf_counter()
        yield
        waited = time.perf_counter() - started
        self.seconds[service] = self.seconds.get(service, 0) + waited

    def http(self, request: Any, send: Callable[[], AWSResponse]) -> AWSResponse:
        service, operation = _http_name(request)
        fault = self.fault_of(service, operation)
        if fault is None:
            with self.timed(service):
                return send()
        if fault.when == AFTER:
            send()
        if fault.kind == KILL:
            _die()
        if fault.kind == TIMEOUT:
            raise ReadTimeoutError(endpoint_url=request.url)
        if fault.when == AFTER:
            raise ConnectionClosedError(endpoint_url=request.url)
        return _internal_error(request.url)

    def opening(self, connect: Callable[[], T]) -> T:
        """Open a connection to the ledger."""
        fault = self.fault_of(LEDGER, "open")
        if fault is None or fault.when == AFTER:
            opened = connect()
        if fault is None:
            return opened
        _fail(fault)


def _http_name(request: Any) -> tuple[str, str]:
    target = request.headers.get("X-Amz-Target")
    if target:
        name, _, operation = _text(target).partition(".")
        return {"AmazonSQS": "sqs"}.get(name, "dynamodb"), operation
    query = urlsplit(request.url).query
    return "s3", "List" if "list-type" in query else f"{request.method.capitalize()}Object"


def _text(header: str | bytes) -> str:
    return header.decode() if isinstance(header, bytes) else header


def _internal_error(url: str) -> AWSResponse:
    """What a service that has a bad day answers."""
    raw: Any = BytesIO(b"")
    raw.stream = lambda **_: iter(())
    return AWSResponse(url, 500, HTTPHeaders(), raw)


def _fail(fault: Fault) -> NoReturn:
    if fault.kind == KILL:
        _die()
    if fault.kind == TIMEOUT:
        raise TimeoutError("injected")
    raise ConnectionResetError("injected")


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody survives that")


class _Socket(ssl.SSLSocket):
    """pg8000's side of a connection: what is sent after something was received is a new call."""

    boundary: ClassVar[Boundary]
    _sending = False
    _lost: Fault | None = None
    _kind = b""

    def send(self, data: Any, flags: int = 0) -> int:
        self._kind = bytes(data[:1])
        if self._kind != _TERMINATE and not self._sending:
            self._sending = True
            fault = self.boundary.fault_of(LEDGER, _LEDGER_CALLS.get(self._kind, "sign-in"))
            if fault is not None and fault.when == BEFORE:
                self.shutdown(socket.SHUT_RDWR)
                _fail(fault)
            self._lost = fault
        return super().send(data, flags)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self._sending = False
        if self._lost is not None:
            fault, self._lost = self._lost, None
            self._await_answer()
            self.shutdown(socket.SHUT_RDWR)
            _fail(fault)
        with self.boundary.timed(LEDGER):
            return super().recv_into(buffer, nbytes, flags)

    def _await_answer(self) -> None:
        """The whole answer, since only its end tells that the transaction is committed."""
        answer = b""
        # The answer to a startup message is a request for the password.
        while self._kind in _LEDGER_CALLS and answer[-6:-1] != _READY:
            received = super().recv(65_536)
            if not received:
                return
            answer += received


_LEDGER_CALLS: Final = {_PASSWORD: "password", b"P": "prepare", b"B": "execute", b"Q": "query"}


def install(boundary: Boundary) -> None:
    """Put the boundary around this process."""
    send = URLLib3Session.send

    def disturbed(session: URLLib3Session, request: Any) -> AWSResponse:
        return boundary.http(request, lambda: send(session, request))

    def create_connection(*arguments: Any) -> socket.socket:
        return boundary.opening(lambda: socket.create_connection(*arguments))

    URLLib3Session.send = disturbed  # type: ignore[method-assign, assignment]
    # botocore waits between tries; here nothing comes of waiting.
    botocore.endpoint.time = SimpleNamespace(  # type: ignore[attr-defined]
        **{**vars(time), "sleep": lambda _: None}
    )
    pg8000.core.socket = SimpleNamespace(**{**vars(socket), "create_connection": create_connection})
    _Socket.boundary = boundary
    ssl.SSLContext.sslsocket_class = _Socket
