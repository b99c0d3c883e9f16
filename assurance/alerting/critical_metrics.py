"""The critical metrics (R14), as critical_metrics.yaml has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml


@dataclass(frozen=True, kw_only=True)
class CriticalMetric:
    """One of the list."""

    what: str
    alerts: Sequence[str]
    settings: Sequence[str] = ()
    limit: str = "any: it must never happen"


_TEXT: Final = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
CRITICAL_METRICS: Final = [
    CriticalMetric(what=what, **told) for what, told in yaml.safe_load(_TEXT).items()
]
