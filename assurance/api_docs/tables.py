"""The tables of docs/payments.md."""

from __future__ import annotations

from assurance.api_docs import codes
from building_blocks.operations import OPERATIONS
from ops.console.markdown import renewed, table
from payments.currencies import CURRENCIES


def problems() -> str:
    return table(
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
    return table(("code", "what it means"), rows)


def currencies() -> str:
    return table(
        ("currency", "decimal places", "largest payment", "as `amount`"),
        (
            (code, str(terms.exponent), f"{terms.limit // 10**terms.exponent:,}", str(terms.limit))
            for code, terms in sorted(CURRENCIES.items())
        ),
    )


def renew(document: str) -> str:
    """The document with its tables made anew; a table without its marks is a ValueError."""
    tables = {
        "problems": problems(),
        "decline reasons": decline_reasons(),
        "currencies": currencies(),
    }
    return renewed(document, tables)
