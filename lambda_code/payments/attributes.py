"""DynamoDB's typed values, of which items consist, and what they stand for.

These are the types that JSON and our items have; boto3's converters for all of DynamoDB's would
bring the whole of boto3 along.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any


def to_item(plain: Mapping[str, Any]) -> dict[str, Any]:
    return {name: to_attribute(value) for name, value in plain.items()}


def to_attribute(value: Any) -> dict[str, Any]:
    """
    Raises:
        TypeError: no item of ours has a value of this type.
    """
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case list():
            return {"L": [to_attribute(element) for element in value]}
        case Mapping():
            return {"M": to_item(value)}
    raise TypeError(f"{type(value).__name__} is no type of an item")


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Whatever anybody has written, as JSON: a number that is not whole is text, since a float
    would lose digits; binary is base64, as in a stream's event."""
    return {name: from_attribute(value, _whole_or_text) for name, value in item.items()}


def from_attribute(attribute: Mapping[str, Any], number: Callable[[str], Any] = int) -> Any:
    """
    Args:
        number: what it makes of a number's text.

    Raises:
        ValueError: a number is not whole, and `number` is int.
    """
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return number(value)
        case "NS":
            return [number(element) for element in value]
        case "BS":
            return [_base64(element) for element in value]
        case "B":
            return _base64(value)
        case "L":
            return [from_attribute(element, number) for element in value]
        case "M":
            return {name: from_attribute(element, number) for name, element in value.items()}
        case "NULL":
            return None
    return value


def _base64(value: bytes | str) -> str:
    """A client gives the bytes."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _whole_or_text(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text
