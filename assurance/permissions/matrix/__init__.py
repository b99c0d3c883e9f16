"""The matrix: who may do what to what. Written by hand, as the specification of the policies."""

from __future__ import annotations

from typing import Final

from assurance.permissions.matrix import (
    administrators,
    deployment_functions,
    every_role,
    ledger_reader,
    outsiders,
    payment_functions,
    releases,
    service_roles,
    services,
)
from assurance.permissions.row import Rows

MATRIX: Final[Rows] = (
    *payment_functions.ROWS,
    *ledger_reader.ROWS,
    *deployment_functions.ROWS,
    *service_roles.ROWS,
    *releases.ROWS,
    *every_role.ROWS,
    *administrators.ROWS,
    *outsiders.ROWS,
    *services.ROWS,
)

UNJUDGED: Final = deployment_functions.UNJUDGED | service_roles.UNJUDGED | releases.UNJUDGED
"""What roles are allowed, but the engine cannot be asked for: who, action, kind of resource."""
