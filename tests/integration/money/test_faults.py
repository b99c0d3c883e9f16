"""A fault before and after each external call of each path: nothing is lost or doubled."""

from __future__ import annotations

import pytest

from tests.integration.money import campaign
from tests.integration.money.paths import PATHS, Path
from tests.integration.money.stores import Stores


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.__name__)
def test_after_a_fault_the_invariants_hold(stores: Stores, path: Path) -> None:
    campaign.run(stores, path, campaign.A_FEW, drawn=0)
