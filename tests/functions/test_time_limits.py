"""What each step may take at worst, and that it all fits before somebody stops waiting."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    ReadTimeoutError,
)
from payment_processor import budget

from ledger import connection
from payments import clients
from payments.clients import (
    LONGEST_CALL,
    LONGEST_IMPATIENT_CALL,
    SECOND_TRY_WITHIN,
    client,
    impatient_client,
    session,
)

FUNCTION = 30.0  # seconds (R5)
GATEWAY = 29.0  # API Gateway's longest wait for an integration
COLD_START = 3.0
BACK_OFF = 1.0  # botocore's standard retries, before the second try at most
RESOLVER = 2.0  # RES_OPTIONS of every function: two tries of a second


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "us-east-1")


def longest_try(config: Any, addresses: int) -> float:
    """The resolver, each address and then TLS, and the answer."""
    return float(RESOLVER + (addresses + 1) * config.connect_timeout + config.read_timeout)


def test_a_client_gives_up_in_time() -> None:
    config = client("s3").meta.config
    assert config.retries == {"mode": "standard", "total_max_attempts": 2}
    assert 2 * longest_try(config, addresses=8) + BACK_OFF == LONGEST_CALL


def test_an_impatient_client_gives_up_in_time() -> None:
    """Its second try begins soon or not at all."""
    config = impatient_client("sqs").meta.config
    assert config.retries == {"mode": "standard", "total_max_attempts": 1}
    assert config.read_timeout < SECOND_TRY_WITHIN
    longest = SECOND_TRY_WITHIN + clients.PAUSE + longest_try(config, addresses=3)
    assert longest == LONGEST_IMPATIENT_CALL


def test_a_runtimes_defaults_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "9")
    for make, tries in ((client, 2), (impatient_client, 1)):
        retries = make("sqs").meta.config.retries
        assert retries == {"mode": "standard", "total_max_attempts": tries}


def test_all_clients_share_one_session() -> None:
    assert session() is session()


def test_a_client_is_made_without_looking_through_the_services_of_aws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session.cache_clear()
    list_folder, listed = os.listdir, set()

    def list_and_tell(path: str) -> list[str]:
        listed.add(Path(path).name)
        return list_folder(path)

    monkeypatch.setattr(os, "listdir", list_and_tell)
    for service in ("dynamodb", "lambda", "s3", "sqs"):
        assert client(service).meta.service_model.service_name == service
    assert "dynamodb" in listed
    assert "data" not in listed  # where botocore has them all


# -- a second try ----------------------------------------------------------------------------


class Service:
    """An HTTP service on this machine that answers what it is told to, one step a request.

    Steps: a status, "end" (it ends the connection without an answer), "silent" (nothing more is
    answered on it). When there is none left, it answers 200.

    Attributes:
        connections: how many were made.
    """

    def __init__(self) -> None:
        self.steps: list[int | str] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as read:
            while line := read.readline():
                length = 0
                while (line := read.readline()) != b"\r\n":
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                read.read(length)
                match self.steps.pop(0) if self.steps else 200:
                    case "end":
                        return
                    case "silent":
                        read.read()  # until the client gives up
                        return
                    case int(status):
                        body = b"{}"
                        connection.sendall(
                            b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s"
                            % (status, len(body), body)
                        )

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


@pytest.fixture
def ask(service: Service, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Asks the service with one impatient client, which keeps its connections."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", service.url)
    monkeypatch.setattr(clients, "IMPATIENT_ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(clients, "PAUSE", 0.0)
    dynamodb = impatient_client("dynamodb")
    return dynamodb.list_tables  # type: ignore[no-any-return]


@pytest.mark.operating_system
@pytest.mark.parametrize("step", ["end", "silent", 500, 503])
def test_what_fails_soon_on_a_kept_connection_is_tried_again(
    service: Service, ask: Callable[[], Any], step: int | str
) -> None:
    """Whoever ended it, or forgot it: a frozen sandbox has not seen that."""
    ask()
    service.steps = [step]
    ask()
    assert service.steps == []
    assert service.connections == (1 if isinstance(step, int) else 2)


@pytest.mark.operating_system
def test_all_kept_connections_may_be_dead(service: Service, ask: Callable[[], Any]) -> None:
    for _ in range(3):
        service.steps = ["end"]
        ask()


@pytest.mark.operating_system
@pytest.mark.parametrize(
    ("step", "error"),
    [("end", ConnectionClosedError), ("silent", ReadTimeoutError), (500, ClientError)],
)
def test_there_is_no_third_try(
    service: Service, ask: Callable[[], Any], step: int | str, error: type[Exception]
) -> None:
    service.steps = [step] * 3
    with pytest.raises(error):
        ask()
    assert len(service.steps) == 1


@pytest.mark.operating_system
def test_what_fails_late_is_not_tried_again(
    service: Service, ask: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask()
    monkeypatch.setattr(clients, "SECOND_TRY_WITHIN", 0.1)
    service.steps = ["silent"]
    with pytest.raises(HTTPClientError):
        ask()
    assert service.connections == 1


@pytest.mark.operating_system
def test_what_is_refused_is_not_tried_again(service: Service, ask: Callable[[], Any]) -> None:
    service.steps = [400, 400]
    with pytest.raises(ClientError):
        ask()
    assert len(service.steps) == 1


# -- the budget ------------------------------------------------------------------------------


def test_the_answers_that_opening_a_connection_waits_for() -> None:
    """TCP's of each address, SSLRequest, TLS, the request for the password, what follows it."""
    assert connection.ADDRESSES == 1
    assert connection.OPENING_WAITS == 5
    assert connection.RESOLVER_SECONDS == clients.RESOLVER_SECONDS == RESOLVER
    assert pytest.approx(8.0) == RESOLVER + 5 * budget.LEDGER_OPENING_SILENCE


def test_the_ledger_is_given_up_after_the_server_has_given_up_itself() -> None:
    """At 2.5 s (migration 0002): the connection then stays usable."""
    assert budget.LEDGER_SILENCE == 3.0


def test_every_way_through_the_function_ends_before_somebody_stops_waiting() -> None:
    assert pytest.approx(11.2) == budget.LEDGER
    assert pytest.approx(6.85) == budget.AWS
    # Reading the table, noting the acceptance, the queue: what is done without the ledger.
    assert budget.AWS + budget.QUEUEING + COLD_START < GATEWAY
    # A sandbox that has just started, and has read the table, asks the ledger.
    assert budget.POSTING == budget.LEDGER + budget.QUEUEING
    assert budget.POSTING + COLD_START + 1 < GATEWAY
    assert budget.GATEWAY == GATEWAY
    assert budget.COLD_START == COLD_START
    # GET /status asks all three.
    assert budget.LEDGER + 2 * budget.AWS + COLD_START < GATEWAY
    assert budget.DELIVERY == budget.AWS + budget.LEDGER
    assert budget.MESSAGE == budget.AWS + budget.LEDGER + budget.DELAY < FUNCTION
