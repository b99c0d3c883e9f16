"""`python -m ops api-key` against a deployed PaymentsProd."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from local import aws
from ops.production.api_keys import Plan
from ops.production.stack import Production as Deployed
from tests.command_line import Answer
from tests.deployment import Production
from tests.e2e.operators import ops
from tests.environment import PROJECT


@pytest.fixture
def gateway(production: Production) -> Iterator[Any]:
    """API Gateway; afterwards the stack's key is the only one again, and enabled."""
    client = production.client("apigateway")
    own = production.outputs["ApiKeyId"]
    yield client
    for key in client.get_api_keys()["items"]:
        if key["id"] == own:
            enable = {"op": "replace", "path": "/enabled", "value": "true"}
            client.update_api_key(apiKey=own, patchOperations=[enable])
        else:
            for plan in client.get_usage_plans()["items"]:
                client.delete_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"])
            client.delete_api_key(apiKey=key["id"])
    for plan in client.get_usage_plans()["items"]:
        if plan["name"].startswith("payments-client-"):
            client.delete_usage_plan(usagePlanId=plan["id"])


def api_key(production: Production, *arguments: str) -> Answer:
    """No answer tells a key's value."""
    answer = ops(production, "api-key", *arguments)
    gateway = production.client("apigateway")
    values = [key["value"] for key in gateway.get_api_keys(includeValues=True)["items"]]
    told = any(value in answer.output + answer.errors for value in values)
    assert not told
    return answer


def created(answer: Answer) -> str:
    assert answer.code == 0, answer
    return str(answer.document["created"]["id"])


def status(production: Production, gateway: Any, key: str) -> int:
    """Of a call with the key."""
    value = gateway.get_api_key(apiKey=key, includeValue=True)["value"]
    return replace(production.deployment, api_key=value).call("GET", "/status").status


def test_keys_are_listed_without_values(production: Production, gateway: Any) -> None:
    (key,) = api_key(production, "list", "--json").document["keys"]
    own = production.outputs["ApiKeyId"]
    assert (key["id"], key["enabled"], key["owner"]) == (own, True, "stack")
    people = api_key(production, "list")
    assert people.code == 0
    assert own in people.output


def test_a_value_is_shown_on_a_terminal_only(production: Production, gateway: Any) -> None:
    refused = api_key(production, "show")
    refused.refuses("the output is no terminal")
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "ops", "api-key", "show"],
        cwd=PROJECT,
        env={**os.environ, **aws.environment(production.environment.endpoint)},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    shown = os.read(ours, 1000).decode().strip()
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0
    forced = ops(production, "api-key", "show", "--force", "--json").document["value"]
    right = shown == forced == production.deployment.api_key
    assert right


def test_a_second_key_is_like_the_first_until_it_is_deleted(
    production: Production, gateway: Any
) -> None:
    own = production.outputs["ApiKeyId"]
    second = created(api_key(production, "create", "a-client", "--json"))
    assert status(production, gateway, second) == status(production, gateway, own) == 200
    tags = gateway.get_api_key(apiKey=second)["tags"]
    assert tags == {
        name: value
        for name, value in gateway.get_api_key(apiKey=own)["tags"].items()
        if not name.startswith("aws:")
    }
    answer = api_key(production, "revoke", second, "--delete", "--yes")
    assert answer.code == 0, answer
    assert [key["id"] for key in gateway.get_api_keys()["items"]] == [own]


def test_a_client_may_have_limits_of_its_own_which_go_with_its_key(
    production: Production, gateway: Any
) -> None:
    own = production.outputs["ApiKeyId"]
    (shared,) = gateway.get_usage_plans()["items"]
    # As a command has left it that was cut off.
    gateway.create_usage_plan(name="payments-client-a-client")
    gateway.create_api_key(name="a-client", description="Made with `api-key` by somebody")
    command = ("create", "a-client", "--rate", "5", "--quota", "1000", "--json")
    first = created(api_key(production, *command))
    again = api_key(production, *command)
    assert (again.code, "of that name already" in again.errors) == (2, True)
    (plan,) = (each for each in gateway.get_usage_plans()["items"] if each != shared)
    assert {each["id"] for each in gateway.get_api_keys()["items"]} == {own, first}
    (stage,), (same,) = shared["apiStages"], plan["apiStages"]
    assert (same["apiId"], same["stage"]) == (stage["apiId"], stage["stage"])
    assert plan["throttle"] == {"rateLimit": 5, "burstLimit": shared["throttle"]["burstLimit"]}
    assert plan["quota"] == {"limit": 1000, "period": "DAY"}
    assert {"Environment", "Team", "CostCenter"} <= plan["tags"].keys()
    listed = {each["id"]: each for each in api_key(production, "list", "--json").document["keys"]}
    assert listed[first]["limits"] == {"rate": 5, "burst": 200, "quota": 1000}
    assert (listed[first]["plan"], listed[own]["plan"]) == (plan["id"], shared["id"])
    assert status(production, gateway, first) == 200
    second = created(api_key(production, "rotate", first, "--json"))
    assert api_key(production, "revoke", first, "--delete", "--yes").code == 0
    (left,) = gateway.get_usage_plan_keys(usagePlanId=plan["id"])["items"]
    assert left["id"] == second
    assert api_key(production, "detach", "--yes", "--json").document == {"detached": ["a-client"]}
    assert [status(production, gateway, each) for each in (own, second)] == [200, 403]
    assert api_key(production, "revoke", second, "--delete", "--yes").code == 0
    assert gateway.get_usage_plans()["items"] == [shared]


def test_a_client_cannot_have_more_than_the_api_lets_all_send(
    production: Production, gateway: Any
) -> None:
    for limits, told in (
        (["--rate", "101"], "raise api_rate_limit and api_burst_limit first"),
        (["--burst", "201"], "raise api_rate_limit and api_burst_limit first"),
        (["--rate", "50", "--burst", "10"], "a burst below the rate"),
    ):
        answer = api_key(production, "create", "a-client", *limits)
        assert (answer.code, told in answer.errors) == (2, True), answer
    assert len(gateway.get_api_keys()["items"]) == len(gateway.get_usage_plans()["items"]) == 1


def test_a_rotation_overlaps_until_the_old_key_is_revoked(
    production: Production, gateway: Any
) -> None:
    own = production.outputs["ApiKeyId"]
    answer = api_key(production, "rotate", "--json")
    new = created(answer)
    assert answer.document["old"] == own
    assert [status(production, gateway, key) for key in (own, new)] == [200, 200]
    assert "--yes" in api_key(production, "revoke", own).errors
    assert status(production, gateway, own) == 200
    assert api_key(production, "revoke", own, "--yes").code == 0
    assert [status(production, gateway, key) for key in (own, new)] == [403, 200]
    smoke = ops(production, "smoke", "--payments", "1", "--wait", "0", "--json")
    assert smoke.check("posted #1")["verdict"] == "held"  # with the key that is enabled


def test_a_rotation_without_overlap_locks_the_old_key_out(
    production: Production, gateway: Any
) -> None:
    own = production.outputs["ApiKeyId"]
    asked = api_key(production, "rotate", "--no-overlap")
    assert (asked.code, len(gateway.get_api_keys()["items"])) == (2, 1)
    new = created(api_key(production, "rotate", "--no-overlap", "--yes", "--json"))
    assert [status(production, gateway, key) for key in (own, new)] == [403, 200]


def test_the_last_enabled_key_is_not_revoked(production: Production, gateway: Any) -> None:
    own = production.outputs["ApiKeyId"]
    answer = api_key(production, "revoke", own, "--yes")
    answer.refuses("the last enabled key")
    assert status(production, gateway, own) == 200


def test_cloudformations_key_is_not_deleted(production: Production, gateway: Any) -> None:
    own = production.outputs["ApiKeyId"]
    created(api_key(production, "create", "a-client", "--json"))
    answer = api_key(production, "revoke", own, "--delete", "--yes")
    answer.refuses(f"CloudFormation owns {own}")
    assert status(production, gateway, own) == 200


def test_of_several_keys_one_is_to_be_named(production: Production, gateway: Any) -> None:
    second = created(api_key(production, "create", "a-client", "--json"))
    answer = api_key(production, "rotate")
    answer.refuses(f"{second} (a-client)")
    unknown = api_key(production, "revoke", "none", "--yes")
    assert (unknown.code, "the API has no key none" in unknown.errors) == (2, True)


def test_a_key_that_is_disabled_is_not_rotated(production: Production, gateway: Any) -> None:
    own = production.outputs["ApiKeyId"]
    created(api_key(production, "create", "a-client", "--json"))
    assert api_key(production, "revoke", own, "--yes").code == 0
    answer = api_key(production, "rotate", own)
    answer.refuses("is disabled, so nobody needs an overlap with it: `api-key create")
    assert len(gateway.get_api_keys()["items"]) == 2


def test_a_key_has_a_name_of_its_own(production: Production, gateway: Any) -> None:
    first = created(api_key(production, "create", "a-client", "--json"))
    again = api_key(production, "create", "a-client")
    again.refuses(f"there is a key of that name already, {first} (a-client)")
    for arguments in (["create", ""], ["rotate", first, "--name", " "]):
        nameless = api_key(production, *arguments)
        assert (nameless.code, "a key needs a name" in nameless.errors) == (2, True)
    assert len(gateway.get_api_keys()["items"]) == 2


def test_two_rotations_of_a_day_make_keys_of_two_names(
    production: Production, gateway: Any
) -> None:
    first = created(api_key(production, "rotate", "--json"))
    second = created(api_key(production, "rotate", first, "--json"))
    keys = [gateway.get_api_key(apiKey=key)["name"] for key in (first, second)]
    assert len(set(keys)) == 2


@pytest.mark.parametrize("limits", [{}, {"rate": 5}])
def test_a_key_that_cannot_be_put_on_the_plan_does_not_stay(
    deployed: Deployed, gateway: Any, monkeypatch: pytest.MonkeyPatch, limits: dict[str, float]
) -> None:
    plan = Plan.find(deployed)

    def refuse(**_arguments: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(plan.gateway, "create_usage_plan_key", refuse)
    with pytest.raises(KeyboardInterrupt):
        plan.create("a-client", limits)
    assert len(gateway.get_api_keys()["items"]) == 1
    assert len(gateway.get_usage_plans()["items"]) == 1
