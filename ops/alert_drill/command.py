"""`alert-drill`: whether alarms and events reach the operators, tried with what means nothing."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from ops.alert_drill.event import EventDrill
from ops.console import checks, terminal
from ops.console.checks import Check, Verdict, judged, problem
from ops.console.environment import stack_name
from ops.console.failure import OpsError
from ops.console.settings import JsonOption
from ops.console.terminal import escape, progress
from ops.production import subscriptions
from ops.production.alarms import named, restoring
from ops.production.stack import Production, all_alarms
from ops.production.subscriptions import State

_BOTH: Final = ["MetricAlarm", "CompositeAlarm"]
_POLL_SECONDS: Final = 2.0
_STATES: Final = {
    State.CONFIRMED: "confirmed",
    State.PENDING: "pending: nothing is sent there",
    State.ENDED: "ended: somebody unsubscribed it, and no alarm arrives there",
    None: "none: no alarm arrives there",
}
_STRANGER: Final = (
    "whoever is there reads what alarms say: aws sns unsubscribe --subscription-arn {arn}; or, if "
    "it belongs there, put it into nested/observability and deploy"
)
_STRANGER_WAITS: Final = (
    "do not confirm it: AWS forgets what nobody confirms within two days; or, if it belongs "
    "there, put it into nested/observability and deploy"
)
_ADMIT: Final = (
    "the topic's policy and its key's must both admit cloudwatch.amazonaws.com: `python -m ops "
    "verify` has CloudFormation compare them with the templates; put back by hand what differs: a "
    "deployment of an unchanged template does not"
)

Item = Mapping[str, Any]


def command(
    alarm: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default=False,
            help="The alarm, metric or composite. Without it: one on which nothing but mail "
            "depends.",
        ),
    ] = None,
    wait: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="How long to wait for AWS's word on each of the messages. CloudWatch has it in "
            "seconds, EventBridge in minutes.",
        ),
    ] = 240,
    as_json: JsonOption = False,
) -> None:
    """Set one alarm to ALARM and back, send one event, and tell whether the topic took them.

    Checks that the address of the deployed templates is subscribed, and tells who else is; that
    they have confirmed it; whether it takes a sign-in to end that; that the alarm has actions to
    the topic, and that CloudWatch could carry them out. The operators get three mails, which say
    that they belong to a drill. However the drill ends, the alarm is set back to its former state.

    Exit code 0: all of it held; 1: an alarm or an event might not reach a subscriber; 2: the drill
    could not take place (no such alarm, an alarm that is in ALARM now, a deployment under way).
    """
    if alarm is not None and not alarm.strip():
        raise typer.BadParameter("an alarm's name is needed", param_hint="--alarm")
    production = Production.find()
    if production.changing:
        raise OpsError(
            f"{stack_name()} is {production.status}: alarms judge the releases of a deployment, so "
            "there is no drill until it is done"
        )
    told = terminal.told()
    with told.status("looking at the topic and the alarms"):
        drill = Drill.prepare(production, alarm, wait)
    found = list(drill.subscriptions())
    found.append(drill.actions())
    # First, as its word takes longest.
    event = EventDrill.send(production)
    if found[-1].verdict is Verdict.HELD:
        with told.status(progress(f"setting {escape(drill.alarm['AlarmName'])} to ALARM and back")):
            found += drill.perform()
    with told.status("waiting for EventBridge's word"):
        found.append(event.word(wait))
    name = drill.alarm["AlarmName"]
    checks.tell(found, as_json=as_json, alarm=name, event=event.id, topic=drill.topic)


@dataclass(frozen=True, kw_only=True)
class Drill:
    """A drill with one alarm.

    Attributes:
        alarm: as DescribeAlarms tells it.
        parents: names of the composite alarms that hang on it.
        wait: seconds for each message.
    """

    production: Production
    topic: str
    alarm: Item
    parents: Sequence[str]
    wait: int

    @classmethod
    def prepare(cls, production: Production, name: str | None, wait: int) -> Drill:
        """
        Raises:
            OpsError: there is no such alarm, or none that may be drilled.
        """
        topic = production.output("AlertsTopicArn")
        found = list(all_alarms(production.client("cloudwatch")))
        by_name = {each["AlarmName"]: each for each in found}
        alarm = named(by_name, name) if name is not None else _harmless(found, topic)
        if alarm["StateValue"] == "ALARM":
            raise OpsError(
                f"{alarm['AlarmName']} is in ALARM now ({alarm.get('StateReason', '')}): look into "
                "that first, or name another with --alarm"
            )
        return cls(
            production=production,
            topic=topic,
            alarm=alarm,
            parents=_parents(alarm, found),
            wait=wait,
        )

    def subscriptions(self) -> Iterator[Check]:
        """Whether those who are subscribed get the messages: those whom the deployed templates
        name must; whether others may is for `verify` and for people to say."""
        wanted = subscriptions.of_templates(self.production)
        found = list(subscriptions.of_topic(self.production.client("sns"), self.topic))
        if not wanted:
            yield problem(
                "subscriptions of the deployed templates",
                "none",
                "put one into nested/observability and deploy",
            )
        for protocol, endpoint in wanted:
            best = subscriptions.best(found, protocol, endpoint)
            yield judged(
                f"subscription of {endpoint}",
                found=_STATES[best.state if best else None],
                held=best is not None and best.confirmed,
                mend=subscriptions.how_to_confirm(
                    best, topic=self.topic, protocol=protocol, endpoint=endpoint
                ),
            )
        for each in found:
            # What has ended is nobody any more, though SNS lists it for some days.
            if (each.protocol, each.endpoint) not in wanted and each.state is not State.ENDED:
                yield Check(
                    what=f"subscription of {each.endpoint}",
                    found=f"{each.state}, and not in the deployed templates",
                    verdict=Verdict.UNSEEN if each.confirmed else Verdict.PROBLEM,
                    mend=(_STRANGER if each.confirmed else _STRANGER_WAITS).format(arn=each.arn),
                )
        yield from subscriptions.safe(found, self.topic)

    def actions(self) -> Check:
        """Whether the alarm tells the topic of itself and of its end."""
        missing = [
            state
            for state, actions in (("ALARM", "AlarmActions"), ("OK", "OKActions"))
            if self.topic not in self.alarm.get(actions, [])
        ]
        found = "to the alerts topic, on ALARM and on OK"
        if missing:
            found = f"no action to the alerts topic on {' and '.join(missing)}"
        elif not self.alarm.get("ActionsEnabled", True):
            found = "switched off"
        name = self.alarm["AlarmName"]
        return judged(
            f"actions of {name}",
            found=found,
            held=not missing and self.alarm.get("ActionsEnabled", True),
            mend=f"if the templates say otherwise: {restoring(name)}",
        )

    def perform(self) -> list[Check]:
        """Set the alarm to ALARM, to OK, and to its former state; however that ends.

        Raises:
            OpsError: it could not be set back.
        """
        name, former = self.alarm["AlarmName"], self.alarm["StateValue"]
        reason = f"Alert drill {uuid.uuid4().hex[:8]}: nothing has happened, nothing is to be done"
        found = []
        try:
            self._set("ALARM", reason)
            found.append(self._word("ALARM", reason))
        finally:
            with _uninterrupted():
                self._set_back(former, reason)
        found.append(self._word("OK", reason))
        described = self.production.client("cloudwatch").describe_alarms(
            AlarmNames=[name], AlarmTypes=_BOTH
        )
        (seen,) = described.get("MetricAlarms") or described["CompositeAlarms"]
        real = seen["StateValue"] == "ALARM"
        found.append(
            judged(
                f"{name} set back",
                found=f"{seen['StateValue']}: {seen.get('StateReason', '')}" if real else former,
                held=not real,
                mend="this is no drill any more: follow the alarm's runbook",
            )
        )
        if self.parents:
            told = f"sounded too: {', '.join(self.parents)}"
            found.append(judged("composite alarms on it", found=told, held=True))
        return found

    def _set(self, state: str, reason: str) -> None:
        self.production.client("cloudwatch").set_alarm_state(
            AlarmName=self.alarm["AlarmName"], StateValue=state, StateReason=reason
        )

    def _set_back(self, former: str, reason: str) -> None:
        """By way of OK, so that the recovery is mailed too."""
        try:
            for state in dict.fromkeys(("OK", former)):
                self._set(state, reason)
        except Exception as error:
            raise OpsError(
                f"the alarm could not be set back ({error}): aws cloudwatch set-alarm-state "
                f"--alarm-name {self.alarm['AlarmName']} --state-value {former} "
                "--state-reason 'end of a drill'"
            ) from error

    def _word(self, state: str, reason: str) -> Check:
        """What CloudWatch says of the message, waiting for it where it may yet come."""
        deadline = time.monotonic() + self.wait
        while True:
            # Newest first; a drill's few items are among them.
            history = self.production.client("cloudwatch").describe_alarm_history(
                AlarmName=self.alarm["AlarmName"],
                AlarmTypes=_BOTH,
                MaxRecords=50,
                ScanBy="TimestampDescending",
            )["AlarmHistoryItems"]
            outcome = outcome_of_action(history, state, reason, self.topic)
            if outcome is not None or time.monotonic() > deadline:
                break
            time.sleep(_POLL_SECONDS)
        found, mend = outcome, _ADMIT
        if outcome is None:
            found = f"no word from CloudWatch within {self.wait} s"
            mend = "aws cloudwatch describe-alarm-history --history-item-type Action --alarm-name "
            mend += self.alarm["AlarmName"]
        return judged(
            f"the topic took the message of {state}",
            found=found or "CloudWatch says so",
            held=outcome == "",
            mend=mend,
        )


def outcome_of_action(history: Sequence[Item], state: str, reason: str, topic: str) -> str | None:
    """How the action to the topic went that followed one of a drill's two changes of state.

    Args:
        history: of DescribeAlarmHistory.
        state: ``ALARM``, or ``OK`` for the change back, which may be CloudWatch's own: it judges
            the alarm by its metric again whenever it likes.
        reason: of the change to ALARM; no other change has it.

    Returns:
        An empty text when it went well, the reason of a failure, or None when nothing is known.
    """
    oldest_first = sorted(history, key=lambda item: item["Timestamp"])
    # CloudWatch's own clock in all of them.
    begin = _first_change(oldest_first, {"stateValue": "ALARM", "stateReason": reason})
    if begin is not None and state == "OK":
        later = [item for item in oldest_first if item["Timestamp"] >= begin]
        begin = _first_change(later, {"stateValue": "OK"})
    if begin is None:
        return None
    for item in oldest_first:
        summary = str(item["HistorySummary"])
        ours = item["HistoryItemType"] == "Action" and topic in summary
        if ours and item["Timestamp"] >= begin:
            return "" if summary.startswith("Successfully executed") else summary
    return None


def _first_change(history: Sequence[Item], wanted: Mapping[str, str]) -> datetime | None:
    """When the alarm first came into a state with these properties."""
    for item in history:
        if item["HistoryItemType"] == "StateUpdate":
            new = json.loads(item["HistoryData"])["newState"]
            if wanted.items() <= {name: new.get(name) for name in wanted}.items():
                found: datetime = item["Timestamp"]
                return found
    return None


def _harmless(alarms: Sequence[Item], topic: str) -> Item:
    """One that tells the topic and does nothing else; at best none that a composite hangs on."""
    fit = [
        alarm
        for alarm in alarms
        if alarm.get("AlarmActions") == [topic]
        and alarm.get("OKActions") == [topic]
        and alarm.get("ActionsEnabled", True)
        and alarm["StateValue"] != "ALARM"
        and "AlarmRule" not in alarm
    ]
    if not fit:
        raise OpsError(
            "no alarm tells the alerts topic, and it alone, of ALARM and OK: is the stack deployed "
            "as it is? Name one with --alarm to see what it lacks"
        )

    def harm(alarm: Item) -> tuple[int, bool, str]:
        return len(_parents(alarm, alarms)), alarm["StateValue"] != "OK", alarm["AlarmName"]

    return min(fit, key=harm)


def _parents(alarm: Item, alarms: Sequence[Item]) -> list[str]:
    """Composite alarms whose rule names it, by name or ARN, quoted or not."""
    names = "|".join(re.escape(alarm[key]) for key in ("AlarmName", "AlarmArn"))
    mention = re.compile(rf"\(\s*[\"']?(?:{names})[\"']?\s*\)")
    return [other["AlarmName"] for other in alarms if mention.search(other.get("AlarmRule", ""))]


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Signals wait until the end of the block."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
