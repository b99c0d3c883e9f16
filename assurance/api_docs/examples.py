"""Examples of every request and answer; the tests hold them against the schemas."""

from __future__ import annotations

from typing import Any, Final

Example = dict[str, Any]

TRANSACTION_ID: Final = "a071a100-6972-587c-b631-b61c68c70f48"

VALIDATE_REQUEST: Final[Example] = {
    "merchant_id": "corner-books",
    "amount": 1050,
    "currency": "EUR",
    "payment_method_token": "tok_4vKq9cXw",
    "reference": "Order 4711",
    "idempotency_key": "5f0c1c0e-8a6b-4f0e-9d3e-2f1f0a4b7c11",
}
_DECIDED: Final[Example] = {
    "transaction_id": TRANSACTION_ID,
    "expires_at": "2026-01-31T08:15:00.000000Z",
    "merchant_id": "corner-books",
    "currency": "EUR",
    "reference": "Order 4711",
}
APPROVED: Final[Example] = _DECIDED | {"decision": "approved", "reasons": [], "amount": 1050}
DECLINED: Final[Example] = _DECIDED | {
    "decision": "declined",
    "reasons": ["amount_above_limit"],
    "amount": 1_000_001,
}

PROCESS_REQUEST: Final[Example] = {"transaction_id": TRANSACTION_ID}
POSTED: Final[Example] = {
    "transaction_id": TRANSACTION_ID,
    "status": "posted",
    "entry": {
        "entry_id": "019c1310-e8e2-7c4e-b7a3-0d0c4a1f9e52",
        "posted_at": "2026-01-31T08:00:01.250000Z",
        "postings": [
            {
                "account": "clearing-receivable/EUR",
                "direction": "debit",
                "amount": 1050,
                "currency": "EUR",
            },
            {
                "account": "merchant-payable/corner-books/EUR",
                "direction": "credit",
                "amount": 1050,
                "currency": "EUR",
            },
        ],
    },
}
QUEUED: Final[Example] = {"transaction_id": TRANSACTION_ID, "status": "queued"}


def status(state: str, **down: int) -> Example:
    """An answer of /status.

    Args:
        down: components that are down, and after how many milliseconds they were given up.
    """
    up = {"ledger": 3, "transactions_table": 8, "retry_queue": 6}
    return {
        "status": state,
        "components": {
            name: {
                "status": "down" if name in down else "up",
                "latency_ms": down.get(name, latency),
            }
            for name, latency in up.items()
        },
        "checked_at": "2026-01-31T08:00:00.000000Z",
    }


OPERATIONAL: Final = status("operational")
DEGRADED: Final = status("degraded", ledger=3000)
OUTAGE: Final = status("outage", transactions_table=2000)

OF_OPERATIONS: Final[dict[str, dict[str, dict[str, Example]]]] = {
    "validate": {
        "request": {"payment": VALIDATE_REQUEST},
        "200": {"approved": APPROVED, "declined": DECLINED},
    },
    "process": {
        "request": {"payment": PROCESS_REQUEST},
        "200": {"posted": POSTED},
        "202": {"queued": QUEUED},
    },
    "status": {
        "200": {"operational": OPERATIONAL, "degraded": DEGRADED},
        "503": {"outage": OUTAGE},
    },
}
"""By operation, then for its request and for each status of its answers: case → example."""


def of(operation: str, what: str) -> dict[str, Example]:
    """The examples of an operation's request, or of its answers with a status."""
    try:
        return OF_OPERATIONS[operation][what]
    except KeyError:
        raise ValueError(
            f"OF_OPERATIONS in assurance/api_docs/examples.py has no example: {operation}, {what}"
        ) from None


INVALID_FIELDS: Final = [
    {"pointer": "/amount", "detail": "must be bigger than or equal to 1"},
    {"pointer": "", "detail": "must have no other members than the contract names"},
]
"""The errors in the example of ``invalid_request``."""
