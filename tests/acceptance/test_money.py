"""The money's invariants, tried for longer: every fault everywhere, and many orders of events.

SOAK=n (`make soak`) tries n times as much of what is drawn.
"""

from __future__ import annotations

from typing import Final

import pytest

from tests.integration.money import campaign
from tests.integration.money.interleavings import interleave
from tests.integration.money.paths import PATHS, Path
from tests.integration.money.stores import Stores
from tests.tally import SOAK

# Schedules of several faults each that are drawn for every path.
DRAWN: Final = 3 * SOAK
EXAMPLES: Final = 30 * SOAK


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.__name__)
def test_after_any_fault_the_invariants_hold(stores: Stores, path: Path) -> None:
    campaign.run(stores, path, campaign.ALL, DRAWN)


def test_in_any_order_the_invariants_hold(stores: Stores) -> None:
    interleave(stores, EXAMPLES)
