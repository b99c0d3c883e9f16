"""Which key is shown, and how many requests each sent: the embedded environment does not tell that.

The answers are in the form of API Gateway's API reference, GetUsage.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from ops.api_key import command
from ops.console.failure import OpsError
from ops.production.api_keys import ApiKey, Limits, Plan
from ops.production.stack import Production
from tests.ops.stubbed_aws import Aws

VALUE = "a-key-is-a-secret-of-twenty-characters"


class Deployed:
    emulated = False


def key(identifier: str) -> ApiKey:
    now = datetime.now(UTC)
    return ApiKey(
        id=identifier, name="n", enabled=True, created=now, tags={}, of_stack=False, plan="p",
        limits=Limits(rate=100, burst=200, quota=1000),
    )  # fmt: skip


class Keys:
    """A plan with these keys."""

    def __init__(self, *keys: ApiKey) -> None:
        self._keys = keys

    def api_keys(self) -> list[ApiKey]:
        return list(self._keys)

    def key(self, identifier: str) -> ApiKey:
        (found,) = (each for each in self._keys if each.id == identifier)
        return found

    id = "p"
    usable_key = Plan.usable_key

    def value(self, key: ApiKey) -> str:
        return f"value of {key.id}"

    def create(self, _name: str, instead_of: ApiKey) -> ApiKey:
        assert instead_of.id == "old"
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


def test_a_key_with_a_clients_limits_is_taken_last(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys(replace(key("a-clients"), plan="c"), key("new"))
    assert run(monkeypatch, keys, "show", "--force").output.strip() == "value of new"


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


OWN = {"id": "p", "name": "UsagePlan", "apiStages": [{"apiId": "new", "stage": "prod"}]}
CLIENTS = {"id": "c", "name": "payments-client-a", "apiStages": [{"apiId": "old", "stage": "prod"}]}


def plan_with(aws: Aws) -> Plan:
    return Plan(production=cast(Any, Deployed()), gateway=aws("apigateway"), id="p")


def patched(aws: Aws, op: str, api: str) -> None:
    """The client's plan."""
    operation = {"op": op, "path": "/apiStages", "value": f"{api}:prod"}
    asked = {"usagePlanId": "c", "patchOperations": [operation]}
    aws.answers("apigateway", "update_usage_plan", {}, asked)


def test_an_api_that_was_replaced_gets_the_clients_plans() -> None:
    aws = Aws()
    aws.answers("apigateway", "get_usage_plan", OWN, {"usagePlanId": "p"})
    aws.answers("apigateway", "get_usage_plans", {"items": [OWN, CLIENTS]})
    patched(aws, "remove", "old")
    patched(aws, "add", "new")
    assert plan_with(aws).attach() == ["a"]
    aws.answers("apigateway", "get_usage_plan", OWN)
    moved = {**CLIENTS, "apiStages": OWN["apiStages"]}
    aws.answers("apigateway", "get_usage_plans", {"items": [OWN, moved]})
    assert plan_with(aws).attach() == []


def test_before_an_api_goes_the_clients_plans_let_go_of_it_and_no_other() -> None:
    aws = Aws()
    aws.answers("apigateway", "get_usage_plans", {"items": [OWN, CLIENTS]})
    patched(aws, "remove", "old")
    assert plan_with(aws).detach() == ["a"]
    assert aws.asked == ["GetUsagePlans", "UpdateUsagePlan"]


def test_a_deletion_that_is_held_up_has_taken_the_stacks_plan_already() -> None:
    aws = Aws()
    deployed = SimpleNamespace(resources=lambda *_: [], client=aws)
    aws.answers("apigateway", "get_usage_plans", {"items": [CLIENTS]})
    patched(aws, "remove", "old")
    plan = Plan.find(cast(Any, deployed))
    assert plan.detach() == ["a"]
    with pytest.raises(OpsError, match="has no usage plan any more"):
        plan.api_keys()


def test_a_plan_is_off_its_stage_when_it_is_deleted_with_its_last_key() -> None:
    aws = Aws()
    aws.answers("apigateway", "delete_usage_plan_key", {}, {"usagePlanId": "c", "keyId": "k"})
    aws.answers("apigateway", "delete_api_key")
    aws.answers("apigateway", "get_usage_plan_keys", {"items": []}, {"usagePlanId": "c"})
    aws.answers("apigateway", "get_usage_plan", CLIENTS, {"usagePlanId": "c"})
    patched(aws, "remove", "old")
    aws.answers("apigateway", "delete_usage_plan", {}, {"usagePlanId": "c"})
    plan_with(aws).delete(replace(key("k"), plan="c"))
    assert aws.asked[-2:] == ["UpdateUsagePlan", "DeleteUsagePlan"]
