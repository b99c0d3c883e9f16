"""How long ago something was, in a sandbox that is frozen between two calls."""

from __future__ import annotations

import math
from collections.abc import Callable


class Age:
    """Seconds since a moment, by two clocks, of which the one that shows more counts.

    In a frozen sandbox the monotonic clock stands still; the wall clock may be set back.
    """

    def __init__(self, clock: Callable[[], float], wall_clock: Callable[[], float]) -> None:
        """There was no moment yet."""
        self._clocks = clock, wall_clock
        self._moment: tuple[float, ...] | None = None

    def restart(self) -> None:
        """The moment is now."""
        self._moment = tuple(clock() for clock in self._clocks)

    def seconds(self) -> float:
        """Infinite, if it cannot be told: there was no moment, or a clock was set back since."""
        if self._moment is None:
            return math.inf
        ages = [clock() - then for clock, then in zip(self._clocks, self._moment, strict=True)]
        return max(ages) if min(ages) >= 0 else math.inf
