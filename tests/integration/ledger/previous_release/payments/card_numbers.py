"""The guard that keeps card numbers (PAN, ISO/IEC 7812) out of the system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

# ISO/IEC 7812-1 ends at 19 digits; the shortest numbers in use have 13.
SHORTEST, LONGEST = 13, 19

# Digits with anything but letters between them: blanks, hyphens, dots, zero-width characters.
_DIGITS = re.compile(rf"\d(?:[\W_]*\d){{{SHORTEST - 1},}}")
_GROUP = re.compile(r"\d+")
# In more than 19 digits, a number that is followed by its expiry date or security code, by the
# networks' own prefixes and lengths: Visa, Mastercard, American Express, Discover, UnionPay.
_LEADING = re.compile(r"4\d{15}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|6\d{15}")
# One UUID in some hundred holds 13 digits in a row that pass the Luhn check by chance, and
# clients are told to use UUIDs; nobody writes a card number in groups of 8-4-4-4-12.
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def contains_card_number(document: object) -> bool:
    """Whether any string of a JSON document, names included, holds what may be a card number.

    It is a net for mistakes: digits with letters between them, or encoded ones, pass.
    """
    return any(_holds_card_number(text) for text in _strings(document))


def _strings(document: object) -> Iterator[str]:
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, bool):
            continue
        elif isinstance(value, float) and value.is_integer():
            yield str(int(value))  # str(6.304e18) has no 19 digits
        elif isinstance(value, int | float):
            yield str(value)
        elif isinstance(value, Mapping):
            pending += [*value.keys(), *value.values()]
        elif isinstance(value, Sequence):
            pending += value


def _holds_card_number(text: str) -> bool:
    # Superscript, circled and other digits become digits that `\d` knows (Unicode, NFKC).
    text = unicodedata.normalize("NFKC", text)
    if _UUID.fullmatch(text):
        return False
    return any(_is_card_number(match.group()) for match in _DIGITS.finditer(text))


def _is_card_number(run: str) -> bool:
    """Whether consecutive groups of a run of digits form a number that passes the Luhn check.

    Groups count, not only the whole run: an expiry date may follow the number.
    """
    groups = _GROUP.findall(run)
    for first in range(len(groups)):
        number = ""
        for group in groups[first:]:
            number += group
            if len(number) > LONGEST:
                leading = _LEADING.match(number) if number == group else None
                if leading and _passes_luhn(leading.group()):
                    return True
                break
            if len(number) >= SHORTEST and _passes_luhn(number):
                return True
    return False


def _passes_luhn(number: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    total = 0
    for position, character in enumerate(reversed(number)):
        digit = int(character) * (2 if position % 2 else 1)
        total += digit - 9 if digit > 9 else digit
    return total % 10 == 0
