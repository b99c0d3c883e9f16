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

from ops.alert_drill.command import Drill, command, outcome_of_action
from ops.alert_drill.event import EventDrill
from ops.console.failure import OpsError, explain
from ops.production import subscriptions
from ops.production.queues import PURPOSES
from ops.production.stack import Production, Resource
from ops.production.subscriptions import State, Subscription
from tests.ops.stubbed_aws import Aws

TOPIC = "arn:aws:sns:us-east-1:111122223333:Alerts"
OTHER = "arn:aws:sns:us-east-1:111122223333:Other"
REASON = "Alert drill 0f: nothing has happened"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def aws() -> Aws:
    return Aws()


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
    assert check.mend.endswith("python -m ops alerts restore a --yes")


def test_an_empty_name_is_no_alarm() -> None:
    with pytest.raises(typer.BadParameter, match="an alarm's name is needed"):
        command(alarm=" ")


# -- who is told -------------------------------------------------------------------------

OPERATORS, STRANGER = "ops@company.com", "stranger@example.com"


def mail(
    endpoint: str, state: State = State.CONFIRMED, *, needs_sign_in: bool | None = True
) -> Subscription:
    return Subscription(
        endpoint=endpoint,
        protocol="email",
        state=state,
        arn="arn:sns:1",
        needs_sign_in=needs_sign_in,
    )


LINKS = "subscriptions that anybody can end, by the link in each mail"
ALONE = ("confirmed subscribers of the alerts", "ops@company.com alone", "second subscription")


@pytest.mark.parametrize(
    ("there", "told"),
    [
        pytest.param([mail(OPERATORS)], [ALONE], id="as deployed"),
        pytest.param(
            [],
            [(OPERATORS, "none: no alarm arrives there", "aws sns subscribe --topic-arn")],
            id="nobody",
        ),
        pytest.param(
            [mail(OPERATORS, State.PENDING)],
            [(OPERATORS, "pending: nothing is sent there", "--authenticate-on-unsubscribe true")],
            id="pending",
        ),
        pytest.param(
            [mail(OPERATORS, State.ENDED)],
            [(OPERATORS, "ended: somebody unsubscribed it", "aws sns subscribe --topic-arn")],
            id="ended",
        ),
        pytest.param(
            [mail(OPERATORS, State.ENDED), mail(OPERATORS, State.PENDING), mail(OPERATORS)],
            [ALONE],
            id="one of three is confirmed",
        ),
        pytest.param(
            [mail(OPERATORS, needs_sign_in=None)],
            [(LINKS, f"SNS does not tell of {OPERATORS}", ""), ALONE],
            id="whether it ends without a sign-in is not told",
        ),
        pytest.param(
            [mail(OPERATORS, needs_sign_in=False)],
            [
                (
                    LINKS,
                    OPERATORS,
                    "aws sns unsubscribe --subscription-arn arn:sns:1; aws sns subscribe",
                ),
                ALONE,
            ],
            id="it ends without a sign-in",
        ),
        pytest.param(
            [mail(OPERATORS), mail(STRANGER)],
            [(STRANGER, "confirmed, and not in", "unsubscribe --subscription-arn arn:sns:1")],
            id="a stranger too",
        ),
        pytest.param(
            [mail(STRANGER, State.PENDING), mail(OPERATORS)],
            [(STRANGER, "pending, and not in", "do not confirm it"), ALONE],
            id="a stranger waits",
        ),
        pytest.param(
            [mail(STRANGER, State.ENDED), mail(OPERATORS)], [ALONE], id="a stranger has gone"
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
    for check, (subject, state, mend) in zip(found, told, strict=True):
        known_only = subject == STRANGER and state.startswith("confirmed")
        assert (check.verdict == "not seen") == (
            known_only or subject == ALONE[0] or "does not tell" in state
        )
        assert check.what.removeprefix("subscription of ") == subject
        assert state in check.found
        assert mend in check.mend


def test_templates_that_name_nobody_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "of_templates", lambda _: [])
    monkeypatch.setattr(subscriptions, "of_topic", lambda *_: iter(()))
    check, links = prepared(alarm("a")).subscriptions()
    assert (check.what, check.verdict) == ("subscriptions of the deployed templates", "problem")
    assert links.verdict == "held"


# -- the event ---------------------------------------------------------------------------

EVENT = "7bf73129-1428-4cd3-a780-95db273d1602"
DRILLED = {"Name": "payments-alert-drill", "State": "ENABLED"}
SENT = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)


class Deployed:
    """Stands for a Production whose AWS answers from a list."""

    def __init__(self, aws: Aws) -> None:
        self.client = aws

    def resources(self, *_types: str) -> list[Resource]:
        return [
            Resource(
                stack="D",
                logical_id=f"{purpose.construct}00000000",
                type="AWS::SQS::Queue",
                name=f"https://sqs.example/{name}",
            )
            for name, purpose in PURPOSES.items()
        ]


def event_drill(aws: Aws, **properties: Any) -> EventDrill:
    production: Any = Deployed(aws)
    return EventDrill(production=production, id=EVENT, sent=SENT, **properties)


def sends(aws: Aws) -> EventDrill:
    production: Any = Deployed(aws)
    return EventDrill.send(production)


def set_aside(event: str) -> dict[str, Any]:
    """A message of EventBridge's to a dead-letter queue (Amazon EventBridge user guide, "Using
    dead-letter queues to process undelivered events")."""
    attributes = {
        "RULE_ARN": "arn:aws:events:us-east-1:123456789012:rule/payments-alert-drill",
        "TARGET_ARN": TOPIC,
        "ERROR_CODE": "NO_PERMISSIONS",
        "ERROR_MESSAGE": "null (Service: AmazonSNS; Status Code: 403; Error Code: KMSAccessDenied)",
    }
    return {
        "MessageId": f"m-{event}",
        "ReceiptHandle": "h",
        "Body": json.dumps({"id": event, "source": "payments.alert-drill", "detail": {}}),
        "Attributes": {"SentTimestamp": "1767268830000", "ApproximateReceiveCount": "1"},
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    }


def holds(aws: Aws, *messages: dict[str, Any]) -> None:
    """The dead-letter queue. Once the event is found, no more are received."""
    aws.answers("sqs", "receive_message", {"Messages": list(messages)})
    if messages:
        if not any(EVENT in message["Body"] for message in messages):
            aws.answers("sqs", "receive_message", {})
        aws.answers("sqs", "change_message_visibility_batch", {"Successful": [], "Failed": []})


def counts(aws: Aws, *values: float) -> None:
    """Calls, and those that failed."""
    for value in values:
        points = [{"Timestamp": SENT, "Sum": value}] if value else []
        aws.answers("cloudwatch", "get_metric_statistics", {"Datapoints": points})


def test_the_event_is_of_the_source_that_the_drills_rule_matches(aws: Aws) -> None:
    aws.answers("events", "list_rules", {"Rules": [DRILLED]})
    entry = {"Source": "payments.alert-drill", "DetailType": "Alert Drill", "Detail": "{}"}
    put = {"FailedEntryCount": 0, "Entries": [{"EventId": EVENT}]}
    aws.answers("events", "put_events", put, {"Entries": [entry]})
    sent = sends(aws)
    assert (sent.id, sent.unsent) == (EVENT, None)


def test_an_event_that_eventbridge_may_not_hand_on_is_a_problem_with_its_reason(aws: Aws) -> None:
    holds(aws, set_aside("another"), set_aside(EVENT))
    told = event_drill(aws).word(0)
    assert told.verdict == "problem"
    assert "NO_PERMISSIONS null (Service: AmazonSNS;" in told.found
    assert "events.amazonaws.com" in told.mend
    assert f"dlq quarantine invocations --id m-{EVENT} " in told.mend


def test_an_event_that_was_handed_on_is_counted_by_its_rule(aws: Aws) -> None:
    holds(aws, set_aside("another"))
    counts(aws, 1, 0)
    assert event_drill(aws).word(0).verdict == "held"


def test_an_event_that_failed_without_being_set_aside_is_a_problem(aws: Aws) -> None:
    holds(aws)
    counts(aws, 1, 1)
    told = event_drill(aws).word(0)
    assert (told.verdict, told.found) == (
        "problem",
        "EventBridge counts 1 failed calls of the topic",
    )


def test_without_a_word_in_time_the_mail_must_tell(aws: Aws) -> None:
    holds(aws)
    counts(aws, 0, 0)
    told = event_drill(aws).word(-1)
    assert told.verdict == "not seen"
    assert f"the mail that quotes {EVENT}" in told.mend


def test_without_aws_the_rest_of_the_drill_is_told_all_the_same(aws: Aws) -> None:
    holds(aws)
    aws.refuses("cloudwatch", "get_metric_statistics", "Throttling")
    told = event_drill(aws).word(0)
    assert (told.verdict, told.found[:24]) == ("not answered", "AWS could not answer now")


def test_who_may_not_read_the_queue_is_told_by_the_metrics(aws: Aws) -> None:
    aws.refuses("sqs", "receive_message", "AccessDenied")
    counts(aws, 1, 0)
    assert event_drill(aws).word(0).verdict == "held"


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ([], "there is no rule payments-alert-drill"),
        ([{**DRILLED, "Name": "payments-alert-drill-2"}], "there is no rule payments-alert-drill"),
        ([{**DRILLED, "State": "DISABLED"}], "the rule payments-alert-drill is switched off"),
    ],
)
def test_without_the_rule_no_event_is_sent(aws: Aws, rules: list[Any], found: str) -> None:
    aws.answers("events", "list_rules", {"Rules": rules})
    sent = sends(aws)
    assert (sent.id, sent.word(0).verdict, sent.word(0).found) == ("", "problem", found)


def test_who_may_not_put_events_is_told_which_right_it_takes(aws: Aws) -> None:
    aws.answers("events", "list_rules", {"Rules": [DRILLED]})
    aws.refuses("events", "put_events", "AccessDeniedException")
    told = sends(aws).word(0)
    assert told.verdict == "not seen"
    assert "events:PutEvents on the event bus" in told.mend
    assert "events:source is payments.alert-drill" in told.mend


def test_an_event_that_eventbridge_refuses_is_a_problem(aws: Aws) -> None:
    aws.answers("events", "list_rules", {"Rules": [DRILLED]})
    entry = {"ErrorCode": "InternalFailure", "ErrorMessage": "Unexpected error"}
    aws.answers("events", "put_events", {"FailedEntryCount": 1, "Entries": [entry]})
    told = sends(aws).word(0)
    assert (told.verdict, told.found) == ("problem", "EventBridge refused it: Unexpected error")


# -- what SNS says of a subscription -----------------------------------------------------


@pytest.mark.parametrize(
    ("arn", "attributes", "state", "needs_sign_in"),
    [
        ("PendingConfirmation", None, State.PENDING, None),
        ("Deleted", None, State.ENDED, None),
        (f"{TOPIC}:1", {"PendingConfirmation": "true"}, State.PENDING, None),
        (f"{TOPIC}:1", {"PendingConfirmation": "false"}, State.CONFIRMED, None),
        (
            f"{TOPIC}:1",
            {"PendingConfirmation": "false", "ConfirmationWasAuthenticated": "false"},
            State.CONFIRMED,
            False,
        ),
        (
            f"{TOPIC}:1",
            {"PendingConfirmation": "false", "ConfirmationWasAuthenticated": "true"},
            State.CONFIRMED,
            True,
        ),
        (f"{TOPIC}:1", "NotFound", State.ENDED, None),
    ],
)
def test_a_subscription_is_told_for_what_it_is(
    aws: Aws, arn: str, attributes: Any, state: State, needs_sign_in: bool | None
) -> None:
    listed = {"SubscriptionArn": arn, "Protocol": "email", "Endpoint": OPERATORS}
    aws.answers("sns", "list_subscriptions_by_topic", {"Subscriptions": [listed]})
    if isinstance(attributes, str):
        aws.refuses("sns", "get_subscription_attributes", attributes)
    elif attributes is not None:
        aws.answers("sns", "get_subscription_attributes", {"Attributes": attributes})
    (found,) = subscriptions.of_topic(aws("sns"), TOPIC)
    assert (found.state, found.needs_sign_in) == (state, needs_sign_in)


def test_only_mail_has_a_link_that_ends_it() -> None:
    queue = Subscription(endpoint="arn:q", protocol="sqs", state=State.CONFIRMED)
    assert not queue.has_link
    assert mail(OPERATORS).has_link
    assert not mail(OPERATORS, State.PENDING).has_link


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
        (service("Throttling"), "AWS could not answer now, ask again in a minute: An error"),
        (service("TooManyRequestsException"), "AWS could not answer now"),
        (service("ValidationError"), "An error occurred (ValidationError)"),
    ],
)
def test_an_error_of_aws_says_what_to_do(error: BotoCoreError | ClientError, told: str) -> None:
    assert explain(error).startswith(told)
