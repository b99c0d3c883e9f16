"""`python -m ops alert-drill` and `dashboard` against a deployed PaymentsProd."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ops.alert_drill.command import Drill
from ops.dashboard.body import metrics, widgets
from ops.dashboard.data import Live, now, span
from ops.dashboard.picture import draw
from ops.production.stack import Production as Deployed
from tests.command_line import Answer
from tests.deployment import Production
from tests.e2e.operators import ops, records
from tests.probe import allow, document

HEALTH = "payments-system-health-service"
LINKS = "subscriptions that anybody can end, by the link in each mail"


def drill(production: Production, *arguments: str) -> Answer:
    return ops(production, "alert-drill", "--json", *arguments)


@pytest.fixture
def topic(production: Production) -> str:
    return production.outputs["AlertsTopicArn"]


def states(production: Production) -> Mapping[str, str]:
    pages = production.client("cloudwatch").get_paginator("describe_alarms")
    return {
        alarm["AlarmName"]: alarm["StateValue"]
        for page in pages.paginate(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        for alarm in (*page.get("MetricAlarms", []), *page.get("CompositeAlarms", []))
    }


@contextlib.contextmanager
def listening(production: Production, topic: str) -> Iterator[Any]:
    """A queue that gets what the topic sends; yields what it has got so far."""
    sqs, sns = (production.client(name) for name in ("sqs", "sns"))
    url = sqs.create_queue(QueueName="listening-to-alerts")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    statement = allow("sqs:SendMessage", arn, Principal={"Service": "sns.amazonaws.com"})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document(statement)})
    subscription = sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True
    )["SubscriptionArn"]

    def received() -> list[str]:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"])["Message"] for message in got.get("Messages", [])]

    try:
        yield received
    finally:
        sns.unsubscribe(SubscriptionArn=subscription)
        sqs.delete_queue(QueueUrl=url)


def of_alarms(messages: list[str]) -> list[dict[str, Any]]:
    """The others are text, of events."""
    return [json.loads(each) for each in messages if each.startswith("{")]


# -- alarms that are put back ------------------------------------------------------------


def settings(production: Production, *names: str) -> list[dict[str, Any]]:
    """Of alarms, without their states and when they were configured."""
    described = production.client("cloudwatch").describe_alarms(
        AlarmNames=list(names), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    alarms: list[Any] = [*described["MetricAlarms"], *described.get("CompositeAlarms", [])]
    passing = ("State", "AlarmConfiguration")
    return [
        {key: value for key, value in alarm.items() if not key.startswith(passing)}
        for alarm in alarms
    ]


def test_alarms_that_were_muted_altered_or_deleted_are_put_back_by_one_line(
    production: Production,
) -> None:
    names = ("payments-database-cpu", "payments-outbox-age", "payments-decline-rate", HEALTH)
    muted, altered, deleted, health = names
    before = settings(production, *names)
    assert len(before) == len(names)
    cloudwatch = production.client("cloudwatch")
    cloudwatch.disable_alarm_actions(AlarmNames=[muted])
    cloudwatch.put_metric_alarm(
        AlarmName=altered,
        Namespace="Nobody",
        MetricName="Nothing",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=9,
        ComparisonOperator="LessThanThreshold",
    )
    cloudwatch.delete_alarms(AlarmNames=[health])
    cloudwatch.delete_alarms(AlarmNames=[deleted])
    try:
        told = ops(production, "alerts", "restore", *names, "--json")
        assert (told.code, told.document["done"]) == (0, False)
        assert all(each["differences"] for each in told.document["alarms"])
        assert settings(production, *names) != before
    finally:
        done = ops(production, "alerts", "restore", *names, "--yes", "--json")
    assert done.code == 0, done
    assert settings(production, *names) == before
    recorded = records(production)[done.document["record"]]
    assert recorded["action"] == "alerts restore"
    assert {each["alarm"] for each in recorded["alarms"]} == set(names)
    again = ops(production, "alerts", "restore", *names, "--yes", "--json")
    assert (again.code, again.document["record"]) == (0, None)


# -- the drill ---------------------------------------------------------------------------


def test_a_drill_reaches_the_topic_and_leaves_the_alarms_as_they_were(
    production: Production, topic: str
) -> None:
    before = states(production)
    with listening(production, topic) as received:
        answer = drill(production)
        messages = received()
    assert states(production) == before
    told = [(each["AlarmName"], each["NewStateValue"]) for each in of_alarms(messages)]
    name = answer.document["alarm"]
    assert sorted(told) == [(name, "ALARM"), (name, "OK")]
    assert {each["NewStateReason"][:12] for each in of_alarms(messages)} == {"Alert drill "}
    (mail,) = [each for each in messages if not each.startswith("{")]
    lines = [line.strip('"') for line in mail.splitlines()]
    assert lines[:2] == ["ALERT: payments-alert-drill", "Severity: warning"]
    assert lines[-1] == f"Drill: {answer.document['event']}"
    assert "nothing has happened, and nothing is to be done" in mail
    # The queue that listens is in no template; nothing is wrong. Of a subscription that a template
    # made, SNS does not tell here whether it takes a sign-in to end it.
    other, *links = [each for each in answer.document["checks"] if each["verdict"] != "held"]
    assert [each["verdict"] for each in links] == ["not seen"] * len(links)
    assert {each["what"] for each in links} <= {LINKS}
    assert other["what"].endswith(":listening-to-alerts")
    assert other["found"] == "confirmed, and not in the deployed templates"
    assert (answer.code, other["verdict"]) == (0, "not seen")
    assert answer.check("subscription of ops@company.com")["verdict"] == "held"
    assert answer.check("the topic took the event of the drill")["verdict"] == "held"
    for state in ("ALARM", "OK"):
        assert answer.check(f"the topic took the message of {state}")["verdict"] == "held"


def test_a_drill_with_a_composite_alarm_sets_that_back_too(
    production: Production, topic: str
) -> None:
    before = states(production)
    with listening(production, topic) as received:
        drill(production, "--alarm", HEALTH)
        told = sorted((m["AlarmName"], m["NewStateValue"]) for m in of_alarms(received()))
    assert states(production) == before
    assert told == [(HEALTH, "ALARM"), (HEALTH, "OK")]


def test_a_drill_tells_of_the_composite_alarm_that_sounds_with_it(production: Production) -> None:
    cloudwatch = production.client("cloudwatch")
    (health,) = cloudwatch.describe_alarms(AlarmNames=[HEALTH], AlarmTypes=["CompositeAlarm"])[
        "CompositeAlarms"
    ]
    child = next(name for name in states(production) if f"{name}" in health["AlarmRule"])
    answer = drill(production, "--alarm", child)
    assert answer.code == 0, answer
    assert answer.document["held"]
    assert answer.check("composite alarms on it")["found"] == f"sounded too: {HEALTH}"


@contextlib.contextmanager
def leading_to(production: Production, topic: str) -> Iterator[None]:
    """The drill's rule, with another topic as its target."""
    events, rule = production.client("events"), "payments-alert-drill"
    (target,) = events.list_targets_by_rule(Rule=rule)["Targets"]
    events.put_targets(Rule=rule, Targets=[{**target, "Arn": topic}])
    try:
        yield
    finally:
        events.put_targets(Rule=rule, Targets=[target])


def test_an_event_that_reaches_no_topic_is_found_in_the_queue_and_can_be_taken_away(
    production: Production, topic: str
) -> None:
    with leading_to(production, f"{topic}-that-is-gone"):
        answer = drill(production)
    assert answer.code == 1
    check = answer.check("the topic took the event of the drill")
    assert check["verdict"] == "problem"
    assert check["found"].startswith("EventBridge set it aside as ")
    message = check["found"].split()[5].rstrip(":")
    assert f"dlq quarantine invocations --id {message} " in check["mend"]
    waiting = ops(production, "dlq", "show", "invocations", "--json", "--limit", "100")
    assert message in [each["id"] for each in waiting.document["messages"]]
    arguments = ("--id", message, "--reason", "drill", "--yes", "--json")
    taken = ops(production, "dlq", "quarantine", "invocations", *arguments)
    assert taken.code == 0, taken
    assert [each["id"] for each in taken.document["messages"]] == [message]


def test_a_drills_rule_that_is_switched_off_is_found(production: Production) -> None:
    events = production.client("events")
    events.disable_rule(Name="payments-alert-drill")
    try:
        answer = drill(production)
    finally:
        events.enable_rule(Name="payments-alert-drill")
    assert (answer.code, answer.document["event"]) == (1, "")
    check = answer.check("the topic took the event of the drill")
    assert check["mend"] == "aws events enable-rule --name payments-alert-drill"


def test_an_alarm_that_does_not_exist_is_named_with_those_that_are_alike(
    production: Production,
) -> None:
    answer = drill(production, "--alarm", f"{HEALTH}y")
    answer.refuses(f"no alarm is called {HEALTH}y: did you mean {HEALTH}")


def test_an_alarm_that_tells_nobody_is_found_and_not_touched(production: Production) -> None:
    name = next(name for name in states(production) if name.startswith("payments-release-"))
    answer = drill(production, "--alarm", name)
    assert answer.code == 1
    assert answer.check(f"actions of {name}")["verdict"] == "problem"
    assert "no action to the alerts topic" in answer.check(f"actions of {name}")["found"]
    assert f"alerts restore {name} --yes" in answer.check(f"actions of {name}")["mend"]
    history = production.client("cloudwatch").describe_alarm_history(AlarmName=name)
    assert not [each for each in history["AlarmHistoryItems"] if "drill" in each["HistoryData"]]


def test_a_stranger_in_the_place_of_the_operators_is_found(
    production: Production, topic: str
) -> None:
    sns = production.client("sns")
    (mail,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    sns.unsubscribe(SubscriptionArn=mail["SubscriptionArn"])
    stranger = sns.subscribe(
        TopicArn=topic, Protocol="email", Endpoint="thief@example.com", ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    try:
        answer = drill(production)
    finally:
        sns.unsubscribe(SubscriptionArn=stranger)
        sns.subscribe(TopicArn=topic, Protocol=mail["Protocol"], Endpoint=mail["Endpoint"])
    assert answer.code == 1
    check = answer.check("subscription of ops@company.com")
    assert (check["verdict"], check["found"]) == ("problem", "none: no alarm arrives there")
    assert f"aws sns subscribe --topic-arn {topic}" in check["mend"]
    check = answer.check("subscription of thief@example.com")
    assert (check["verdict"], check["found"]) == (
        "not seen",
        "confirmed, and not in the deployed templates",
    )
    assert f"aws sns unsubscribe --subscription-arn {stranger}" in check["mend"]


def test_an_alarm_that_is_in_alarm_already_is_left_alone(production: Production) -> None:
    cloudwatch = production.client("cloudwatch")
    name = "payments-decline-rate"
    before = states(production)[name]
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="half declined")
    try:
        answer = drill(production, "--alarm", name)
        seen = states(production)[name]
    finally:
        cloudwatch.set_alarm_state(AlarmName=name, StateValue=before, StateReason="end of test")
    assert (answer.code, seen) == (2, "ALARM")
    assert f"{name} is in ALARM now (half declined)" in answer.errors


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_however_a_drill_ends_the_alarm_is_set_back(
    production: Production,
    deployed: Deployed,
    monkeypatch: pytest.MonkeyPatch,
    stop: type[BaseException],
) -> None:
    prepared = Drill.prepare(deployed, None, 0)
    before = states(production)

    def interrupted(_drill: Drill, _state: str, _reason: str) -> None:
        assert states(production)[prepared.alarm["AlarmName"]] == "ALARM"
        raise stop

    monkeypatch.setattr(Drill, "_word", interrupted)
    with pytest.raises(stop):
        prepared.perform()
    assert states(production) == before


# -- what a user may have wrong ----------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "is `make local` running?"),
        ({"AWS_ENDPOINT_URL": "nonsense"}, "nonsense. AWS_ENDPOINT_URL must be an address such as"),
        ({"AWS_ACCESS_KEY_ID": "222233334444"}, "in us-east-1 of account 222233334444"),
        ({"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}, "AWS does not know these credentials"),
        ({"AWS_PROFILE": "of-nobody"}, "of-nobody"),
    ],
)
def test_a_common_error_is_one_line_that_says_what_to_do(
    production: Production, variables: dict[str, str], told: str
) -> None:
    answer = ops(production, "alert-drill", **variables)
    assert (answer.code, answer.output) == (2, "")
    assert answer.errors.startswith("error: ")
    assert told in answer.errors
    assert len(answer.errors.splitlines()) == 1


# -- the dashboard -----------------------------------------------------------------------


def test_the_deployed_dashboard_becomes_a_picture(production: Production, tmp_path: Path) -> None:
    file = tmp_path / "new" / "dashboard.png"
    answer = ops(production, "dashboard", "--live", "--json", "--output", str(file))
    assert answer.code == 0, answer
    told = answer.document
    assert (told["file"], told["bytes"]) == (str(file), file.stat().st_size)
    assert told["data"] == "live"
    assert "Payments" in [each["title"] for each in told["widgets"]]
    with Image.open(file) as image:
        assert (image.format, image.width) == ("PNG", 1600)
    assert file.stat().st_size < 1_000_000


def test_a_dashboard_that_is_gone_is_to_be_put_back_by_hand(
    production: Production, tmp_path: Path
) -> None:
    cloudwatch = production.client("cloudwatch")
    name = production.outputs["DashboardName"]
    body = cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"]
    cloudwatch.delete_dashboards(DashboardNames=[name])
    try:
        answer = ops(production, "dashboard", "--live", "--output", str(tmp_path / "d.png"))
    finally:
        cloudwatch.put_dashboard(DashboardName=name, DashboardBody=body)
    answer.refuses(
        f"aws cloudwatch put-dashboard --dashboard-name {name}",
        "a deployment of an unchanged template does not",
    )


def test_all_of_the_deployed_dashboard_is_drawn_with_what_cloudwatch_has(
    production: Production,
) -> None:
    cloudwatch = production.client("cloudwatch")
    moment = datetime.now(UTC) - timedelta(minutes=5)
    for minute, value in enumerate((3, 8)):
        cloudwatch.put_metric_data(
            Namespace="Payments",
            MetricData=[
                {
                    "MetricName": "PaymentsApproved",
                    "Dimensions": [{"Name": "service", "Value": "payment-validator"}],
                    "Timestamp": moment + timedelta(minutes=minute),
                    "Value": value,
                }
            ],
        )
    name = production.outputs["DashboardName"]
    body = json.loads(cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"])
    shown = widgets(body)
    picture = draw(
        shown, Live(cloudwatch, span(body), now()), name=name, caption="C", since=span(body)
    )
    cards = picture.figure.axes
    graphs = [graph for card in cards for graph in card.child_axes]
    expected = [each.title for each in shown if each.kind == "metric"]
    assert [axes.get_label() for axes in graphs] == expected
    words = [text.get_text() for card in cards for text in card.texts]
    for each in shown:
        title = each.title or each.properties["markdown"].removeprefix("# ")
        assert title in words
    (payments,) = [axes for axes in graphs if axes.get_label() == "Payments"]
    drawn = [np.asarray(line.get_ydata()) for line in payments.lines]
    assert [values.max() for values in drawn if values.size] == [8]
    for number, each in enumerate(shown):
        assert len(metrics(each)) == len(body["widgets"][number]["properties"].get("metrics", []))
