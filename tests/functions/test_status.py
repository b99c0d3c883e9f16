"""GET /status: what is really up, asked at most every few seconds."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from payment_processor.status import CACHE_SECONDS, GONE, StatusReporter
from pg8000.exceptions import InterfaceError  # type: ignore[import-untyped]

from ledger.connection import is_unknown_name
from ledger.posting import Ledger
from ledger.session import LedgerSession
from payments.contract import validator
from tests.functions.conftest import Clock

COMPONENTS = ["ledger", "transactions_table", "retry_queue"]


def reporter(
    down: set[str],
    clock: Callable[[], float] = lambda: 0.0,
    wall_clock: Callable[[], float] = lambda: 0.0,
) -> StatusReporter:
    def probe(name: str) -> Callable[[], None]:
        def check() -> None:
            if name in down:
                raise OSError(name)

        return check

    return StatusReporter({name: probe(name) for name in COMPONENTS}, clock, wall_clock)


@pytest.mark.parametrize(
    ("down", "status"),
    [
        (set(), "operational"),
        ({"ledger"}, "degraded"),
        ({"retry_queue"}, "degraded"),
        ({"transactions_table"}, "outage"),
        ({"ledger", "retry_queue"}, "outage"),
        ({"transactions_table", "retry_queue"}, "outage"),
        (set(COMPONENTS), "outage"),
    ],
)
def test_the_state_says_whether_payments_can_be_accepted(down: set[str], status: str) -> None:
    report = reporter(down).report()
    validator("status_response")(report)
    assert report["status"] == status
    assert {n for n, c in report["components"].items() if c["status"] == "down"} == down


@pytest.mark.parametrize(
    ("code", "detail"),
    [("ResourceNotFoundException", GONE), ("ProvisionedThroughputExceededException", None)],
)
def test_a_part_that_does_not_exist_is_told_from_one_that_is_down(
    code: str, detail: str | None
) -> None:
    def probe() -> None:
        raise ClientError({"Error": {"Code": code, "Message": ""}}, "PutItem")

    probes = {name: (lambda: None) for name in COMPONENTS} | {"transactions_table": probe}
    report = StatusReporter(probes, lambda: 0.0, lambda: 0.0).report()
    validator("status_response")(report)
    assert report["status"] == "outage"
    table = report["components"]["transactions_table"]
    assert (table["status"], table.get("detail")) == ("down", detail)
    assert "detail" not in report["components"]["ledger"]


def test_a_database_whose_name_is_gone_is_told_as_such() -> None:
    def connect() -> Any:
        try:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        except socket.gaierror as error:
            raise InterfaceError("Can't create a connection") from error

    probes = dict.fromkeys(COMPONENTS, lambda: None) | {
        "ledger": Ledger(LedgerSession(connect)).probe
    }
    report = StatusReporter(probes).report()
    validator("status_response")(report)
    assert report["components"]["ledger"]["detail"] == GONE


@pytest.mark.parametrize("reason", [socket.EAI_AGAIN, socket.EAI_FAIL])
def test_a_resolver_that_does_not_answer_says_nothing_of_the_database(reason: int) -> None:
    assert not is_unknown_name(socket.gaierror(reason, "Temporary failure"))
    assert not is_unknown_name(ConnectionRefusedError())


@pytest.mark.parametrize("frozen", [True, False])
def test_an_answer_is_used_again_for_a_few_seconds_only(frozen: bool) -> None:
    """In a frozen sandbox, the monotonic clock stands still."""
    down: set[str] = set()
    clock, wall_clock = Clock(0.0), Clock(0.0)
    status = reporter(down, clock, wall_clock)
    status.report()
    down.add("ledger")
    for time, told in ((CACHE_SECONDS - 0.001, "operational"), (CACHE_SECONDS, "degraded")):
        wall_clock.now = time
        clock.now = 0 if frozen else time
        assert status.report()["status"] == told


def test_after_the_wall_clock_was_set_back_no_answer_is_used_again() -> None:
    down: set[str] = set()
    wall_clock = Clock(0.0)
    status = reporter(down, wall_clock=wall_clock)
    status.report()
    down.add("ledger")
    wall_clock.now = -0.001
    assert status.report()["status"] == "degraded"


def test_the_time_a_component_took_is_in_milliseconds() -> None:
    clock = Clock(0.0)

    def slow() -> None:
        clock.now += 2.5

    report = StatusReporter({"ledger": slow}, clock).report()
    assert report["components"]["ledger"]["latency_ms"] == 2500
