"""The card-number guard (I5): what it must find, and what it must let pass."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import card_number_corpus as corpus
from payments.card_numbers import contains_card_number

# Published test numbers of the card networks: 13, 14, 15, 16 and 19 digits.
TEST_NUMBERS = [
    "4222222222222",
    "30569309025904",
    "38520000023237",
    "378282246310005",
    "4111111111111111",
    "5555555555554444",
    "2223003122003222",
    "6011111111111117",
    "3530111333300000",
    "6200000000000005",
    "5019717010103742",
    "9792030394440796",
    "2200000000000004",
    "6062826786276634",
    "135410014004955",
    "6304000000000000000",
]


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    """A number as one of the networks could have issued it."""
    network = draw(st.sampled_from([*corpus.NETWORKS.values()]))
    low, high = draw(st.sampled_from(network.prefixes))
    prefix = str(draw(st.integers(int(low), int(high))))
    missing = draw(st.sampled_from(network.lengths)) - 1 - len(prefix)
    body = prefix + draw(st.text("0123456789", min_size=missing, max_size=missing))
    return body + corpus.luhn_digit(body)


separators = st.text(" -._/\u200b\u00a0", max_size=2)


@pytest.mark.parametrize("number", TEST_NUMBERS)
def test_a_networks_test_number_is_found(number: str) -> None:
    assert contains_card_number({"reference": number})


@given(card_numbers(), st.data())
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
@given(card_numbers())
def test_a_number_is_found_in_any_script(script: str, number: str) -> None:
    assert contains_card_number("".join(SCRIPTS[script][int(digit)] for digit in number))


@given(card_numbers(), st.data())
def test_a_number_is_found_in_a_mixture_of_scripts(number: str, data: st.DataObject) -> None:
    digits = st.sampled_from([[*"0123456789"], *SCRIPTS.values()])
    assert contains_card_number("".join(data.draw(digits)[int(digit)] for digit in number))


@pytest.mark.parametrize(
    "separator", ["\u2010", "\u00ad", "\u200b", "\u2060", "\u3000", "\t", "\n", "_", "\u20dd"]
)
def test_a_number_is_found_with_unusual_separators(separator: str) -> None:
    assert contains_card_number(separator.join("4111111111111111"))


@given(card_numbers())
def test_a_number_is_found_between_letters(number: str) -> None:
    assert contains_card_number(f"tok_{number}x")


@given(card_numbers())
def test_a_number_is_found_however_deep_and_as_a_name_too(number: str) -> None:
    assert contains_card_number([{"a": [{"b": number}]}])
    assert contains_card_number({"a": {number: None}})


@given(card_numbers())
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


# What is accepted today would be stored: a number with what belongs to a card, or to nothing.
WITH_MORE = [
    "4242424242424242123",
    "5555555555554444123",
    "6011111111111117123",
    "3782822463100051234",
    "3782822463100051229",
    "305693090259041229",
    "42222222222221229",
    "35301113333000001229",
    "97920303944407961229",
    "50197170101037421229",
    "202401314242424242424242",
    "2024013142424242424242421229",
    "20240131378282246310005123",
    "0004242424242424242",
    "47114242424242424242",
    "4711424242424242424212/29",
    "42424242424242422912101000001230",
    "4242424242424242=29121010000012300000",
    "4242424242424242D29121010000012300000",
    "4242 4242 4242 4242 12/29 123",
    "4242-4242-4242-4242-123",
    "3782 822463 10005 1234",
    "20240131 4242 4242 4242 4242",
    "2024013 14242 4242 4242 4242123",
    "993782 822463 100051229",
    "4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2 1 2 2 9",
    "9 9 4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2 1 2 2 9",
    "20240131424\u200b24242424242\u00ad42123",
    "424242 424242 4242 12/29",
    "VISA4242424242424242x",
    "RF18 5390 0754 7034 4242 4242 4242 4242",
    "a9fdb270-6866-4951-9716-c396fee74147 4242424242424242",
]


@pytest.mark.parametrize("text", WITH_MORE)
def test_a_number_is_found_with_more_digits_around_it(text: str) -> None:
    assert contains_card_number({"reference": text})


@pytest.mark.parametrize("follows", ["123", "1227", "12271", "122712", "1227123", "122712345678"])
@pytest.mark.parametrize("number", [n for n in TEST_NUMBERS if n[0] != "1"])
def test_a_number_is_found_with_its_code_or_expiry_date_right_behind(
    number: str, follows: str
) -> None:
    assert contains_card_number(number + follows)


@pytest.mark.parametrize("text", ["4111 1111 1111 1111 12/27", "Order 7: 4111 1111 1111 1111"])
def test_a_number_is_found_next_to_other_digits(text: str) -> None:
    assert contains_card_number(text)


@given(st.text("0123456789", min_size=11, max_size=11), st.integers(1, 9))
def test_a_wrong_check_digit_passes(digits: str, off: int) -> None:
    body = "371" + digits  # in 15 digits that begin so is no shorter number of another network
    right = corpus.luhn_digit(body)
    assert contains_card_number(body + right)
    assert not contains_card_number(body + str((int(right) + off) % 10))


@pytest.mark.parametrize(
    "number", ["7111111111111114", "1111111111111117", "2800000000000008", "411111111111116"]
)
def test_what_no_issuer_has_passes_whatever_its_check_digit(number: str) -> None:
    assert corpus.luhn_digit(number[:-1]) == number[-1]
    assert not contains_card_number(number)


@pytest.mark.parametrize("digits", ["000000000000", "0" * 20])
def test_fewer_than_13_or_more_than_19_digits_pass(digits: str) -> None:
    assert not contains_card_number(digits)


@given(st.uuids(), st.sampled_from(["{}", "pay_{}", "{}-4242", "urn:uuid:{}", "{{{}}}"]))
def test_a_uuid_passes(uuid: object, around: str) -> None:
    assert not contains_card_number({"idempotency_key": around.format(uuid)})


def test_a_uuid_whose_digits_pass_the_luhn_check_passes() -> None:
    assert not contains_card_number("41111111-1111-1111-8111-111111111111")
    assert not contains_card_number("4111abcd-4111-1111-1111-111111111111")


# Each has 13 digits or more, or seemed to, and was or could have been refused.
HONEST = [
    "RF18 5390 0754 7034",
    "RF18539007547034",
    "rf18 5390 0754 7034 and 17 more",
    "RF464242424242424242",
    "DE89 3704 0044 0532 0130 00",
    "pay_a9fdb270-6866-4951-9716-c396fee74147",
    "tok_59d14a8b10e1c18a07541960110209f6",
    "a3f54242424242424242b1c2d3e4f5a6",
    "1706707200123",
    "20240131123456789",
    "2024-01-31 12:34:56.789123+01:00",
    "2022-07-05T23:00:42.271000+00:00",
    "order-408-1706707200123",
    "4706 2024-01-31 0009",
    "PO 4500012304/00270",
    "409, 1706707200",
    "210000000003139471430009017",
    "21 00000 00003 13947 14300 09017",
    "+71<400000000000011+12345678<",
    "000000012345674",
    "0000001234567897",
    "12345 67890 12345 67894",
    "+4915123456784",
]


@pytest.mark.parametrize("text", HONEST)
def test_an_honest_reference_passes(text: str) -> None:
    assert not contains_card_number({"reference": text})


def test_a_creditor_reference_whose_check_digits_do_not_fit_hides_no_number() -> None:
    assert contains_card_number("RF184242424242424242")


def test_letters_around_a_number_make_it_no_digest() -> None:
    assert contains_card_number("abcd4242424242424242abcd")
    assert contains_card_number("4242424242424242abcdabcd")


@pytest.fixture(scope="module")
def rates() -> corpus.Rates:
    """Of a small part of the corpus whose rates docs/security.md has."""
    return corpus.measure(corpus.SEED, 6000, 6000)


def test_at_most_one_card_number_in_a_thousand_passes(rates: corpus.Rates) -> None:
    assert rates.missed.percent <= 0.1, rates.forms


def test_at_most_one_honest_reference_in_a_thousand_is_refused(rates: corpus.Rates) -> None:
    assert rates.refused.percent <= 0.1, rates.kinds


@pytest.mark.parametrize("network", corpus.NETWORKS)
def test_no_network_is_left_out(rates: corpus.Rates, network: str) -> None:
    assert rates.networks[network].wrong <= 2, rates.networks[network].example


@pytest.mark.parametrize("form", corpus.FORMS)
def test_no_way_to_write_a_number_is_left_out(rates: corpus.Rates, form: str) -> None:
    assert rates.forms[form].wrong <= 4, rates.forms[form].example


@pytest.mark.parametrize("kind", corpus.REFERENCES)
def test_no_kind_of_reference_is_refused(rates: corpus.Rates, kind: str) -> None:
    assert rates.kinds[kind].wrong <= 2, rates.kinds[kind].example


def test_a_whole_body_is_looked_through_in_little_time() -> None:
    spent = time.process_time()
    for text in ("4", "4 ", "4242 ", "4242424242424241 ", "RF18 5390 0754 7035 ", "+4", "1a"):
        contains_card_number(text * (4096 // len(text)))
    assert time.process_time() - spent < 1
