"""How much the tests of the money try, and what is told of it at the end of their output.

SOAK=n (`make soak`) makes the campaigns n times as large.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

SOAK: Final = int(os.environ.get("SOAK", "1"))


@dataclass
class Tally:
    """Counts of one test session.

    Attributes:
        schedules: sequences of events after which the invariants were checked, by their kind.
        faults: disturbances that external calls met, besides services that were down.
        checks: how often the invariants were checked.
        notes: what else is to be told.
    """

    schedules: Counter[str] = field(default_factory=Counter)
    faults: int = 0
    checks: int = 0
    notes: list[str] = field(default_factory=list)


tally = Tally()
