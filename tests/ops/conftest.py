"""What the tests of the operator's tool share."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import botocore.session
import pytest


@pytest.fixture(scope="session", autouse=True)
def _descriptions_of_services_are_read_once() -> Iterator[None]:
    """Each session of botocore's would read them anew, and most tests begin one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))
        yield
