"""What payments-ledger-reader lets itself be asked, and how long it may take."""

from __future__ import annotations

from typing import Any

import pytest
from ledger_reader import handler
from ledger_reader.requests import LARGEST_PAGE, InvalidRequestError, address, check

from ledger.connection import LedgerAddress
from tests.functions.lambda_context import CONTEXT

ID = "6311be72-496b-5539-8a88-da9b8e217493"
PERIOD = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00+01:00"}
PAYMENT = {"action": "payment", "transaction_id": ID}
ENTRIES = {"action": "entries", **PERIOD, "after": None, "limit": 10}
TOTALS = {"action": "totals", **PERIOD}


@pytest.mark.parametrize(
    "request_", [PAYMENT, ENTRIES, {**ENTRIES, "after": ID, "limit": LARGEST_PAGE}, TOTALS]
)
def test_a_request_is_taken_as_it_is(request_: dict[str, Any]) -> None:
    assert check(request_) == request_


@pytest.mark.parametrize(
    ("request_", "wrong"),
    [
        (None, "action must be one of payment, totals, entries"),
        ([PAYMENT], "action must be"),
        ({}, "action must be"),
        ({**PAYMENT, "action": "post"}, "action must be"),
        ({**PAYMENT, "action": ["payment"]}, "action must be"),
        ({"action": "payment"}, "transaction_id"),
        ({**PAYMENT, "transaction_id": 7}, "transaction_id must be string"),
        ({**PAYMENT, "transaction_id": f"{ID}'; --"}, "transaction_id must match"),
        ({**PAYMENT, "transaction_id": f"{ID}\n"}, "transaction_id must match"),
        ({**PAYMENT, "transaction_id": ID.upper()}, "transaction_id must match"),
        ({**PAYMENT, "sql": "SELECT 1"}, "additional properties|must not contain"),
        ({**TOTALS, "from": "yesterday"}, "from must be date-time"),
        ({**TOTALS, "from": "2026-01-01T00:00:00"}, "from must be date-time"),
        ({**TOTALS, "from": "2026-02-31T00:00:00Z"}, "from must be date-time"),
        ({**TOTALS, "from": "2026-06-30T23:59:60Z"}, "from is no moment"),
        ({**TOTALS, "from": "1999-12-31T23:59:59Z"}, "from must be in the years 2000 to 2999"),
        ({**TOTALS, "to": "9999-12-31T23:59:59Z"}, "to must be in the years 2000 to 2999"),
        ({**TOTALS, "from": PERIOD["to"], "to": PERIOD["from"]}, "from must be before to"),
        ({**TOTALS, "to": PERIOD["from"]}, "from must be before to"),
        ({**ENTRIES, "limit": 0}, "limit must be bigger"),
        ({**ENTRIES, "limit": LARGEST_PAGE + 1}, "limit must be smaller"),
        ({**ENTRIES, "limit": "10"}, "limit must be integer"),
        ({**ENTRIES, "after": "1"}, "after"),
        ({**PAYMENT, "database": "copy"}, "database must be object"),
        ({**PAYMENT, "database": {"host": "copy"}}, "database must contain"),
        ({**PAYMENT, "database": {"host": "a/b", "port": 1}}, "database.host must match"),
        ({**PAYMENT, "database": {"host": "copy", "port": 0}}, "database.port must be bigger"),
    ],
)
def test_anything_else_is_refused_without_repeating_it(request_: object, wrong: str) -> None:
    with pytest.raises(InvalidRequestError, match=wrong) as error:
        check(request_)
    assert "--" not in str(error.value)
    assert "SELECT" not in str(error.value)


LEDGER = LedgerAddress("payments-ledger.c1a2b3.us-east-1.rds.amazonaws.com", 5432, "payments")
COPY = {"host": "payments-ledger-copy.c1a2b3.us-east-1.rds.amazonaws.com", "port": 5433}


def test_without_another_name_the_ledger_is_asked() -> None:
    assert address(check(PAYMENT), LEDGER) == LEDGER


def test_a_copy_in_the_ledgers_region_can_be_asked() -> None:
    asked = address(check({**TOTALS, "database": COPY}), LEDGER)
    assert asked == LedgerAddress(str(COPY["host"]), 5433, "payments")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "10.0.0.1",
        "rds.amazonaws.com",
        "us-east-1.rds.amazonaws.com",
        "copy.c1a2b3.us-east-1.rds.amazonaws.com.example.com",
        "copy.c1a2b3.eu-west-1.rds.amazonaws.com",
        "copy.c1a2b3.other.us-east-1.rds.amazonaws.com",
    ],
)
def test_nothing_else_is_a_copy(host: str) -> None:
    request = check({**PAYMENT, "database": {**COPY, "host": host}})
    with pytest.raises(InvalidRequestError, match="one of the ledger's region"):
        address(request, LEDGER)


def test_a_refusal_is_an_answer() -> None:
    answer = handler.handle({"action": "drop"}, CONTEXT)
    assert answer["error"]["code"] == "invalid_request"


def test_it_answers_before_lambda_stops_it() -> None:
    assert handler.LONGEST < 30  # seconds, which is the time limit of the function
