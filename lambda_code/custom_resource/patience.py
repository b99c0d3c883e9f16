"""Waiting for what AWS has just been told: a policy, a key or a name is not known everywhere at
once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from aws_lambda_powertools.logging import Logger

logger = Logger(child=True)

Result = TypeVar("Result")


def patiently(
    act: Callable[[], Result],
    *,
    may_pass: Callable[[Exception], bool],
    patience: float,
    pause: float,
    not_yet: str,
) -> Result:
    """What `act` returns, as soon as it raises nothing.

    Args:
        may_pass: whether an exception is a reason to try again; any other passes through.
        patience: seconds after which the last one passes through, too.
        pause: seconds between two tries.
        not_yet: what is logged of each try that failed.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return act()
        except Exception as error:
            if time.monotonic() >= deadline or not may_pass(error):
                raise
            logger.warning(not_yet, extra={"reason": str(error)})
            time.sleep(pause)
