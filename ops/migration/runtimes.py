"""Runtimes that AWS no longer supports, by cfn-lint's list of AWS's dates."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from typing import Any


@cache
def _lifecycles() -> dict[str, dict[str, Any]]:
    file = resources.files("cfnlint.data.AdditionalSpecs") / "LmbdRuntimeLifecycle.json"
    found: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return found


def ended(runtime: str) -> date | None:
    """The day from which AWS gave no security patches any more; None if it still does."""
    told = _lifecycles().get(runtime, {}).get("deprecated")
    day = date.fromisoformat(told) if told else None
    return day if day and day <= datetime.now(UTC).date() else None
