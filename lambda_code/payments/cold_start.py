"""While a sandbox starts, no garbage is looked for.

What is made then are modules, which stay: the search takes a fifteenth of the start's CPU time and
finds nothing. A function's package imports this before its handler does anything.
"""

from __future__ import annotations

import gc
import os

if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    gc.disable()


def is_over() -> None:
    """What is there by now is not searched later either."""
    gc.freeze()
    gc.enable()
