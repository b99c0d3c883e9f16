"""POST /validate: decide once, and answer the same ever after."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Protocol

from payment_validator.decision import decline_reasons
from payments import metrics
from payments.identifiers import fingerprint, transaction_id
from payments.moments import to_rfc3339
from payments.problems import Problem
from payments.states import APPROVED, DECLINED, PaymentRequest


class RequestStore(Protocol):
    """What is needed of payments.history.History."""

    def record_request(self, request: PaymentRequest) -> PaymentRequest: ...


def validate(
    request: Mapping[str, Any], store: RequestStore, now: datetime, validity: timedelta
) -> PaymentRequest:
    """Decide a request, or find the decision that its merchant and idempotency key have.

    Args:
        request: as schemas/validate_request.json.
        validity: how long an approval can be processed.

    Raises:
        Problem: 409, the key belongs to a request with other content.
    """
    reasons = decline_reasons(request["amount"], request["currency"])
    mark = fingerprint(request)
    asked = PaymentRequest(
        **request,
        transaction_id=transaction_id(request["merchant_id"], request["idempotency_key"]),
        fingerprint=mark,
        state=DECLINED if reasons else APPROVED,
        reasons=reasons,
        decided_at=to_rfc3339(now),
        expires_at=to_rfc3339(now + validity),
    )
    stored = store.record_request(asked)
    if stored.fingerprint != mark:
        raise Problem(
            HTTPStatus.CONFLICT,
            "idempotency_key_reused",
            "This idempotency key belongs to a request with other content.",
        )
    if stored is asked:
        _count(stored)
    return stored


def _count(decided: PaymentRequest) -> None:
    """Each decision is counted once, however often it is asked for; declines by reason too."""
    metrics.count("PaymentsApproved" if decided.state == APPROVED else "PaymentsDeclined")
    for reason in decided.reasons:
        metrics.count("PaymentsDeclined", reason=reason)


def response(payment: PaymentRequest) -> dict[str, Any]:
    """The answer, as schemas/validate_response.json."""
    return {
        "transaction_id": payment.transaction_id,
        "decision": payment.state,
        "reasons": payment.reasons,
        "expires_at": payment.expires_at,
        "merchant_id": payment.merchant_id,
        "amount": payment.amount,
        "currency": payment.currency,
        "reference": payment.reference,
    }
