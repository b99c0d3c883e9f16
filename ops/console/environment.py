"""Which environment the tool works on: production, unless the user names another.

It is one for the whole process, and for what the process starts.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from config import PRODUCTION, STACKS, ProductionConfig
from ops.console.failure import OpsError

PROJECT: Final = Path(__file__).resolve().parents[2]
VARIABLE: Final = "PAYMENTS_ENVIRONMENT"


def chosen() -> str:
    """
    Raises:
        OpsError: the variable names none.
    """
    name = os.environ.get(VARIABLE) or PRODUCTION
    if name not in STACKS:
        raise OpsError(f"{VARIABLE} is {name!r}; allowed is {' or '.join(STACKS)}")
    return name


def choose(name: str) -> None:
    """For all that follows in this process.

    Raises:
        OpsError: another was named already.
    """
    if os.environ.get(VARIABLE, name) not in ("", name):
        raise OpsError(
            f"environment {name} is asked for, but --environment or {VARIABLE} says {chosen()}"
        )
    os.environ[VARIABLE] = name
    chosen()


def stack_name() -> str:
    """Of the root stack."""
    return STACKS[chosen()]


def project_context() -> dict[str, Any]:
    """That of cdk.json, for the environment."""
    context = json.loads((PROJECT / "cdk.json").read_text(encoding="utf-8"))["context"]
    return {**context, "environment": chosen()}


def required() -> ProductionConfig:
    """What must be found: of production the requirements, whatever it was configured with; of
    another environment what cdk.json and the defaults say."""
    if chosen() == PRODUCTION:
        return ProductionConfig()
    return ProductionConfig.from_context(project_context())
