"""The drill's other half: whether EventBridge may tell the alerts topic of an event.

`TestEventPattern` proves a pattern alone, and nobody may send an event as AWS does. So the stack
has a rule of the drill's own, made by the same code as its other rules: it has their target and
dead-letter queue, and is admitted by the same statements of the topic's policy and the key's.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from building_blocks.alert import DRILL_SOURCE
from ops.console.checks import Check, Verdict, judged, problem
from ops.console.failure import explain, is_denied
from ops.production import queues as dlq_queues
from ops.production.queues import DeadLetterQueue, Name
from ops.production.stack import Production, every

RULE: Final = "payments-alert-drill"
DETAIL_TYPE: Final = "Alert Drill"
_POLL_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 30
_MOST: Final = 100
"""Messages that are looked at; where more wait, the metrics tell."""
_WHAT: Final = "the topic took the event of the drill"
_RIGHTS: Final = (
    "allow events:PutEvents on the event bus `default`, with the condition that events:source is "
    f"{DRILL_SOURCE}: docs/runbooks/alerts.md#alert-drill has the statement"
)
_ADMIT: Final = (
    "the topic's policy and its key's must both admit events.amazonaws.com: `python -m ops verify` "
    "has CloudFormation compare them with the templates"
)


@dataclass(frozen=True, kw_only=True)
class EventDrill:
    """An event that was sent, or why it was not.

    Attributes:
        id: EventBridge's, which the mail quotes; empty if it was not sent.
        unsent: what is told then.
    """

    production: Production
    id: str
    sent: datetime
    unsent: Check | None = None

    @classmethod
    def send(cls, production: Production) -> EventDrill:
        """Put the event, if there is a rule that hands it on."""
        drill = partial(cls, production=production, sent=datetime.now(UTC))
        try:
            if missing := _missing(production.client("events")):
                return drill(id="", unsent=missing)
            entry = {"Source": DRILL_SOURCE, "DetailType": DETAIL_TYPE, "Detail": "{}"}
            (put,) = production.client("events").put_events(Entries=[entry])["Entries"]
        except ClientError as error:
            if not is_denied(error):
                raise
            denied = Check(what=_WHAT, found=explain(error), verdict=Verdict.UNSEEN, mend=_RIGHTS)
            return drill(id="", unsent=denied)
        if "EventId" not in put:
            refused = f"EventBridge refused it: {put.get('ErrorMessage', put)}"
            mend = "drill again; if it stays so, AWS Support"
            return drill(id="", unsent=problem(_WHAT, refused, mend))
        return drill(id=put["EventId"])

    def word(self, wait: int) -> Check:
        """What became of it, waiting for it where it may yet be told.

        Args:
            wait: seconds. EventBridge sets aside at once what it may not deliver; of what it has
                delivered only its metrics tell, which come minutes late.
        """
        if self.unsent:
            return self.unsent
        queue = dlq_queues.one(self.production, Name.INVOCATIONS)
        deadline = time.monotonic() + wait
        while True:
            try:
                found = self._set_aside(queue) or self._counted()
            except (BotoCoreError, ClientError) as error:
                # What else the drill has found is not to be lost with it.
                return Check(what=_WHAT, found=explain(error), verdict=Verdict.UNANSWERED)
            if found:
                return found
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_SECONDS)
        return Check(
            what=_WHAT,
            found=f"not set aside; no word of EventBridge's metrics within {wait} s",
            verdict=Verdict.UNSEEN,
            mend=f"look for the mail that quotes {self.id}, or drill with a longer --wait",
        )

    def _set_aside(self, queue: DeadLetterQueue) -> Check | None:
        """What the dead-letter queue has of it."""
        try:
            with queue.held(_LOOK_SECONDS) as held:
                those = held.messages(_MOST)
                own = next((each for each in those if _is_of(each.body, self.id)), None)
        except ClientError as error:
            if not is_denied(error):
                raise
            return None  # then only the metrics tell
        if own is None:
            return None
        code, reason = (
            own.attributes.get(name, {}).get("StringValue", "")
            for name in ("ERROR_CODE", "ERROR_MESSAGE")
        )
        return problem(
            _WHAT,
            f"EventBridge set it aside as {own.id}: {code} {reason}".rstrip(),
            f"{_ADMIT}. Then take the event away: `python -m ops dlq quarantine invocations "
            f"--id {own.id} --reason drill --yes`",
        )

    def _counted(self) -> Check | None:
        """What EventBridge's metrics say of the rule, which has no other events than drills'."""
        calls, failures = self._sum("Invocations"), self._sum("FailedInvocations")
        if failures:
            told = f"EventBridge counts {failures:g} failed calls of the topic"
            return problem(_WHAT, told, _ADMIT)
        told = "EventBridge says so, and set nothing aside"
        return judged(_WHAT, found=told, held=True) if calls else None

    def _sum(self, metric: str) -> float:
        points = self.production.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Events",
            MetricName=metric,
            Dimensions=[{"Name": "RuleName", "Value": RULE}],
            # A datapoint has the time at which its minute begins.
            StartTime=self.sent.replace(second=0, microsecond=0),
            EndTime=datetime.now(UTC) + timedelta(minutes=1),
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in points))


def _missing(events: Any) -> Check | None:
    """What keeps the rule from handing the event on."""
    rules = {rule["Name"]: rule for rule in every(events, "list_rules", NamePrefix=RULE)}
    if RULE not in rules:
        mend = "`make deploy` makes it; if it was deleted by hand, put it as the template says"
        return problem(_WHAT, f"there is no rule {RULE}", mend)
    if not rules[RULE].get("State", "").startswith("ENABLED"):
        mend = f"aws events enable-rule --name {RULE}"
        return problem(_WHAT, f"the rule {RULE} is switched off", mend)
    return None


def _is_of(body: str, event: str) -> bool:
    try:
        found = json.loads(body)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("id") == event
