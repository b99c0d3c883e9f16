"""What schemathesis does besides its own checks; it loads this by SCHEMATHESIS_HOOKS.

Nothing of it can be seen by the test that runs schemathesis but the file CONTRACT_SEEN, to which
it adds a line for each answer: operation, status, code.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import schemathesis

from assurance.api_docs import codes
from building_blocks.operations import OPERATIONS
from payments.currencies import CURRENCIES

SEEN = "CONTRACT_SEEN"


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """Take a currency that we support in place of any other code: else all is declined."""
    if isinstance(body, dict) and re.fullmatch("[A-Z]{3}", str(body.get("currency"))):
        supported = sorted(CURRENCIES)
        body["currency"] = supported[sum(map(ord, body["currency"])) % len(supported)]
    return body


@schemathesis.check
def documented_code(
    context: schemathesis.CheckContext,
    response: schemathesis.Response,
    case: schemathesis.Case[Any],
) -> None:
    """A problem's code is one that the table has, with its status, for its operation."""
    asked = case.operation.method.upper(), case.operation.path
    (operation,) = (each.name for each in OPERATIONS if (each.method, each.path) == asked)
    code = ""
    media_type = response.headers.get("content-type", [""])[0]
    if media_type == "application/problem+json":
        code = response.json()["code"]
        known = {(one.code, one.status) for one in codes.of(operation)}
        assert (code, response.status_code) in known, (
            f"codes.json: {code} is not among those of {operation}"
        )
    with Path(os.environ[SEEN]).open("a", encoding="utf-8") as seen:
        seen.write(f"{operation} {response.status_code} {code}\n")
