"""The currencies that we take payments in (ISO 4217), and the most that one payment may move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True)
class Currency:
    """One currency.

    Attributes:
        exponent: decimal places of the minor unit (ISO 4217, table A.1).
        limit: the largest single payment, in the minor unit.
    """

    exponent: int
    limit: int


def _currency(exponent: int, limit_in_major_units: int) -> Currency:
    return Currency(exponent, limit_in_major_units * 10**exponent)


# Limits are policy: about 10 000 US dollars, rounded in each currency.
CURRENCIES: Final[Mapping[str, Currency]] = MappingProxyType(
    {
        "AED": _currency(2, 36_000),
        "AUD": _currency(2, 15_000),
        "BHD": _currency(3, 3_700),
        "CAD": _currency(2, 13_500),
        "CHF": _currency(2, 10_000),
        "CLP": _currency(0, 9_000_000),
        "CZK": _currency(2, 230_000),
        "DKK": _currency(2, 70_000),
        "EUR": _currency(2, 10_000),
        "GBP": _currency(2, 8_000),
        "HKD": _currency(2, 78_000),
        "HUF": _currency(2, 3_600_000),
        "ILS": _currency(2, 36_000),
        "INR": _currency(2, 830_000),
        "ISK": _currency(0, 1_400_000),
        "JOD": _currency(3, 7_000),
        "JPY": _currency(0, 1_500_000),
        "KRW": _currency(0, 13_000_000),
        "KWD": _currency(3, 3_000),
        "MXN": _currency(2, 180_000),
        "NOK": _currency(2, 105_000),
        "NZD": _currency(2, 16_000),
        "OMR": _currency(3, 3_800),
        "PLN": _currency(2, 40_000),
        "RON": _currency(2, 46_000),
        "SEK": _currency(2, 105_000),
        "SGD": _currency(2, 13_500),
        "TND": _currency(3, 31_000),
        "USD": _currency(2, 10_000),
        "ZAR": _currency(2, 185_000),
    }
)
