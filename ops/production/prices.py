"""AWS's prices, of a dated table."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TABLE: Final = Path(__file__).with_name("prices.toml")
HOURS: Final = 730
"""Of a month, as AWS's own calculator counts."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """Of one `unit`, by a page of AWS's."""

    usd: float
    unit: str
    what: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Prices:
    date: str
    by_name: Mapping[str, Price]

    @classmethod
    def read(cls) -> Prices:
        table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
        found = {name: Price(**price) for name, price in table["price"].items()}
        return cls(date=table["date"], by_name=found)
