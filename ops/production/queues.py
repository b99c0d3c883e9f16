"""The dead-letter queues of production, and what waits in them."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from ops.console.failure import OpsError
from ops.production.stack import Production

_BATCH: Final = 10
"""Messages in one call: SQS's most."""
_VALUES: Final = ("DataType", "StringValue", "BinaryValue")


class Name(StrEnum):
    """What the queues are called on the command line."""

    RETRY = "retry"
    AUDIT = "audit"
    INVOCATIONS = "invocations"
    ALERTS = "alerts"


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """What a queue is for.

    Attributes:
        construct: by which it is found among the stack's resources.
        mend: what to do with its messages, where they are no payments.
        runbook: a section of docs/runbooks.
    """

    construct: str
    holds: str
    runbook: str
    mend: str = ""


PURPOSES: Final = {
    Name.RETRY: Purpose(
        construct="QueuesRetryDeadLetterQueue",
        holds="payments given up after 14 tries",
        runbook="queues.md#retry-dead-letter-queue",
    ),
    Name.AUDIT: Purpose(
        construct="QueuesAuditFailureQueue",
        holds="stream records that were not audited",
        runbook="queues.md#audit-failure-queue",
        mend="its messages only name records of the table's stream, which forgets them after 24 "
        "hours: the runbook says how they are handed to audit-logger again",
    ),
    Name.INVOCATIONS: Purpose(
        construct="QueuesFailedInvocationsQueue",
        holds="sweeps and events that failed",
        runbook="queues.md#failed-invocations-queue",
        mend="the next sweep does what a failed one did not; an event is to be read and acted on",
    ),
    Name.ALERTS: Purpose(
        construct="AlertsTopicDeadLetterQueue",
        holds="alerts that reached nobody",
        runbook="alerts.md#alerts-not-delivered",
        mend="an alert is to be read and acted on; `alert-drill` tells whether the next arrives",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message as it was received.

    Attributes:
        body: as it is; `masked` is what may be shown.
        attributes: of SendMessage.
        first_sent: kept by SQS when it moves a message to a dead-letter queue.
    """

    id: str
    body: str
    attributes: dict[str, Any]
    first_sent: datetime
    receives: int
    handle: str

    @classmethod
    def of(cls, received: dict[str, Any]) -> Message:
        system = received["Attributes"]
        return cls(
            id=received["MessageId"],
            body=received["Body"],
            attributes={
                name: {key: value[key] for key in _VALUES if key in value}
                for name, value in received.get("MessageAttributes", {}).items()
            },
            first_sent=datetime.fromtimestamp(int(system["SentTimestamp"]) / 1000, UTC),
            receives=int(system["ApproximateReceiveCount"]),
            handle=received["ReceiptHandle"],
        )

    @property
    def transaction_id(self) -> str:
        """The payment's, or nothing where the message is not about one."""
        with contextlib.suppress(ValueError, TypeError, LookupError):
            return str(json.loads(self.body)["transaction_id"])
        return ""

    def is_named(self, identifier: str) -> bool:
        return identifier in (self.id, self.transaction_id)

    def described(self) -> dict[str, Any]:
        """As JSON, unmasked: for the record of an action only."""
        return {
            "id": self.id,
            "transaction_id": self.transaction_id,
            "first_sent": self.first_sent.isoformat(),
            "receives": self.receives,
            "body": self.body,
            "attributes": self.attributes,
        }


_TOKEN: Final = "payment_method_token"  # noqa: S105 - the name of the member
_TOKEN_IN_TEXT: Final = re.compile(rf"({_TOKEN}\W+(?:S\W+)?)[\w-]+")
_MASK: Final = "•••"


def masked(body: str) -> str:
    """A body without payment-method tokens, however deep JSON is wrapped in JSON."""
    try:
        return json.dumps(_masked(json.loads(body)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return _TOKEN_IN_TEXT.sub(rf"\1{_MASK}", body)


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _MASK if name == _TOKEN else _masked(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_masked(part) for part in value]
    if isinstance(value, str) and _TOKEN in value:
        return masked(value)
    return value


def messages_in(sqs: Any, url: str) -> int:
    """About how many a queue has: to be received, being received, and delayed."""
    counts = sqs.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
    )["Attributes"]
    return sum(map(int, counts.values()))


@dataclass(frozen=True, kw_only=True)
class DeadLetterQueue:
    """One of them, through the user's credentials."""

    name: Name
    url: str
    sqs: Any

    @property
    def purpose(self) -> Purpose:
        return PURPOSES[self.name]

    def attributes(self) -> dict[str, str]:
        found: dict[str, str] = self.sqs.get_queue_attributes(
            QueueUrl=self.url,
            AttributeNames=[
                "QueueArn",
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
                "MessageRetentionPeriod",
            ],
        )["Attributes"]
        return found

    @contextlib.contextmanager
    def held(self, seconds: int) -> Iterator[Held]:
        """Hide what is received in the block from everybody else until it ends.

        Args:
            seconds: after which SQS shows it again if we are killed.
        """
        held = Held(queue=self, seconds=seconds)
        try:
            yield held
        finally:
            held.release()


@dataclass(frozen=True, kw_only=True)
class Held:
    """Messages that nobody else gets. They are received, which counts, but SQS moves a message on
    by that count only where a queue has a dead-letter queue; these have none."""

    queue: DeadLetterQueue
    seconds: int
    handles: dict[str, str] = field(default_factory=dict)

    def messages(self, most: int | None = None) -> Iterator[Message]:
        """Each message once, in no order: SQS knows none."""
        seen: set[str] = set()
        while most is None or len(seen) < most:
            received = self.queue.sqs.receive_message(
                QueueUrl=self.queue.url,
                MaxNumberOfMessages=_BATCH if most is None else min(_BATCH, most - len(seen)),
                VisibilityTimeout=self.seconds,
                WaitTimeSeconds=1,  # anything above 0 asks all of SQS's servers
                MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            messages = [Message.of(each) for each in received]
            self.handles.update({each.id: each.handle for each in messages})
            new = [each for each in messages if each.id not in seen]
            if not new:
                return
            seen.update(each.id for each in new)
            yield from new

    def delete(self, message: Message) -> None:
        self.queue.sqs.delete_message(
            QueueUrl=self.queue.url, ReceiptHandle=self.handles[message.id]
        )
        del self.handles[message.id]

    def release(self) -> None:
        """Show those that are left again at once."""
        left = list(self.handles.values())
        for start in range(0, len(left), _BATCH):
            self.queue.sqs.change_message_visibility_batch(
                QueueUrl=self.queue.url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                    for number, handle in enumerate(left[start : start + _BATCH])
                ],
            )


def find(production: Production) -> Sequence[DeadLetterQueue]:
    """All of them.

    Raises:
        OpsError: the stack lacks one.
    """
    by_construct = {each.construct: each for each in production.resources("AWS::SQS::Queue")}
    missing = [each.construct for each in PURPOSES.values() if each.construct not in by_construct]
    if missing:
        raise OpsError(f"the stack has no {', '.join(missing)}: deploy what the templates say")
    sqs = production.client("sqs")
    return [
        DeadLetterQueue(name=name, url=by_construct[purpose.construct].name, sqs=sqs)
        for name, purpose in PURPOSES.items()
    ]


def one(production: Production, name: Name) -> DeadLetterQueue:
    (found,) = (each for each in find(production) if each.name is name)
    return found


def age_of_oldest(production: Production, url: str) -> timedelta | None:
    """By CloudWatch's last word of the past quarter of an hour, if it had one."""
    now = datetime.now(UTC)
    points = production.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": url.rpartition("/")[2]}],
        StartTime=now - timedelta(minutes=15),
        EndTime=now,
        Period=60,
        Statistics=["Maximum"],
    )["Datapoints"]
    if not points:
        return None
    last = max(points, key=lambda point: point["Timestamp"])
    return timedelta(seconds=last["Maximum"])
