"""How often the card-number guard errs: card numbers that pass, honest references that do not.

    python -m benchmarks.card_number_corpus [--seed 20260101] [--numbers 60000] [--references 60000]

Both sets are made, not collected: card numbers by network, in the ways in which they are written
(`FORMS`); references by kind (`REFERENCES`). The same seed makes the same strings. What the guard
lets pass or refuses by choice, because the two goals exclude each other there, is measured apart
(`PASSED_BY_CHOICE`, `REFUSED_BY_CHOICE`). The networks' table is not the guard's, on purpose.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from string import ascii_letters, digits
from typing import Final
from uuid import UUID

from payments.card_numbers import contains_card_number

SEED: Final = 20_260_101


@dataclass(frozen=True)
class Network:
    """A network's prefixes, with the lengths of its numbers.

    Attributes:
        prefixes: each a prefix, or the first and the last of a range.
        lengths: all that exist.
        usual: those that are made when other digits stand right before the number.
    """

    prefixes: tuple[tuple[str, str], ...]
    lengths: tuple[int, ...]
    usual: tuple[int, ...]


def _network(prefixes: str, lengths: str, usual: str) -> Network:
    ranges = (prefix.partition("-") for prefix in prefixes.split())
    return Network(
        tuple((low, high or low) for low, _, high in ranges),
        tuple(map(int, lengths.split())),
        tuple(map(int, usual.split())),
    )


NETWORKS: Final[Mapping[str, Network]] = {
    "Visa": _network("4", "13 16 19", "13 16 19"),
    "Mastercard": _network("51-55 2221-2720", "16", "16"),
    "American Express": _network("34 37", "15", "15"),
    "Discover": _network("6011 622126-622925 644-649 65", "16 17 18 19", "16 19"),
    "Diners Club": _network("300-305 3095 36 38-39", "14 15 16 17 18 19", "14 16"),
    "JCB": _network("3528-3589", "16 17 18 19", "16"),
    "UnionPay": _network("62 81", "16 17 18 19", "16 19"),
    "Maestro": _network("50 56-69", "13 14 15 16 17 18 19", "16 19"),
    "Troy": _network("9792", "16", "16"),
    "Mir": _network("2200-2204", "16 17 18 19", "16"),
    "RuPay": _network("60 65 81 82 508", "16", "16"),
    "Elo": _network("401178 438935 451416 457631 506699-506778 509000-509999 627780", "16", "16"),
    "Hipercard": _network("384100 384140 384160 606282", "16", "16"),
    "Verve": _network("506099-506198 650002-650027 507865-507964", "16 18 19", "16 19"),
    "Dankort": _network("5019 4571", "16", "16"),
    "Napas, UzCard, Humo": _network("9704 8600 9860", "16", "16"),
    "UATP": _network("1", "15", ""),
}


def luhn_digit(digits: str) -> str:
    """The check digit, computed the other way round: the one that makes the guard's sum fit."""
    doubled = [int(d) * (2 - i % 2) for i, d in enumerate(reversed(digits))]
    return str(-sum(n // 10 + n % 10 for n in doubled) % 10)


def card_number(random: Random, network: Network, lengths: tuple[int, ...]) -> str:
    """A number of the network, of one of the lengths."""
    low, high = random.choice(network.prefixes)
    prefix = str(random.randint(int(low), int(high)))
    length = random.choice(lengths)
    body = prefix + _digits(random, length - 1 - len(prefix))
    return body + luhn_digit(body)


def _digits(random: Random, count: int) -> str:
    return "".join(random.choices("0123456789", k=count))


def _moment(random: Random) -> datetime:
    return datetime(2021, 1, 1, tzinfo=UTC) + timedelta(
        milliseconds=random.randrange(9 * 365 * 24 * 3_600_000)
    )


def _milliseconds(random: Random) -> str:
    return str(int(_moment(random).timestamp() * 1000))


# Ways to write a number.


def _code(random: Random, number: str) -> str:
    return _digits(random, 4 if len(number) == 15 else 3)


def _expiry(random: Random, _number: str = "") -> str:
    month, year = f"{random.randint(1, 12):02}", str(random.randint(2024, 2040))
    return random.choice([month + year[2:], year[2:] + month, month + year])


def _date(random: Random) -> str:
    moment = _moment(random)
    return moment.strftime(random.choice(["%Y%m%d", "%Y%m%d", "%y%m%d", "%d%m%Y", "%Y%m%d%H%M%S"]))


def _grouped(random: Random, number: str, separator: str = "") -> str:
    layouts: dict[int, list[tuple[int, ...]]] = {
        13: [(4, 4, 4, 1), (4, 4, 5), (4, 3, 3, 3)],
        14: [(4, 6, 4), (4, 6, 4), (4, 4, 4, 2)],
        15: [(4, 6, 5), (4, 6, 5), (4, 4, 4, 3)],
        16: [(4, 4, 4, 4), (4, 4, 4, 4), (4, 4, 4, 4), (8, 8), (6, 6, 4), (4, 8, 4)],
        17: [(4, 4, 4, 4, 1)],
        18: [(4, 4, 4, 4, 2)],
        19: [(4, 4, 4, 4, 3), (6, 13)],
    }
    groups, at = [], 0
    for size in random.choice(layouts[len(number)]):
        groups.append(number[at : at + size])
        at += size
    return (separator or random.choice([" ", "-", ".", "_", "\u00a0", "\u2011"])).join(groups)


def _glued_to_groups(random: Random, number: str) -> str:
    groups = _in_fours(number) if len(number) > 15 else _grouped(random, number, " ")
    before = random.choice(["", _digits(random, random.randint(1, 8)), _date(random)])
    after = random.choice(["", _code(random, number), _expiry(random)])
    return before + groups + (after or ("" if before else _code(random, number)))


def _in_other_digits(random: Random, number: str) -> str:
    zero = ord(random.choice("\uff10\u0660\u06f0\u0966\U0001d7ce"))
    return "".join(chr(zero + int(digit)) for digit in number)


FORMS: Final[Mapping[str, Callable[[Random, str], str]]] = {
    "alone": lambda _, n: n,
    "before its code": lambda r, n: n + _code(r, n),
    "before its expiry": lambda r, n: n + _expiry(r),
    "before expiry and code": lambda r, n: n + _expiry(r) + _code(r, n),
    "before code and expiry": lambda r, n: n + _code(r, n) + _expiry(r),
    "behind a date": lambda r, n: _date(r) + n + r.choice(["", _code(r, n), _expiry(r)]),
    "behind zeros": lambda r, n: "0" * r.randint(1, 6) + n,
    "behind other digits": lambda r, n: _digits(r, r.randint(1, 6)) + n,
    "between digits and expiry": lambda r, n: _digits(r, r.randint(1, 6)) + n + _expiry(r),
    "between digits and code": lambda r, n: _digits(r, r.randint(1, 6)) + n + _code(r, n),
    "grouped": _grouped,
    "grouped, more groups behind": lambda r, n: (
        f"{_grouped(r, n)} {_expiry(r)} {_code(r, n)}"
        if r.random() < 0.5
        else f"{_grouped(r, n)} {r.randint(1, 12):02}/{r.randint(24, 40)} {_code(r, n)}"
    ),
    "grouped, more groups before": lambda r, n: f"{_digits(r, r.randint(1, 6))} {_grouped(r, n)}",
    "grouped, digits glued to the ends": _glued_to_groups,
    "any separator between digits": lambda r, n: r.choice(
        [" ", "-", ".", "_", "/", "\u200b", "\u00ad", "\u3000", " - "]
    ).join(n),
    "between letters": lambda r, n: r.choice(["tok_", "VISA", "x", "card:"]) + n + r.choice("x_Z "),
    "in a sentence": lambda r, n: f"Order {r.randint(1, 99999)}: {_grouped(r, n)}, please",
    "in another script": _in_other_digits,
}
GLUED_BEFORE: Final = frozenset(form for form in FORMS if form.startswith(("behind", "between d")))
# Moments begin with the digit of UATP's numbers, so they count where nothing is glued to them.
WITHOUT_GLUE: Final = frozenset(
    ("alone", "grouped", "any separator between digits", "between letters", "in another script")
)


def numbers(seed: int, count: int) -> Iterator[tuple[str, str, str]]:
    """`count` times a network, a form, and a text that holds a number so."""
    random = Random(seed)  # noqa: S311 - to be the same each time
    for _ in range(count):
        name = random.choice([*NETWORKS])
        network = NETWORKS[name]
        form = random.choice([f for f in FORMS if network.usual or f in WITHOUT_GLUE])
        lengths = network.usual if form in GLUED_BEFORE else network.lengths
        if form == "grouped, digits glued to the ends":
            lengths = network.usual
        if form == "behind zeros":
            lengths = tuple(length for length in lengths if length > 13)
        yield name, form, FORMS[form](random, card_number(random, network, lengths))


# Honest references.


def _creditor_reference(random: Random) -> str:
    body = _digits(random, random.randint(4, 21))
    if random.random() < 0.2:
        body = "".join(random.choices("0123456789ABCDEFGHJKLMNPQRSTUVWXYZ", k=len(body)))
    return "RF" + _iso_7064("RF", body) + body


def _iso_7064(head: str, body: str) -> str:
    number = int("".join(str(int(character, 36)) for character in body + head + "00"))
    return f"{98 - number % 97:02}"


def _iban(random: Random) -> str:
    country, length = random.choice([("DE", 22), ("NO", 15), ("CH", 21), ("PL", 28), ("FR", 27)])
    body = _digits(random, length - 4)
    return country + _iso_7064(country, body) + body


def _in_fours(text: str) -> str:
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def _in_fives(text: str) -> str:
    first = len(text) % 5
    groups = [text[at : at + 5] for at in range(first, len(text), 5)]
    return " ".join([text[:first], *groups] if first else groups)


def _either(random: Random, text: str, group: Callable[[str], str]) -> str:
    return group(text) if random.random() < 0.5 else text


def _hexadecimal(random: Random, characters: int) -> str:
    return f"{random.getrandbits(4 * characters):0{characters}x}"


def _uuid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))


def _ulid(random: Random) -> str:
    return "01" + "".join(random.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=24))


def _kid(random: Random, digits: int, width: int = 0) -> str:
    """With check digit by modulus 10 or 11, filled up with zeros on the left."""
    body = str(random.randint(1, 9)) + _digits(random, digits - 2)
    body = body.zfill(width - 1)
    if random.random() < 0.5:
        return body + luhn_digit(body)
    total = sum(int(d) * (2 + at % 6) for at, d in enumerate(reversed(body)))
    return body + "0123456789-0"[-total % 11] if -total % 11 != 10 else body + luhn_digit(body)


def _ocr(random: Random, digits: int) -> str:
    """With the length's last digit before the check digit."""
    body = _digits(random, digits - 2) + str(digits % 10)
    return body + luhn_digit(body)


def _fik(random: Random, digits: int) -> str:
    body = _digits(random, digits).zfill(14)
    return body + luhn_digit(body)


def _esr(random: Random) -> str:
    body, carry = _digits(random, 26), 0
    for digit in body:
        carry = (0, 9, 4, 6, 8, 2, 7, 1, 3, 5)[(carry + int(digit)) % 10]
    return body + str(-carry % 10)


def _viitenumero(random: Random, digits: int) -> str:
    body = str(random.randint(1, 9)) + _digits(random, digits - 2)
    total = sum(int(d) * (7, 3, 1)[at % 3] for at, d in enumerate(reversed(body)))
    return body + str(-total % 10)


def _order(random: Random) -> str:
    day, n = _moment(random), random.randint(1, 10**8)
    return random.choice(
        [
            f"ORD-{day:%Y}-{n:08}",
            f"{day:%Y%m%d}-{n:08}",
            f"{day:%Y%m%d}{n:08}",
            f"Order {n} of {day:%Y-%m-%d}",
            f"{day:%Y-%m-%d} {n}",
            f"{day:%Y}-{n:08}-{random.randint(1, 99):02}",
            f"PO 45{n:08}/{random.randint(1, 99) * 10:05}",
            f"45{n:08}-{day:%Y%m%d}",
            f"INV{day:%Y%m}{n:08}, customer {random.randint(1, 99999)}",
            f"{n % 100000}/{day:%d.%m.%Y}/{random.randint(1, 999)}",
        ]
    )


def _acquirer_reference(random: Random) -> str:
    day = f"{random.randint(0, 9)}{random.randint(1, 365):03}"
    body = random.choice("27") + _digits(random, 6) + day + _digits(random, 11)
    return body + luhn_digit(body)


def _telephone(random: Random) -> str:
    number = random.choice(["49151", "4366", "5521", "62812", "9198", "2547"])
    number += _digits(random, random.randint(12, 13) - len(number))
    return f"+{number}" if random.random() < 0.5 else f"+{number[:2]} {number[2:5]} {number[5:]}"


REFERENCES: Final[Mapping[str, Callable[[Random], str]]] = {
    "creditor reference (ISO 11649)": _creditor_reference,
    "creditor reference, with blanks": lambda r: _in_fours(_creditor_reference(r)),
    "IBAN, with and without blanks": lambda r: _either(r, _iban(r), _in_fours),
    "UUID": _uuid,
    "pay_<UUID>": lambda r: f"pay_{_uuid(r)}",
    "UUID with more": lambda r: f"order:{_uuid(r)}:{r.randint(1, 10**6)}",
    "tok_<32 hexadecimal digits>": lambda r: f"tok_{_hexadecimal(r, 32)}",
    "SHA-256": lambda r: hashlib.sha256(r.randbytes(8)).hexdigest(),
    "MD5, SHA-1, ObjectId": lambda r: _hexadecimal(r, r.choice([24, 32, 40])),
    "ULID": _ulid,
    "62 characters' token": lambda r: "ch_" + "".join(r.choices(digits + ascii_letters, k=24)),
    "milliseconds since 1970": _milliseconds,
    "micro- and nanoseconds since 1970": lambda r: _milliseconds(r) + _digits(r, r.choice([3, 6])),
    "date and time with milliseconds": lambda r: f"{_moment(r):%Y%m%d%H%M%S}{_digits(r, 3)}",
    "the same, ISO 8601": lambda r: _moment(r).isoformat(
        sep=r.choice("T "), timespec=r.choice(["milliseconds", "microseconds"])
    ),
    "order and milliseconds": lambda r: (
        f"{r.choice(['order-', 'ord-', ''])}{r.randint(1, 9999)}-{_milliseconds(r)}"
    ),
    "KID, 4 to 12 digits": lambda r: _kid(r, r.randint(4, 12)),
    "KID, filled with zeros to 13 to 25": lambda r: _kid(r, r.randint(4, 12), r.randint(13, 25)),
    "OCR, 5 to 12 digits": lambda r: _ocr(r, r.randint(5, 12)),
    "FIK, code line": lambda r: f"+71<{_fik(r, 14)}+{_digits(r, 8)}<",
    "FIK, number filled with zeros": lambda r: _fik(r, r.randint(4, 12)),
    "ESR and QR reference, 27 digits": lambda r: _either(r, _esr(r), _in_fives),
    "viitenumero, 4 to 12 digits": lambda r: _either(
        r, _viitenumero(r, r.randint(4, 12)), _in_fives
    ),
    "order number": _order,
    "acquirer's reference (ARN)": _acquirer_reference,
    "telephone number": _telephone,
}


def references(seed: int, count: int) -> Iterator[tuple[str, str]]:
    """`count` times a kind and a reference of it, all kinds as often."""
    random = Random(seed)  # noqa: S311 - to be the same each time
    kinds = [*REFERENCES.items()]
    for at in range(count):
        kind, make = kinds[at % len(kinds)]
        yield kind, make(random)


# Where the goals exclude each other.


def _of(random: Random, networks: str, length: int) -> str:
    return card_number(random, NETWORKS[random.choice(networks.split(", "))], (length,))


PASSED_BY_CHOICE: Final[Mapping[str, Callable[[Random], str]]] = {
    "UATP, before its code or expiry": lambda r: (
        _of(r, "UATP", 15) + r.choice([_code(r, " " * 15), _expiry(r)])
    ),
    "13 to 15 digits of Maestro behind 1 to 8 unknown digits": lambda r: (
        _digits(r, r.randint(1, 8)) + _of(r, "Maestro", r.choice([13, 14, 15]))
    ),
    "13 digits of Visa behind 2 to 6 zeros": lambda r: "0" * r.randint(2, 6) + _of(r, "Visa", 13),
    "16 digits between 8 unknown ones and a code, 27 in all": lambda r: (
        _digits(r, 8) + _of(r, "Visa, Mastercard", 16) + _digits(r, 3)
    ),
    "16 digits in a hexadecimal token of 40": lambda r: (
        _hexadecimal(r, 12) + _of(r, "Visa, Mastercard", 16) + _hexadecimal(r, 12)
    ),
    "made the body of a creditor reference": lambda r: (
        "RF" + _iso_7064("RF", n := _of(r, "Visa, Mastercard", 16)) + n
    ),
}
REFUSED_BY_CHOICE: Final[Mapping[str, Callable[[Random], str]]] = {
    "KID, 13 to 19 digits, all in use": lambda r: _kid(r, r.randint(13, 19)),
    "KID, 20 to 25 digits, all in use": lambda r: _kid(r, r.randint(20, 25)),
    "OCR with its length, 13 to 25 digits, all in use": lambda r: _ocr(r, r.randint(13, 25)),
    "FIK, 15 digits alone, all in use": lambda r: _fik(r, 14),
    "viitenumero, 13 to 20 digits, all in use": lambda r: _viitenumero(r, r.randint(13, 20)),
    "16 random digits": lambda r: _digits(r, 16),
    "order of 10 digits that begins with 45, and an item of 3": lambda r: (
        f"45{_digits(r, 8)}/{_digits(r, 3)}"
    ),
    "yymmdd and 10 digits": lambda r: f"{_moment(r):%y%m%d}{_digits(r, 10)}",
}


@dataclass
class Rate:
    """How many of how many went wrong, and the first that did."""

    wrong: int = 0
    all: int = 0
    example: str = ""

    def count(self, text: str, *, wrong: bool) -> None:
        self.all += 1
        self.wrong += wrong
        if wrong and not self.example:
            self.example = text

    @property
    def percent(self) -> float:
        return 100 * self.wrong / self.all if self.all else 0.0


@dataclass(frozen=True)
class Rates:
    """Misses by network and by form, refusals by kind."""

    networks: Mapping[str, Rate]
    forms: Mapping[str, Rate]
    kinds: Mapping[str, Rate]

    @property
    def missed(self) -> Rate:
        return _sum(self.networks)

    @property
    def refused(self) -> Rate:
        return _sum(self.kinds)


def _sum(rates: Mapping[str, Rate]) -> Rate:
    wrong = sum(rate.wrong for rate in rates.values())
    return Rate(wrong, sum(rate.all for rate in rates.values()))


def measure(seed: int, number_count: int, reference_count: int) -> Rates:
    """Both error rates, but for what is let pass or refused by choice."""
    networks = {name: Rate() for name in NETWORKS}
    forms = {form: Rate() for form in FORMS}
    kinds = {kind: Rate() for kind in REFERENCES}
    for network, form, text in numbers(seed, number_count):
        passes = not contains_card_number(text)
        networks[network].count(text, wrong=passes)
        forms[form].count(text, wrong=passes)
    for kind, text in references(seed, reference_count):
        kinds[kind].count(text, wrong=contains_card_number(text))
    return Rates(networks, forms, kinds)


def measure_choices(seed: int, count: int) -> tuple[dict[str, Rate], dict[str, Rate]]:
    """What passes and what is refused by choice, `count` of each kind."""
    random = Random(seed)  # noqa: S311 - to be the same each time
    passed = {kind: Rate() for kind in PASSED_BY_CHOICE}
    refused = {kind: Rate() for kind in REFUSED_BY_CHOICE}
    for _ in range(count):
        for kind, make in PASSED_BY_CHOICE.items():
            text = make(random)
            passed[kind].count(text, wrong=not contains_card_number(text))
        for kind, make in REFUSED_BY_CHOICE.items():
            text = make(random)
            refused[kind].count(text, wrong=contains_card_number(text))
    return passed, refused


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--numbers", type=int, default=60_000)
    parser.add_argument("--references", type=int, default=60_000)
    parser.add_argument("--examples", action="store_true", help="show the first of each that erred")
    arguments = parser.parse_args()
    rates = measure(arguments.seed, arguments.numbers, arguments.references)
    passed, refused = measure_choices(arguments.seed, 2000)
    for title, table, total in (
        ("card numbers that pass, by network", rates.networks, rates.missed),
        ("the same, by form", rates.forms, rates.missed),
        ("honest references that are refused, by kind", rates.kinds, rates.refused),
        ("card numbers that pass by choice", passed, None),
        ("honest references that are refused by choice", refused, None),
    ):
        print(f"| {title} | wrong | of | % |\n|---|---|---|---|")  # noqa: T201
        rows = [*table.items(), *([("**all**", total)] if total else [])]
        for name, rate in rows:
            example = f" {rate.example}" if arguments.examples and rate.example else ""
            print(f"| {name} | {rate.wrong} | {rate.all:,} | {rate.percent:.2f} |{example}")  # noqa: T201
        print()  # noqa: T201


if __name__ == "__main__":
    main()
