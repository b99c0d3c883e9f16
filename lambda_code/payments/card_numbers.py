"""The guard that keeps card numbers (PAN, ISO/IEC 7812) out of the system.

A number counts when an issuer could have issued it (prefix and length), its check digit fits
(Luhn), and it stands where people and programs put one: alone, in groups, before its security code
or expiry, behind a date or another number. What says of itself that it is something else (a UUID, a
digest, a creditor reference, a bank account, a moment) is left out before. How often each goes
wrong is measured: docs/security.md, `python -m benchmarks.card_number_corpus`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from payments.identifiers import UUID_PATTERN

# ISO/IEC 7812-1 ends at 19 digits; the shortest numbers in use have 13.
SHORTEST, LONGEST = 13, 19


class _Range(NamedTuple):
    """Issuers' prefixes of six digits, from `low` to `high`, and the lengths of their numbers.

    Attributes:
        lengths: in digits, of a number that stands alone.
        glued: those that are also looked for behind other digits. There chance has more tries,
            so the lengths are left out that hardly any issuer uses. Where there are none, the
            number is not looked for before its security code either.
    """

    low: int
    high: int
    lengths: frozenset[int]
    glued: frozenset[int]


# Networks' prefixes, lengths alone, lengths glued. Sources: the networks' public rules and the
# list in https://en.wikipedia.org/wiki/Payment_card_number. Elo, Hipercard, Verve, Dankort, Meeza,
# Laser, Solo and others lie in ranges that are here.
_ISSUERS: Final = (
    ("4", "13 16 19", "13 16 19"),  # Visa
    ("51-55 222100-272099 286900", "16", "16"),  # Mastercard; Carnet
    ("34 37", "15", "15"),  # American Express
    ("300-305 3095 36 38-39", "14 15 16 17 18 19", "14 16"),  # Diners Club; Hipercard's 3841
    ("3528-3589 353 356", "16 17 18 19", "16"),  # JCB; RuPay
    ("50 56-69", "13 14 15 16 17 18 19", "16 19"),  # Maestro, Discover, UnionPay, RuPay, Troy, …
    ("81 82", "16 17 18 19", "16 19"),  # UnionPay, RuPay
    ("2200-2205", "16 17 18 19", "16"),  # Mir; Borica
    ("9792 8600 9860 968201-968211 9112 9417 9051", "16", "16"),  # Troy and other national ones
    ("9704", "16 19", "16 19"),  # Napas
    ("4903 4905 4911 4936", "18", ""),  # Switch
    ("31", "19", ""),  # T-Union
    # As the first digits of a moment in seconds or smaller units they are too frequent to be glued.
    ("1", "15", ""),  # UATP; JCB's 1800
    ("2131", "15", ""),  # JCB
    ("1946", "16", ""),  # GPN
)


def _ranges() -> Iterator[_Range]:
    for prefixes, lengths, glued in _ISSUERS:
        for prefix in prefixes.split():
            low, _, high = prefix.partition("-")
            yield _Range(
                int(low.ljust(6, "0")),
                int((high or low).ljust(6, "9")),
                frozenset(map(int, lengths.split())),
                frozenset(map(int, glued.split())),
            )


_RANGES: Final = tuple(_ranges())
_BY_FIRST_DIGIT: Final = {
    digit: tuple(r for r in _RANGES if r.low // 100_000 <= int(digit) <= r.high // 100_000)
    for digit in "0123456789"
}

_LETTERS = re.compile(r"[^\W\d_]+")
_GROUP = re.compile(r"\d+")
_DIGIT = re.compile(r"\d")

# How numbers are grouped on cards and on paper, when other digits stand before or behind.
_LAYOUTS: Final = (
    *((4, 4, 4, 4), (4, 4, 4, 4, 1), (4, 4, 4, 4, 2), (4, 4, 4, 4, 3), (8, 8)),
    *((4, 4, 8), (8, 4, 4), (4, 8, 4), (6, 6, 4), (4, 6, 6), (6, 6, 7)),
    *((4, 6, 5), (4, 5, 6), (4, 4, 4, 3), (4, 6, 4), (4, 4, 4, 2), (4, 4, 5), (4, 4, 4, 1)),
    *((4, 3, 3, 3), (6, 13)),
)

_MONTH, _YEAR = "(?:0[1-9]|1[0-2])", "(?:20)?(?:[23][0-9]|4[0-4])"
_EXPIRY = re.compile(rf"(?:{_MONTH}{_YEAR}|{_YEAR}{_MONTH})")
_EXPIRY_AND_CODE = re.compile(rf"{_EXPIRY.pattern}(?:[0-9]{{3,4}})?|[0-9]{{3,4}}{_EXPIRY.pattern}")
# Of a number behind other digits: none, or as long as a code, an expiry or both can be.
_TAILS: Final = (0, 3, 4, 6, 7, 8, 9, 10)
# The month right behind the number, the year behind a stroke.
_GLUED_EXPIRY = re.compile(rf"(?<=[0-9]){_MONTH}/{_YEAR}(?![0-9])")

_DAY = "(?:0[1-9]|[12][0-9]|3[01])"
_TIME = "(?:[01][0-9]|2[0-3])[0-5][0-9](?:[0-5][0-9])?"
_DATE = rf"(?:19|20)[0-9]{{2}}{_MONTH}{_DAY}"
_DATE_FIRST = re.compile(_DATE)
_DATE_BEFORE = re.compile(
    rf"(?:{_DATE}|{_DAY}{_MONTH}(?:20)?[0-4][0-9]|{_MONTH}{_DAY}20[0-4][0-9]|"
    rf"[0-4][0-9]{_MONTH}{_DAY})(?:{_TIME})?"
)
# Seconds, milliseconds, microseconds or nanoseconds from 2020 to 2030, or a date and a time.
_MOMENT = re.compile(
    rf"1[678][0-9]{{8}}(?:[0-9]{{3}}){{0,3}}|"
    rf"20[0-3][0-9]{_MONTH}{_DAY}(?:{_TIME}(?:[0-9]{{3}}){{0,2}})?"
)

_UUID = re.compile(rf"(?<![0-9a-fA-F])(?i:{UUID_PATTERN})(?![0-9a-fA-F])")
# Of SHA-256's digests one in 25 holds 13 digits in a row.
_HEXADECIMAL = re.compile(
    r"(?<![0-9a-fA-F])(?:[0-9a-f]{24,128}|[0-9A-F]{24,128})(?![0-9a-fA-F])",
)
_HEXADECIMAL_LENGTHS: Final = frozenset((24, 32, 40, 48, 56, 64, 96, 128))
# ISO 11649 (creditor reference) and ISO 13616 (IBAN), which both carry check digits of ISO 7064.
_CHECKED = re.compile(
    r"(?<![0-9A-Za-z])(?:RF|rf|[A-Z]{2})[0-9]{2}(?:[ .-]?[0-9A-Za-z]){1,30}(?![0-9A-Za-z])"
)
_CREDITOR_REFERENCE_LENGTHS: Final = range(5, 26)
# The IBAN registry's lengths, by country.
_IBAN_LENGTHS: Final = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}
# Denmark's code lines: +71<…+…<, with the kind, the payer's number and the creditor's.
_CODE_LINE = re.compile(r"\+(?:71|75|04|15)[< ]{0,2}([0-9]{15,16}) ?\+ ?[0-9]{7,8}(?![0-9])<?")
# ISO 8601.
_DATE_AND_TIME = re.compile(
    r"(?<![0-9])[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt _][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
    r"(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?(?![0-9])"
)
# E.164, of 13 digits: few cards have as many, and none is written with a plus.
_TELEPHONE = re.compile(r"(?<!\S)\+[0-9](?:[ ()./-]{0,2}[0-9]){12}(?![ ()./-]{0,2}[0-9])")


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
    if not text.isascii():
        text = _plain(text)
    if len(_DIGIT.findall(text)) < SHORTEST:
        return False
    for pattern, rewrite in _REWRITTEN:
        text = pattern.sub(rewrite, text)
    return any(_in_groups(_GROUP.findall(part)) for part in _LETTERS.split(text))


def _plain(text: str) -> str:
    """With ASCII's digits for all that are or stand for one, and without what shows nothing.

    Superscript, circled and other digits become plain by Unicode's NFKC. What has no width of its
    own (categories Cf, Mn, Me) does not even make a group.
    """
    plain = []
    for character in unicodedata.normalize("NFKC", text):
        category = unicodedata.category(character)
        if category == "Nd":
            plain.append(str(unicodedata.decimal(character)))
        elif category not in ("Cf", "Mn", "Me"):
            plain.append(character)
    return "".join(plain)


def _without_hexadecimal(match: re.Match[str]) -> str:
    """Nothing of a digest, in which digits and letters take turns.

    Letters only before and behind one run of digits are how a number in a sentence may look.
    """
    text = match.group()
    runs = sum(1 for part in _LETTERS.split(text) if part)
    return "x" if len(text) in _HEXADECIMAL_LENGTHS and runs > 2 else text


def _without_checked(match: re.Match[str]) -> str:
    """Nothing of a creditor reference or an IBAN, of which words may follow."""
    text = match.group()
    ends = [n for n in range(len(text), 0, -1) if n == len(text) or text[n] in " .-"]
    for end in ends:
        reference = re.sub("[ .-]", "", text[:end]).upper()
        is_one = (
            len(reference) in _CREDITOR_REFERENCE_LENGTHS
            if reference.startswith("RF")
            else len(reference) == _IBAN_LENGTHS.get(reference[:2])
        )
        digits = "".join(str(int(character, 36)) for character in reference[4:] + reference[:4])
        if is_one and int(digits) % 97 == 1:
            return "x" + text[end:]
    return text


def _without_code_line(match: re.Match[str]) -> str:
    return "x" if _passes_luhn(match.group(1)) else match.group()


_REWRITTEN: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]] = (
    (_UUID, lambda _: "x"),
    (_HEXADECIMAL, _without_hexadecimal),
    (_CHECKED, _without_checked),
    (_CODE_LINE, _without_code_line),
    (_DATE_AND_TIME, lambda _: "x"),
    (_TELEPHONE, lambda _: "x"),
    (_GLUED_EXPIRY, lambda match: match.group().replace("/", "")),
)


def _in_groups(groups: Sequence[str]) -> bool:
    """Whether a number is in groups of digits with anything but letters between them."""
    if not groups:
        return False
    if max(map(len, groups)) <= 2:  # spaced out: nothing is a group
        return _in_digits("".join(groups))
    return (
        any(_in_digits(group) for group in groups)
        or _spread_over_the_first(groups)
        or _in_a_layout(groups)
    )


def _in_digits(run: str) -> bool:
    """Whether a number is in digits with nothing between them."""
    length = len(run)
    if length < SHORTEST:
        return False
    if _is_card_number(run):
        return True
    other = _has_other_check_digits(run)
    for end in range(SHORTEST, min(length, LONGEST + 1)):
        number, after = run[:end], run[end:]
        if not other and length > LONGEST and _may_have_more(number, glued=True):
            return True
        if other:  # then no code of four digits behind a number of 19
            belongs = len(after) != 8 and _EXPIRY_AND_CODE.fullmatch(after) is not None
        else:
            belongs = _belongs_to_a_card(after)
        if belongs and _may_have_more(number, glued=False):
            return True
    return _behind_digits(run, other=other)


def _behind_digits(run: str, *, other: bool) -> bool:
    """Whether the run ends with a number, or with one and its security code, expiry, or both."""
    length = len(run)
    inside_date = 8 if _DATE_FIRST.match(run) else 0
    if _MOMENT.fullmatch(run):
        return False
    for size in range(SHORTEST, min(length, LONGEST + 1)):
        for tail in _TAILS:
            start, end = length - tail - size, length - tail
            if start <= 0 or start < inside_date:
                continue
            before, number, after = run[:start], run[start:end], run[end:]
            dated = _DATE_BEFORE.fullmatch(before) is not None
            padded = not before.strip("0")
            if padded and start > 1 and size == SHORTEST:
                continue  # so are slips' numbers, of which many have 13 digits
            if other and not dated:
                belongs = length == 27 and _EXPIRY.fullmatch(after) is not None
            else:
                belongs = tail <= 4 or _EXPIRY_AND_CODE.fullmatch(after) is not None
            if belongs and _may_have_more(number, glued=not dated):
                return True
    return False


def _spread_over_the_first(groups: Sequence[str]) -> bool:
    """Whether the first groups make a number, and the others are what belongs to a card, if any."""
    number = ""
    for count, group in enumerate(groups, 1):
        number += group
        if len(number) > LONGEST:
            return False
        if len(number) < SHORTEST or _holds_a_moment(groups[:count]):
            continue
        rest = groups[count:]
        if _is_card_number(number) and (
            not rest or (max(map(len, rest)) <= 4 and _belongs_to_a_card("".join(rest)))
        ):
            return True
    return False


def _in_a_layout(groups: Sequence[str]) -> bool:
    """Whether groups are laid out as on a card, whatever is glued to the first and the last."""
    sizes = [len(group) for group in groups]
    for layout in _LAYOUTS:
        first_size, *inner, last_size = layout
        for at in range(len(groups) - len(layout) + 1):
            end = at + len(layout)
            if sizes[at + 1 : end - 1] != inner:
                continue
            if sizes[at] < first_size or sizes[end - 1] < last_size:
                continue
            after = groups[end - 1][last_size:]
            exact = sizes[at] == first_size and not after
            if exact and _holds_a_moment(groups[at:end]):
                continue
            if not exact and not (inner and (not after or _belongs_to_a_card(after))):
                continue
            number = "".join(
                (groups[at][-first_size:], *groups[at + 1 : end - 1], groups[end - 1][:last_size])
            )
            if _is_card_number(number) if exact else _may_have_more(number, glued=True):
                return True
    return False


def _holds_a_moment(groups: Sequence[str]) -> bool:
    """Whether a group, or three in a row, are a date or a moment."""
    if [*map(len, groups)] == [6, 13]:
        return False  # so are UnionPay's numbers of 19 digits grouped
    if any(len(group) >= 8 and _MOMENT.fullmatch(group) for group in groups):
        return True
    for one, two, three in zip(groups, groups[1:], groups[2:], strict=False):
        if (len(one), len(two), len(three)) == (4, 2, 2) and _MOMENT.fullmatch(one + two + three):
            return True
        if (len(one), len(two), len(three)) == (2, 2, 4) and _MOMENT.fullmatch(three + two + one):
            return True
    return False


def _belongs_to_a_card(after: str) -> bool:
    """Whether digits behind a number may be its security code, its expiry, and what follows."""
    return (
        len(after) in (3, 4)
        or _EXPIRY.match(after) is not None
        or _EXPIRY_AND_CODE.fullmatch(after) is not None
    )


def _has_other_check_digits(run: str) -> bool:
    """Whether it is a number of a known length that no card has, and its check digit fits."""
    if len(run) == 27:  # Switzerland's ESR and QR reference
        return _passes_mod_10_recursive(run)
    # An acquirer's reference number (ARN), with the day of the year in it.
    return len(run) == 23 and run[0] in "27" and "001" <= run[8:11] <= "366" and _passes_luhn(run)


def _is_card_number(number: str) -> bool:
    """Whether an issuer may have issued it, by prefix, length and check digit."""
    iin, length = int(number[:6]), len(number)
    return any(
        low <= iin <= high and length in lengths
        for low, high, lengths, _ in _BY_FIRST_DIGIT[number[0]]
    ) and _passes_luhn(number)


def _may_have_more(number: str, *, glued: bool) -> bool:
    """The same of a number with other digits right behind it, or (glued) before it."""
    iin, length = int(number[:6]), len(number)
    return any(
        low <= iin <= high and length in (often if glued else often and lengths)
        for low, high, lengths, often in _BY_FIRST_DIGIT[number[0]]
    ) and _passes_luhn(number)


_DOUBLED: Final = str.maketrans("0123456789", "0246813579")


def _passes_luhn(number: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    doubled = number[-2::-2].translate(_DOUBLED)
    return (sum(map(int, number[::-2])) + sum(map(int, doubled))) % 10 == 0


def _passes_mod_10_recursive(number: str) -> bool:
    """Swiss Payment Standards, annex B."""
    carry = 0
    for digit in number:
        carry = (0, 9, 4, 6, 8, 2, 7, 1, 3, 5)[(carry + int(digit)) % 10]
    return carry == 0
