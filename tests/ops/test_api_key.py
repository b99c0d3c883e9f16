"""Which key is shown, and how many requests each sent: the embedded environment does not tell that.

The answers are in the form of API Gateway's API reference, GetUsage.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from ops.api_key import command
from ops.production.api_keys import ApiKey, Plan
from ops.production.stack import Production
from tests.ops.stubbed_aws import Aws

VALUE = "a-key-is-a-secret-of-twenty-characters"


class Deployed:
    emulated = False


def key(identifier: str) -> ApiKey:
    now = datetime.now(UTC)
    return ApiKey(id=identifier, name="n", enabled=True, created=now, tags={}, of_stack=False)


class Keys:
    """A plan with these keys."""

    def __init__(self, *keys: ApiKey) -> None:
        self._keys = keys

    def api_keys(self) -> list[ApiKey]:
        return list(self._keys)

    def key(self, identifier: str) -> ApiKey:
        (found,) = (each for each in self._keys if each.id == identifier)
        return found

    usable_key = Plan.usable_key

    def value(self, key: ApiKey) -> str:
        return f"value of {key.id}"

    def create(self, _name: str) -> ApiKey:
        return key("new")

    def disable(self, key: ApiKey) -> None:
        assert key.id == "old"


def run(monkeypatch: pytest.MonkeyPatch, keys: Keys, *arguments: str) -> Any:
    monkeypatch.setattr(Production, "find", lambda: Deployed())
    monkeypatch.setattr(Plan, "find", lambda _production: keys)
    return CliRunner().invoke(command.app, arguments)


def test_without_an_id_a_key_that_is_enabled_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    leaked = replace(key("old"), enabled=False, of_stack=True)
    answer = run(monkeypatch, Keys(leaked, key("new")), "show", "--force")
    assert answer.output.strip() == "value of new"
    by_id = run(monkeypatch, Keys(leaked, key("new")), "show", "old", "--force")
    assert by_id.stdout.strip() == "value of old"
    assert "old (n) is disabled" in by_id.stderr


def test_who_locks_a_leaked_key_out_is_not_told_how_to_let_it_in_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = run(monkeypatch, Keys(key("old")), "rotate", "--no-overlap", "--yes")
    assert answer.exit_code == 0
    assert "old (n) is disabled" in answer.stdout
    assert "value=true" not in answer.output


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
