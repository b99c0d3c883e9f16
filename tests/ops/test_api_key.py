"""How many requests each key sent, which the embedded environment does not tell.

The answers are in the form of API Gateway's API reference, GetUsage.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.production.api_keys import ApiKey, Plan
from tests.ops.test_preflight import Aws

VALUE = "a-key-is-a-secret-of-twenty-characters"


class Deployed:
    emulated = False


def key(identifier: str) -> ApiKey:
    now = datetime.now(UTC)
    return ApiKey(id=identifier, name="n", enabled=True, created=now, tags={}, of_stack=False)


@pytest.mark.parametrize("name", ["k1", VALUE], ids=["by its id", "by its value"])
def test_each_key_is_asked_for_whatever_name_its_usage_has(name: str) -> None:
    aws = Aws()
    today = datetime.now(UTC).date()
    days = {"startDate": f"{today - timedelta(days=1)}", "endDate": f"{today}"}
    for identifier, items in (("k1", {name: [[3, 97], [4, 93]]}), ("k2", {})):
        asked = {"usagePlanId": "p", "keyId": identifier, **days}
        aws.answers("apigateway", "get_usage", {"usagePlanId": "p", "items": items}, asked)
    production: Any = Deployed()
    plan = Plan(production=production, gateway=aws("apigateway"), id="p")
    assert plan.requests([key("k1"), key("k2")]) == {"k1": 7, "k2": 0}
