"""`python -m ops report` against a deployed PaymentsProd, and without one."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pytest

from tests.command_line import Answer
from tests.deployment import Production
from tests.e2e.operators import ops


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "report.html"


def report(production: Production, file: Path, *arguments: str, **variables: str) -> Answer:
    """Of the assembly that was deployed."""
    assembly = str(production.environment.directory / "cdk.out")
    chosen = ["--assembly", assembly, "--output", str(file), *arguments]
    return ops(production, "report", *chosen, **variables)


def text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())


def alarm_states(html: str) -> dict[str, str]:
    """By name, as the section on alarms has them."""
    (section,) = re.findall(r'<section aria-labelledby="alarms">.*?</section>', html, re.DOTALL)
    rows = [re.findall(r"<td.*?</td>", row) for row in section.split("<tr>")]
    return {text(cells[0]): text(cells[-1]) for cells in rows if len(cells) == 5}


def test_templates_alone_need_neither_credentials_nor_network(
    production: Production, file: Path
) -> None:
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    answer = report(production, file, "--json", "--requests", "0", **nobody)
    assert answer.code == 0, answer
    document = answer.document
    assert (document["complete"], document["problems"]) == (True, [])
    assert document["bytes"] == file.stat().st_size
    assert document["monthly_usd"]["total"] == document["monthly_usd"]["idle"] > 0
    assert "The deployed stack" not in text(file.read_text(encoding="utf-8"))


def test_with_live_the_deployed_values_stand_beside(production: Production, file: Path) -> None:
    answer = report(production, file, "--live", "--json")
    html = file.read_text(encoding="utf-8")
    shown = text(html)
    assert answer.code == (1 if answer.document["problems"] else 0)
    assert "The deployed stack" in shown
    assert f"account {production.client('sts').get_caller_identity()['Account']}" in (shown)
    for name, value in production.outputs.items():
        assert name in shown
        assert value in shown
    states = {
        alarm["AlarmName"]: alarm["StateValue"]
        for alarm in production.client("cloudwatch").describe_alarms()["MetricAlarms"]
    }
    beside = alarm_states(html)
    assert {name: beside.get(name) for name in states} == states
    start = shown.index("Subscriptions of the alerts topic")
    assert "ops@company.com" in shown[start : shown.index("LedgerEndpoint", start)]
    found = ops(production, "verify", "--no-drift", "--json")
    verified = [each["what"] for each in found.document["checks"]]
    assert verified
    assert [each for each in verified if " ".join(each.split()) not in shown] == []
    told = [each for each in answer.document["problems"] if each.startswith("live, ")]
    assert len(told) == len(found.problems)


def test_no_secret_is_in_the_report(production: Production, file: Path) -> None:
    report(production, file, "--live")
    html = file.read_text(encoding="utf-8")
    shown = text(html)  # where no mark-up stands inside a value
    gateway = production.client("apigateway")
    for key in gateway.get_api_keys(includeValues=True)["items"]:
        assert key["value"] not in html
        assert key["value"] not in shown
    secrets = production.client("secretsmanager")
    for secret in secrets.list_secrets()["SecretList"]:
        value = secrets.get_secret_value(SecretId=secret["ARN"])["SecretString"]
        assert json.loads(value)["password"] not in html
        assert json.loads(value)["password"] not in shown


def test_an_alarm_that_is_on_is_a_problem(production: Production, file: Path) -> None:
    cloudwatch, name = production.client("cloudwatch"), "payments-decline-rate"
    before = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="half declined")
    try:
        answer = report(production, file, "--live")
    finally:
        cloudwatch.set_alarm_state(AlarmName=name, StateValue=before, StateReason="end of test")
    assert answer.code == 1
    assert f"live: the alarm {name} is ALARM" in answer.errors
    assert f"live: the alarm {name} is ALARM" in text(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("arguments", "variables", "told"),
    [
        (["--live"], {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "no connection"),
        (["--live"], {"AWS_ACCESS_KEY_ID": "222233334444"}, "no stack PaymentsProd"),
        (["--assembly", "tests"], {}, "tests is no cloud assembly"),
        (["--output", "/dev/null/report.html"], {}, "/dev/null"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_no_file(
    production: Production,
    file: Path,
    arguments: list[str],
    variables: dict[str, str],
    told: str,
) -> None:
    answer = report(production, file, *arguments, **variables)
    assert (answer.code, answer.output) == (2, "")
    assert answer.errors.startswith("error: ")
    assert told in answer.errors
    assert "unexpected" not in answer.errors
    assert len(answer.errors.splitlines()) == 1
    assert not file.exists()
