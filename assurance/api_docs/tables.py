"""The tables of docs/payments.md, between the marks ``<!-- name -->`` and ``<!-- /name -->``."""

from __future__ import annotations

from collections.abc import Iterable

from assurance.api_docs import codes
from building_blocks.operations import OPERATIONS
from payments.currencies import CURRENCIES


def problems() -> str:
    return _table(
        ("status", "code", "what it means", "what to do", "answered by"),
        (
            (
                str(known.status),
                f"`{known.code}`",
                known.meaning,
                known.advice,
                _answering(known),
            )
            for known in codes.PROBLEMS
        ),
    )


def _answering(known: codes.Code) -> str:
    if known.operations == codes.ALL:
        return codes.ALL
    return ", ".join(f"`{each.path}`" for each in OPERATIONS if each.name in known.operations)


def decline_reasons() -> str:
    rows = ((f"`{code}`", meaning) for code, meaning in codes.DECLINE_REASONS.items())
    return _table(("code", "what it means"), rows)


def currencies() -> str:
    return _table(
        ("currency", "decimal places", "largest payment", "as `amount`"),
        (
            (code, str(terms.exponent), f"{terms.limit // 10**terms.exponent:,}", str(terms.limit))
            for code, terms in sorted(CURRENCIES.items())
        ),
    )


def renew(document: str) -> str:
    """The document with its tables made anew; a table without its marks is a ValueError."""
    for name, table in (
        ("problems", problems),
        ("decline reasons", decline_reasons),
        ("currencies", currencies),
    ):
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, mark, rest = document.partition(begin)
        _, ended, after = rest.partition(end)
        if not (mark and ended):
            raise ValueError(f"no place for the table of {name}: {begin.strip()} … {end}")
        document = f"{before}{begin}{table()}{end}{after}"
    return document


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
