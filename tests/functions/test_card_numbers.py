"""The card-number guard (I5): what it must find, and what it must let pass."""

from __future__ import annotations

import json

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


# Digits of other scripts that are one (category Nd), and characters that stand for a digit.
ZEROS = {
    "full-width": "\uff10",
    "Arabic-Indic": "\u0660",
    "Persian": "\u06f0",
    "Devanagari": "\u0966",
    "bold": "\U0001d7ce",
    "segmented": "\U0001fbf0",
}
SUPERSCRIPTS = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"
CIRCLED = "\u24ea\u2460\u2461\u2462\u2463\u2464\u2465\u2466\u2467\u2468"
SCRIPTS = {name: [chr(ord(zero) + n) for n in range(10)] for name, zero in ZEROS.items()}
SCRIPTS |= {"superscript": [*SUPERSCRIPTS], "circled": [*CIRCLED]}


@pytest.mark.parametrize("script", SCRIPTS)
@given(card_numbers)
def test_a_number_is_found_in_any_script(script: str, number: str) -> None:
    assert contains_card_number("".join(SCRIPTS[script][int(digit)] for digit in number))


@given(card_numbers, st.data())
def test_a_number_is_found_in_a_mixture_of_scripts(number: str, data: st.DataObject) -> None:
    digits = st.sampled_from([[*"0123456789"], *SCRIPTS.values()])
    assert contains_card_number("".join(data.draw(digits)[int(digit)] for digit in number))


@pytest.mark.parametrize(
    "separator", ["\u2010", "\u00ad", "\u200b", "\u2060", "\u3000", "\t", "\n", "_", "\u20dd"]
)
def test_a_number_is_found_with_unusual_separators(separator: str) -> None:
    assert contains_card_number(separator.join("4111111111111111"))


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


@pytest.mark.parametrize("written", ["{}", "{}.0", "{}e0", "-{}", "{}E+0", "{}0e-1"])
@pytest.mark.parametrize("number", [n for n in TEST_NUMBERS if len(n) <= 16])
def test_a_number_is_found_however_the_json_number_is_written(number: str, written: str) -> None:
    assert contains_card_number(json.loads(written.format(number)))


def test_a_number_of_19_digits_is_found_as_a_float() -> None:
    assert contains_card_number(6.304e18)


@pytest.mark.parametrize("number", [5e-324, 1.8e308, float("inf"), -0.0, 1e100, 10**4000])
def test_no_number_is_too_large_or_too_small_to_be_looked_at(number: float) -> None:
    assert contains_card_number(number) in (True, False)


@pytest.mark.parametrize("follows", ["12271", "122712", "1227123", "122712345678"])
@pytest.mark.parametrize("number", ["4111111111111111", "5555555555554444", "2223003122003222"])
def test_a_number_is_found_with_its_expiry_date_right_behind(number: str, follows: str) -> None:
    assert contains_card_number(number + follows)


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
