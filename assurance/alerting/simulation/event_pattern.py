"""Which events a rule matches (Amazon EventBridge user guide, "Event patterns"), as far as this
app's rules use it; what else AWS knows is a ValueError."""

from __future__ import annotations

from typing import Any


def matches(pattern: Any, event: Any) -> bool:
    """
    :param pattern: a rule's, with references resolved; or the part of it for a field.
    :param event: the event, or what it has in that field; None where it has nothing.
    """
    if isinstance(pattern, dict):
        fields = event if isinstance(event, dict) else {}
        return all(
            any(matches(alternative, event) for alternative in expected)
            if field == "$or"
            else matches(expected, fields.get(field))
            for field, expected in pattern.items()
        )
    values = event if isinstance(event, list) else [event]
    return any(_is_one(option, value) for option in pattern for value in values)


def _is_one(option: Any, value: Any) -> bool:
    match option:
        case {"prefix": str(start)}:
            return isinstance(value, str) and value.startswith(start)
        case {"exists": bool(there)}:
            return (value is not None) is there
        case {"anything-but": list(excluded)}:
            return value is not None and value not in excluded
        case dict():
            raise ValueError(f"not known in a pattern here: {option}")
    return type(option) is type(value) and option == value
