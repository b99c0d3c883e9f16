"""POST /validate: decide once, answer the same ever after."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from payment_validator.logic import response, validate

from payments.contract import validator
from payments.problems import Problem
from payments.states import PaymentRequest
from tests.functions.conftest import Metrics
from tests.functions.test_contract import REQUEST

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
VALIDITY = timedelta(minutes=15)


class Store:
    """Requests by transaction, as the table's condition keeps them."""

    def __init__(self) -> None:
        self.requests: dict[str, PaymentRequest] = {}

    def record_request(self, request: PaymentRequest) -> PaymentRequest:
        return self.requests.setdefault(request.transaction_id, request)


@pytest.fixture
def store() -> Store:
    return Store()


def test_a_payment_within_its_limits_is_approved_for_a_time(store: Store) -> None:
    answer = response(validate(REQUEST, store, NOW, VALIDITY))
    validator("validate_response")(answer)
    assert (answer["decision"], answer["reasons"]) == ("approved", [])
    assert answer["expires_at"] == "2026-01-31T08:15:00.000000Z"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"amount": 1_000_001}, "amount_above_limit"),
        ({"currency": "XXX"}, "currency_not_supported"),
    ],
)
def test_a_payment_against_policy_is_declined_with_its_reason(
    store: Store, change: dict[str, object], reason: str
) -> None:
    answer = response(validate(REQUEST | change, store, NOW, VALIDITY))
    validator("validate_response")(answer)
    assert (answer["decision"], answer["reasons"]) == ("declined", [reason])


def test_the_same_request_gets_the_same_answer_even_later(store: Store) -> None:
    first = response(validate(REQUEST, store, NOW, VALIDITY))
    assert response(validate(REQUEST, store, NOW + 2 * VALIDITY, VALIDITY)) == first
    assert len(store.requests) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 1051},
        {"currency": "USD"},
        {"payment_method_token": "t"},
        *({"reference": f"x{number}"} for number in range(5)),  # fingerprints above and below
    ],
)
def test_the_same_key_with_another_payload_is_a_conflict(
    store: Store, change: dict[str, object]
) -> None:
    validate(REQUEST, store, NOW, VALIDITY)
    with pytest.raises(Problem) as error:
        validate(REQUEST | change, store, NOW, VALIDITY)
    assert (error.value.status, error.value.code) == (409, "idempotency_key_reused")
    validator("problem")(error.value.body())


def test_another_merchant_may_use_the_same_key(store: Store) -> None:
    validate(REQUEST, store, NOW, VALIDITY)
    validate(REQUEST | {"merchant_id": "other"}, store, NOW, VALIDITY)
    assert len(store.requests) == 2


def test_the_payments_method_and_key_are_not_sent_back(store: Store) -> None:
    answer = response(validate(REQUEST, store, NOW, VALIDITY))
    assert not {"payment_method_token", "idempotency_key", "fingerprint"} & answer.keys()


def test_each_decision_is_counted_once_and_declines_by_reason_too(
    store: Store, metrics: Metrics
) -> None:
    def ask() -> list[tuple[str, float, str | None]]:
        validate(REQUEST, store, NOW, VALIDITY)
        validate(REQUEST | {"idempotency_key": "k" * 20, "currency": "XXX"}, store, NOW, VALIDITY)
        return metrics()

    assert ask() == [
        ("PaymentsApproved", 1, None),
        ("PaymentsDeclined", 1, None),
        ("PaymentsDeclined", 1, "currency_not_supported"),
    ]
    assert ask() == []
