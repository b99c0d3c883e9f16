"""Currencies, limits, names: the rules on which payments are decided and told apart."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from payment_validator.decision import decline_reasons

from payments.contract import SCHEMAS
from payments.currencies import CURRENCIES
from payments.identifiers import fingerprint, transaction_id

# ISO 4217, table A.1: the currencies and units of account whose minor unit is not a hundredth.
OTHER_EXPONENTS = {
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0,
    "RWF": 0, "UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
    "CLF": 4, "UYW": 4,
}  # fmt: skip


@pytest.mark.parametrize("code", CURRENCIES)
def test_a_currencys_exponent_is_that_of_iso_4217(code: str) -> None:
    assert CURRENCIES[code].exponent == OTHER_EXPONENTS.get(code, 2)


@pytest.mark.parametrize(
    ("code", "limit"), [("EUR", 1_000_000), ("JPY", 1_500_000), ("KWD", 3_000_000)]
)
def test_a_limit_counts_in_minor_units(code: str, limit: int) -> None:
    assert CURRENCIES[code].limit == limit


@given(st.sampled_from(sorted(CURRENCIES)), st.integers(1, 999_999_999_999))
def test_a_payment_is_declined_exactly_above_its_currencys_limit(code: str, amount: int) -> None:
    expected = ["amount_above_limit"] if amount > CURRENCIES[code].limit else []
    assert decline_reasons(amount, code) == expected


@pytest.mark.parametrize("code", CURRENCIES)
def test_the_limit_itself_is_approved(code: str) -> None:
    assert decline_reasons(CURRENCIES[code].limit, code) == []
    assert decline_reasons(CURRENCIES[code].limit + 1, code) == ["amount_above_limit"]


def test_every_limit_can_be_sent() -> None:
    """The schema's own limits leave room for it, and for one more."""
    schema = json.loads((SCHEMAS / "validate_request.json").read_text())["properties"]
    for code, terms in CURRENCIES.items():
        assert re.fullmatch(schema["currency"]["pattern"], code)
        assert schema["amount"]["minimum"] <= terms.limit < schema["amount"]["maximum"]
        assert terms.limit % (100 * 10**terms.exponent) == 0, "whole hundreds of the currency"


@given(st.text(), st.integers())
def test_a_decision_is_reached_for_anything(code: str, amount: int) -> None:
    reasons = decline_reasons(amount, code)
    assert len(reasons) <= 1
    assert (reasons == ["currency_not_supported"]) == (code not in CURRENCIES)


@pytest.mark.parametrize("code", ["XXX", "XAU", "ZZZ", "DEM"])
def test_a_currency_that_we_do_not_take_is_declined(code: str) -> None:
    assert decline_reasons(1, code) == ["currency_not_supported"]


def test_a_transactions_name_never_changes() -> None:
    """Another value here would let every stored payment be posted again under another name."""
    assert transaction_id("acme", "k1") == "6311be72-496b-5539-8a88-da9b8e217493"


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[A-Za-z0-9_-]{1,5}", fullmatch=True),
            st.from_regex(r"[A-Za-z0-9_.:-]{1,5}", fullmatch=True),
        ),
        min_size=2,
        max_size=2,
        unique=True,
    )
)
def test_different_merchants_or_keys_have_different_transactions(
    pairs: list[tuple[str, str]],
) -> None:
    assert transaction_id(*pairs[0]) != transaction_id(*pairs[1])


@given(st.dictionaries(st.text(), st.text() | st.integers(), min_size=1))
def test_a_fingerprint_depends_on_content_not_on_order(request_: dict[str, object]) -> None:
    mark = fingerprint(request_)
    assert fingerprint(dict(reversed(request_.items()))) == mark
    assert fingerprint(request_ | {next(iter(request_)): None}) != mark
