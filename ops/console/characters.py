"""Characters that a terminal cannot show, or must not obey."""

from __future__ import annotations

import codecs
import unicodedata

REPLACED = "payments.replaced"
"""For `errors=` of text streams: what the encoding lacks is replaced, never refused."""

# As wide as what they stand for, where that is in a table.
_STAND_INS = {
    "✔": "+",
    "✘": "x",
    "○": "o",
    "…": "...",
    "·": "|",
    "→": "->",
    "–": "-",
    "—": "-",
    "“": '"',
    "”": '"',
    "’": "'",
    "≥": ">=",
    "≤": "<=",
    "×": "x",
}  # fmt: skip


def visible(text: str) -> str:
    """Text from outside, with what a terminal would obey rather than show (escape sequences,
    changes of the direction of writing) in the form of a Python string."""
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs"):
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(map(_stand_in, lacking)), error.end


def _stand_in(character: str) -> str:
    if "\u2800" <= character <= "\u28ff":  # of which rich's spinners are made
        return "."
    return _STAND_INS.get(character) or character.encode("unicode_escape", "surrogatepass").decode(
        "ascii"
    )


codecs.register_error(REPLACED, _replace)
