"""The card-number guard (I5): what it must find, and what it must let pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.card_numbers import contains_card_number

# Published test numbers of the card networks: 13, 14, 15, 16 and 19 digits.
TEST_NUMBERS = [
    "4222222222222",
    "30569309025904",
    "378282246310005",
    "4111111111111111",
    "5555555555554444",
    "6304000000000000000",
]


def luhn_digit(digits: str) -> str:
    """The check digit, computed the other way round: the one that makes the guard's sum fit."""
    doubled = [int(d) * (2 - i % 2) for i, d in enumerate(reversed(digits))]
    return str(-sum(n // 10 + n % 10 for n in doubled) % 10)


card_numbers = st.text("0123456789", min_size=12, max_size=18).map(lambda d: d + luhn_digit(d))
separators = st.text(" -._/\u200b\u00a0", max_size=2)


@pytest.mark.parametrize("number", TEST_NUMBERS)
def test_a_networks_test_number_is_found(number: str) -> None:
    assert contains_card_number({"reference": number})


@given(card_numbers, st.data())
def test_any_valid_number_is_found_whatever_stands_between_its_digits(
    number: str, data: st.DataObject
) -> None:
    written = "".join(digit + data.draw(separators) for digit in number)
    assert contains_card_number(written)


@given(card_numbers)
def test_a_number_is_found_between_letters(number: str) -> None:
    assert contains_card_number(f"tok_{number}x")


@given(card_numbers)
def test_a_number_is_found_however_deep_and_as_a_name_too(number: str) -> None:
    assert contains_card_number([{"a": [{"b": number}]}])
    assert contains_card_number({"a": {number: None}})


@given(card_numbers.filter(lambda number: number[0] != "0"))
def test_a_number_is_found_as_a_json_number(number: str) -> None:
    assert contains_card_number({"a": int(number)})


@pytest.mark.parametrize("text", ["4111 1111 1111 1111 12/27", "Order 7: 4111 1111 1111 1111"])
def test_a_number_is_found_next_to_other_digits(text: str) -> None:
    assert contains_card_number(text)


@given(card_numbers, st.integers(1, 9))
def test_a_wrong_check_digit_passes(number: str, off: int) -> None:
    wrong = number[:-1] + str((int(number[-1]) + off) % 10)
    assert not contains_card_number(wrong)


@pytest.mark.parametrize("digits", ["000000000000", "0" * 20])
def test_fewer_than_13_or_more_than_19_digits_pass(digits: str) -> None:
    assert not contains_card_number(digits)


@given(st.uuids())
def test_a_uuid_passes(uuid: object) -> None:
    assert not contains_card_number({"idempotency_key": str(uuid)})


def test_a_uuid_whose_digits_pass_the_luhn_check_passes() -> None:
    assert not contains_card_number("41111111-1111-1111-8111-111111111111")
    assert not contains_card_number("4111abcd-4111-1111-1111-111111111111")
