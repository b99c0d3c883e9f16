"""Lengths of time, as they are given on the command line."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

import typer

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta:
    match = re.fullmatch(r"([1-9]\d{0,4})([mhd])", text)
    if match is None:
        raise typer.BadParameter(f"{text} is none of 30m, 12h, 7d and the like")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def in_days(length: timedelta) -> str:
    """As it is given on the command line, rounded up to days."""
    return f"{-(-length // timedelta(days=1))}d"
