"""What each step may take at worst, and that it all fits before somebody stops waiting."""

from __future__ import annotations

import pytest
from payment_processor import budget

from ledger.connection import OPENING_WAITS, RESOLVER_SECONDS
from payments.clients import (
    LONGEST_CALL,
    LONGEST_IMPATIENT_CALL,
    client,
    impatient_client,
    session,
)

FUNCTION = 30.0  # seconds (R5)
GATEWAY = 29.0  # API Gateway's longest wait for an integration
BACK_OFF = 1.0  # botocore's standard retries, before the second try at most


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.mark.parametrize(
    ("make", "tries", "longest"),
    [(client, 2, LONGEST_CALL), (impatient_client, 1, LONGEST_IMPATIENT_CALL)],
)
def test_a_client_gives_up_in_time(make: object, tries: int, longest: float) -> None:
    assert callable(make)
    config = make("sqs").meta.config
    assert config.retries == {"mode": "standard", "total_max_attempts": tries}
    a_try = config.connect_timeout + config.read_timeout
    assert tries * a_try + (tries - 1) * BACK_OFF == longest


def test_all_clients_share_one_session() -> None:
    assert session() is session()


def test_the_answers_that_opening_a_connection_waits_for() -> None:
    """TCP, SSLRequest, TLS, the request for the password, what follows it; and the resolver."""
    assert (OPENING_WAITS, RESOLVER_SECONDS) == (5, 2.0)
    assert pytest.approx(11.0) == RESOLVER_SECONDS + OPENING_WAITS * budget.LEDGER_OPENING_SILENCE


def test_the_ledger_is_given_up_after_the_server_has_given_up_itself() -> None:
    """At 2.5 s (migration 0002): the connection then stays usable."""
    assert budget.LEDGER_SILENCE == 3.0


def test_every_way_through_the_function_ends_before_it_is_stopped() -> None:
    # Reading the table, the ledger, noting the acceptance, the queue.
    assert budget.LEDGER == 12.0
    assert budget.PROCESS == 7.0 + 12.0 + 2.0 + 7.0 < GATEWAY
    assert budget.DELIVERY == 12.0 + 7.0
    assert budget.MESSAGE == 7.0 + 12.0 + 7.0 < FUNCTION
    assert budget.DELAY == 7.0
