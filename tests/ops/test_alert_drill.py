"""The alert drill reads CloudWatch's history right, and takes an alarm that harms nothing.

The history is in the form of the CloudWatch API reference, DescribeAlarmHistory: the emulator's has
no actions.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer
from boto3 import Session
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    SSOTokenLoadError,
)

from ops import subscriptions
from ops.alert_drill import Drill, command, outcome_of_action
from ops.failure import OpsError, explain
from ops.production import Production
from ops.subscriptions import Subscription

TOPIC = "arn:aws:sns:us-east-1:111122223333:Alerts"
OTHER = "arn:aws:sns:us-east-1:111122223333:Other"
REASON = "Alert drill 0f: nothing has happened"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def item(seconds: int, kind: str, summary: str, data: dict[str, Any] | None = None) -> Any:
    return {
        "Timestamp": BEGIN + timedelta(seconds=seconds),
        "HistoryItemType": kind,
        "HistorySummary": summary,
        "HistoryData": json.dumps(data or {}),
    }


def change(seconds: int, state: str, reason: str = REASON) -> Any:
    data = {"newState": {"stateValue": state, "stateReason": reason}}
    return item(seconds, "StateUpdate", f"Alarm updated to {state}", data)


def done(seconds: int, topic: str = TOPIC) -> Any:
    return item(seconds, "Action", f"Successfully executed action {topic}")


def failed(seconds: int) -> Any:
    return item(seconds, "Action", f"Failed to execute action {TOPIC}. Received error: no key")


# -- what CloudWatch says of the message -------------------------------------------------


def test_an_action_that_followed_the_change_is_the_topics_word() -> None:
    assert outcome_of_action([done(2), change(1, "ALARM")], "ALARM", REASON, TOPIC) == ""


def test_a_failed_action_is_told_with_its_reason() -> None:
    outcome = outcome_of_action([failed(2), change(1, "ALARM")], "ALARM", REASON, TOPIC)
    assert outcome == f"Failed to execute action {TOPIC}. Received error: no key"


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([], id="nothing"),
        pytest.param([change(1, "ALARM")], id="no action yet"),
        pytest.param([change(1, "ALARM"), done(0)], id="an action before the drill"),
        pytest.param([done(2, OTHER), change(1, "ALARM")], id="an action of another topic"),
        pytest.param([done(2), change(1, "ALARM", "CPU")], id="a change that was no drill's"),
        pytest.param([done(2), change(1, "OK")], id="a change to another state"),
    ],
)
def test_what_is_not_the_drills_own_action_says_nothing(history: list[Any]) -> None:
    assert outcome_of_action(history, "ALARM", REASON, TOPIC) is None


def test_the_change_back_may_be_cloudwatchs_own() -> None:
    history = [change(1, "ALARM"), done(2), change(3, "OK", "the metric is below its threshold")]
    assert outcome_of_action(history, "OK", REASON, TOPIC) is None
    assert outcome_of_action([*history, failed(4)], "ALARM", REASON, TOPIC) == ""
    assert (
        outcome_of_action([*history, failed(4)], "OK", REASON, TOPIC) == failed(4)["HistorySummary"]
    )
    assert outcome_of_action([*history, done(4)], "OK", REASON, TOPIC) == ""


def test_a_change_back_before_the_drill_is_not_the_drills() -> None:
    history = [change(0, "OK", "before"), change(1, "ALARM"), done(2)]
    assert outcome_of_action(history, "OK", REASON, TOPIC) is None


def test_there_is_no_drill_while_a_deployment_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    updating = Production(session=Session(), status="UPDATE_IN_PROGRESS", outputs={})
    monkeypatch.setattr(Production, "find", lambda: updating)
    with pytest.raises(OpsError, match="PaymentsProd is UPDATE_IN_PROGRESS"):
        command()


# -- which alarm -------------------------------------------------------------------------


def alarm(name: str, **properties: Any) -> dict[str, Any]:
    return {
        "AlarmName": name,
        "AlarmArn": f"arn:aws:cloudwatch:us-east-1:111122223333:alarm:{name}",
        "StateValue": "OK",
        "AlarmActions": [TOPIC],
        "OKActions": [TOPIC],
        "ActionsEnabled": True,
        **properties,
    }


class Account:
    """Stands for a Production with these alarms."""

    def __init__(self, *alarms: dict[str, Any]) -> None:
        self._alarms = alarms

    def output(self, _key: str) -> str:
        return TOPIC

    def client(self, _service: str) -> Any:
        return self

    def get_paginator(self, _operation: str) -> Any:
        return self

    def paginate(self, **_arguments: Any) -> list[dict[str, Any]]:
        composite = [each for each in self._alarms if "AlarmRule" in each]
        metric = [each for each in self._alarms if "AlarmRule" not in each]
        return [{"MetricAlarms": metric}, {"CompositeAlarms": composite}]


def prepared(*alarms: dict[str, Any], name: str | None = None) -> Drill:
    account: Any = Account(*alarms)
    return Drill.prepare(account, name, 0)


@pytest.mark.parametrize(
    "rule",
    ['ALARM("a") OR ALARM("c")', "ALARM(a)", "ALARM( 'a' )", f"ALARM({alarm('a')['AlarmArn']})"],
)
def test_without_a_name_it_takes_an_alarm_that_no_composite_hangs_on(rule: str) -> None:
    health = alarm("health", AlarmRule=rule)
    assert prepared(alarm("a"), alarm("b"), health).alarm["AlarmName"] == "b"
    assert prepared(alarm("a"), alarm("b"), health, name="a").parents == ["health"]


@pytest.mark.parametrize(
    "unfit",
    [
        pytest.param({"StateValue": "ALARM"}, id="it is in ALARM"),
        pytest.param({"AlarmActions": []}, id="nobody is told"),
        pytest.param({"AlarmActions": [TOPIC, "arn:aws:lambda:f"]}, id="something else is done"),
        pytest.param({"OKActions": []}, id="nobody is told of the end"),
        pytest.param({"ActionsEnabled": False}, id="its actions are off"),
    ],
)
def test_without_a_name_it_takes_none_that(unfit: dict[str, Any]) -> None:
    assert prepared(alarm("a", **unfit), alarm("b")).alarm["AlarmName"] == "b"
    with pytest.raises(OpsError, match="no alarm tells the alerts topic, and it alone"):
        prepared(alarm("a", **unfit))


def test_an_alarm_with_data_is_taken_before_one_without() -> None:
    without = alarm("a", StateValue="INSUFFICIENT_DATA")
    assert prepared(without, alarm("b")).alarm["AlarmName"] == "b"
    assert prepared(without).alarm["AlarmName"] == "a"


def test_switched_off_actions_are_a_problem_with_the_command_that_mends_it() -> None:
    check = prepared(alarm("a", ActionsEnabled=False), name="a").actions()
    assert (check.verdict, check.found) == ("problem", "switched off")
    assert check.mend == "aws cloudwatch enable-alarm-actions --alarm-names a"


def test_an_empty_name_is_no_alarm() -> None:
    with pytest.raises(typer.BadParameter, match="an alarm's name is needed"):
        command(alarm=" ")


# -- who is told -------------------------------------------------------------------------

OPERATORS, STRANGER = "ops@company.com", "stranger@example.com"


def mail(endpoint: str, *, confirmed: bool = True) -> Subscription:
    return Subscription(endpoint=endpoint, protocol="email", confirmed=confirmed, arn="arn:sns:1")


@pytest.mark.parametrize(
    ("there", "told"),
    [
        pytest.param([mail(OPERATORS)], [], id="as deployed"),
        pytest.param(
            [],
            [(OPERATORS, "none: no alarm arrives there", "aws sns subscribe --topic-arn")],
            id="nobody",
        ),
        pytest.param(
            [mail(OPERATORS, confirmed=False)],
            [(OPERATORS, "not confirmed: nothing is sent there", "follow its link")],
            id="not confirmed",
        ),
        pytest.param(
            [mail(OPERATORS, confirmed=False), mail(OPERATORS)], [], id="one of two is confirmed"
        ),
        pytest.param(
            [mail(OPERATORS), mail(STRANGER)],
            [(STRANGER, "confirmed, and not in", "unsubscribe --subscription-arn arn:sns:1")],
            id="a stranger too",
        ),
        pytest.param(
            [mail(STRANGER, confirmed=False), mail(OPERATORS)],
            [(STRANGER, "not confirmed, and not in", "do not confirm it")],
            id="a stranger waits",
        ),
    ],
)
def test_those_of_the_templates_and_nobody_else_are_told(
    monkeypatch: pytest.MonkeyPatch,
    there: list[Subscription],
    told: list[tuple[str, str, str]],
) -> None:
    # In the embedded environment all mail confirms itself.
    monkeypatch.setattr(subscriptions, "of_templates", lambda _: [("email", OPERATORS)])
    monkeypatch.setattr(subscriptions, "of_topic", lambda *_: iter(there))
    found = [each for each in prepared(alarm("a")).subscriptions() if each.verdict != "held"]
    for check, (endpoint, state, mend) in zip(found, told, strict=True):
        known_only = endpoint == STRANGER and state.startswith("confirmed")
        assert (check.verdict == "not seen") == known_only
        assert check.what == f"subscription of {endpoint}"
        assert state in check.found
        assert mend in check.mend


def test_templates_that_name_nobody_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "of_templates", lambda _: [])
    monkeypatch.setattr(subscriptions, "of_topic", lambda *_: iter(()))
    (check,) = prepared(alarm("a")).subscriptions()
    assert (check.what, check.verdict) == ("subscriptions of the deployed templates", "problem")


# -- what boto3's errors mean ------------------------------------------------------------


def service(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "m"}}, "DescribeStacks")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NoCredentialsError(), "no AWS credentials: `export AWS_PROFILE"),
        (SSOTokenLoadError(error_msg="m"), "the sign-in of the AWS profile has ended"),
        (EndpointConnectionError(endpoint_url="https://x"), "no connection"),
        (service("ExpiredToken"), "the AWS credentials have expired: sign in anew"),
        (service("InvalidClientTokenId"), "AWS does not know these credentials"),
        (service("AccessDenied"), "these credentials may not do it"),
        (service("Throttling"), "An error occurred (Throttling)"),
    ],
)
def test_an_error_of_aws_says_what_to_do(error: BotoCoreError | ClientError, told: str) -> None:
    assert explain(error).startswith(told)
