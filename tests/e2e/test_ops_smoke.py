"""`python -m ops smoke` against a deployed PaymentsProd."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from local.deployed import postings
from ops.cli import app
from ops.console.failure import OpsError
from ops.production.payments_api import PaymentsApi
from ops.production.stack import Production as Deployed
from ops.smoke.command import AMOUNT, CURRENCY, MERCHANT, Posted, read_back
from tests.command_line import Answer
from tests.deployment import Production
from tests.e2e.operators import ops, user

READ_BACK = (
    "ledger: the same entries",
    "history: approved, posted",
    "audit trail: approved, posted",
)


@pytest.fixture(scope="module")
def good(production: Production) -> Answer:
    return ops(production, "smoke", "--payments", "2", "--json")


def payments_of(deployed: Deployed) -> int:
    """How many items the merchant has in the history."""
    found = deployed.client("dynamodb").scan(
        TableName=deployed.output("TransactionsTableName"),
        FilterExpression="merchant_id = :merchant",
        ExpressionAttributeValues={":merchant": {"S": MERCHANT}},
        ConsistentRead=True,
    )
    return int(found["Count"])


def test_all_of_it_holds(good: Answer) -> None:
    assert good.code == 0, good
    assert {check["verdict"] for check in good.document["checks"]} == {"held"}
    told = [check["what"] for check in good.document["checks"]]
    assert set(READ_BACK) < set(told)
    assert len(told) == 2 + 2 * 3 + 3 + 2 + 3  # refused, paid, once more, declined, read back


def test_the_payments_are_in_the_ledger_and_small(production: Production, good: Answer) -> None:
    assert len(good.document["transaction_ids"]) == 2
    for transaction_id in good.document["transaction_ids"]:
        found = postings(production.deployment, transaction_id)
        assert {(each.amount, each.currency) for each in found} == {(AMOUNT, CURRENCY)}
        assert [each.account for each in found if MERCHANT in each.account]


def test_latencies_are_told_for_each_call(good: Answer) -> None:
    latencies = good.document["latencies"]
    assert {name: each["calls"] for name, each in latencies.items()} == {
        "GET /status": 2,
        "POST /validate": 4,  # two approved, one of them twice, and one declined
        "POST /process": 3,
    }
    assert all(each["min_ms"] <= each["median_ms"] <= each["max_ms"] for each in latencies.values())


def test_the_key_is_in_no_output(production: Production, good: Answer) -> None:
    people = ops(production, "smoke", "--payments", "1")
    assert people.code == 0, people
    assert "latency, ms" in people.output
    output = good.output + good.errors + people.output + people.errors
    told = production.deployment.api_key in output
    assert not told


def test_a_dry_run_sends_nothing(production: Production, deployed: Deployed) -> None:
    before = payments_of(deployed)
    answer = ops(production, "smoke", "--dry-run", "--json")
    assert answer.code == 0, answer
    assert answer.document["request"]["merchant_id"] == MERCHANT
    assert payments_of(deployed) == before


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"_key": "not-a-key-of-this-api-at-all"}, "403 · api_key_required"),
        ({"url": "http://127.0.0.1:9"}, "no answer: "),
    ],
)
def test_an_api_that_does_not_work_is_a_problem(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], found: str
) -> None:
    broken = replace(PaymentsApi.find(deployed), **changes)
    monkeypatch.setattr(PaymentsApi, "find", lambda _production: broken)
    before = payments_of(deployed)
    done = CliRunner().invoke(app, ["smoke", "--json"])
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    (check,) = [each for each in document["checks"] if each["what"] == "approved #1"]
    assert (check["verdict"], check["needed"]) == ("problem", "200 · approved")
    assert check["found"].startswith(found)
    assert (document["held"], document["transaction_ids"]) == (False, [])
    assert payments_of(deployed) == before


def test_outside_the_embedded_environment_it_asks(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Deployed, "emulated", False)
    before = payments_of(deployed)
    done = CliRunner().invoke(app, ["smoke"])
    assert isinstance(done.exception, OpsError)
    assert "Post 3 real payments of 1 cent (USD)" in str(done.exception)
    assert payments_of(deployed) == before


def test_what_the_stores_lack_is_a_problem(deployed: Deployed) -> None:
    entry: dict[str, Any] = {"entry_id": "none", "postings": []}
    lost = Posted(
        transaction_id="00000000-0000-5000-8000-000000000000", entry=entry, since=datetime.now(UTC)
    )
    found = list(read_back(deployed, [lost], 0))
    assert [(check.what, check.found, check.verdict) for check in found] == [
        (what, "0 of 1 payments", "problem") for what in READ_BACK
    ]


def test_what_the_user_may_not_read_is_not_seen(production: Production) -> None:
    with user(production, "dynamodb:Query", "lambda:InvokeFunction", "s3:ListBucket") as variables:
        answer = ops(production, "smoke", "--payments", "1", "--json", **variables)
    assert answer.code == 0, answer
    assert [answer.check(what)["verdict"] for what in READ_BACK] == ["not seen"] * 3
    assert answer.check("posted #1")["verdict"] == "held"
