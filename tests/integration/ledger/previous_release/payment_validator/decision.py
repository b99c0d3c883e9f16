"""Which well-formed payments we take: the rest are declined, with stable reasons."""

from __future__ import annotations

from payments.currencies import CURRENCIES


def decline_reasons(amount: int, currency: str) -> list[str]:
    """Why a payment is declined, as codes of schemas/validate_response.json; empty: approved.

    Args:
        amount: minor units of `currency`.
    """
    terms = CURRENCIES.get(currency)
    if terms is None:
        return ["currency_not_supported"]
    return ["amount_above_limit"] if amount > terms.limit else []
