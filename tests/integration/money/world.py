"""One world: empty stores, sandboxes of the three functions, and what clients were told.

Queues and streams do not deliver by themselves here: the test says what is delivered, when, in
what batches, to which sandbox, and what is delivered again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.integration.money.boundary import Fault
from tests.integration.money.sandboxes import Outcome, Sandbox
from tests.integration.money.stores import Stores
from tests.tally import tally

VALIDATOR, PROCESSOR, AUDITOR = "payment-validator", "payment-processor", "audit-logger"

# More rounds than any message or record needs to get through once nothing fails.
ROUNDS: Final = 30
TRIES: Final = 5

Record = Mapping[str, Any]


@dataclass
class World:
    """What tests do with the functions.

    Attributes:
        promised: transactions that a client was told 200 or 202 for by /process.
        expired: transactions that a client was told have expired.
        entries: the entry of each transaction that a client was told, by transaction.
        decisions: the answer that /validate gave, by transaction.
        records: of the table's stream, oldest first: those that were read so far.
        pending: those of them that no delivery has succeeded for.
        messages: that were received from the retry queue, and are not deleted.
        delivered: messages that are deleted.
        audited: the audit trail's records, by object: those that were read so far.
    """

    stores: Stores
    promised: set[str] = field(default_factory=set)
    expired: set[str] = field(default_factory=set)
    entries: dict[str, str] = field(default_factory=dict)
    decisions: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    pending: list[Record] = field(default_factory=list)
    messages: list[Record] = field(default_factory=list)
    delivered: list[Record] = field(default_factory=list)
    audited: dict[str, list[Record]] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    clock: float = 0

    def __post_init__(self) -> None:
        self.names = self.stores.create()
        self._source = self.stores.sandboxes
        self._sandboxes: dict[tuple[str, int], Sandbox] = {}
        self._iterator: str | None = None

    def close(self) -> None:
        for sandbox in self._sandboxes.values():
            sandbox.close()
        self._sandboxes.clear()
        self.stores.remove(self.names)

    # -- the functions ---------------------------------------------------------------------

    def invoke(
        self,
        function: str,
        event: Mapping[str, Any],
        *,
        faults: Sequence[Fault] = (),
        down: Collection[str] | None = None,
        sandbox: int = 0,
    ) -> Outcome:
        """Run a function in one of its sandboxes; the next one is new if this one dies."""
        key = (function, sandbox)
        if key not in self._sandboxes:
            self._sandboxes[key] = Sandbox(self._source, self.names.environment)
        outcome = self._sandboxes[key].invoke(
            function,
            event,
            faults=faults,
            down=self.down if down is None else down,
            # The trail is about when things were stored: nobody pays by its clock.
            clock=0 if function == AUDITOR else self.clock,
        )
        if outcome.died:
            self._sandboxes.pop(key).close()
        tally.faults += outcome.fired
        return outcome

    def release(self, source: Path) -> None:
        """From now on, the functions are those whose sandboxes can be had there."""
        self.forget_sandboxes()
        self._source = source

    def forget_sandboxes(self) -> None:
        """The next invocations are cold."""
        for sandbox in self._sandboxes.values():
            sandbox.close()
        self._sandboxes.clear()

    def validate(self, request: Mapping[str, Any], **how: Any) -> Outcome:
        outcome = self.invoke(VALIDATOR, post_event("/validate", request), **how)
        if status(outcome) == 200:
            answer = body(outcome)
            known = self.decisions.setdefault(answer["transaction_id"], answer)
            assert answer == known, "the same key got another answer"
        return outcome

    def process(self, transaction_id: str, **how: Any) -> Outcome:
        outcome = self.invoke(
            PROCESSOR, post_event("/process", {"transaction_id": transaction_id}), **how
        )
        if status(outcome) in (200, 202):
            self.promised.add(transaction_id)
        if status(outcome) == 409 and body(outcome)["code"] == "approval_expired":
            self.expired.add(transaction_id)
        if status(outcome) == 200:
            entry_id = body(outcome)["entry"]["entry_id"]
            known = self.entries.setdefault(transaction_id, entry_id)
            assert entry_id == known, "the same payment got another entry"
        return outcome

    def sweep(self, **how: Any) -> Outcome:
        return self.invoke(PROCESSOR, {"task": "sweep-outbox"}, **how)

    # -- the retry queue -------------------------------------------------------------------

    def receive(self, limit: int = 10) -> Sequence[Record]:
        """Take up to ten messages from the queue, whatever time they were to wait."""
        sqs, queue = self.stores.sqs, self.names.queue
        for message in self.messages:
            sqs.change_message_visibility(
                QueueUrl=queue, ReceiptHandle=message["receiptHandle"], VisibilityTimeout=0
            )
        received = sqs.receive_message(
            QueueUrl=queue,
            MaxNumberOfMessages=limit,
            VisibilityTimeout=3600,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        batch = [sqs_record(message) for message in received]
        again = {record["messageId"] for record in batch}
        self.messages = [m for m in self.messages if m["messageId"] not in again] + batch
        return batch

    def deliver(self, batch: Sequence[Record], **how: Any) -> Outcome:
        """Hand messages to the processor; delete those that it is done with, as Lambda does."""
        outcome = self.invoke(PROCESSOR, {"Records": list(batch)}, **how)
        if outcome.answer is not None:
            failures = outcome.answer.get("batchItemFailures", [])
            failed = {failure["itemIdentifier"] for failure in failures}
            held = {message["messageId"] for message in self.messages}
            for message in batch:
                if message["messageId"] in held - failed:
                    self.messages.remove(message)
                    self.delivered.append(message)
                    self.stores.sqs.delete_message(
                        QueueUrl=self.names.queue, ReceiptHandle=message["receiptHandle"]
                    )
        return outcome

    def given_up(self) -> set[str]:
        """The transactions in the dead-letter queue."""
        found: set[str] = set()
        while messages := self.stores.sqs.receive_message(
            QueueUrl=self.names.dead_letters, MaxNumberOfMessages=10, VisibilityTimeout=3600
        ).get("Messages"):
            found |= {json.loads(message["Body"])["transaction_id"] for message in messages}
        return found

    # -- the table's stream ----------------------------------------------------------------

    def read_stream(self) -> None:
        """Learn of the table's newest changes."""
        streams = self.stores.streams
        if self._iterator is None:
            description = streams.describe_stream(StreamArn=self.names.stream)["StreamDescription"]
            self._iterator = streams.get_shard_iterator(
                StreamArn=self.names.stream,
                ShardId=description["Shards"][0]["ShardId"],
                ShardIteratorType="TRIM_HORIZON",
            )["ShardIterator"]
        found = streams.get_records(ShardIterator=self._iterator)
        self._iterator = found["NextShardIterator"]
        new = [_stream_record(record, self.names.stream) for record in found["Records"]]
        self.records += new
        self.pending += new

    def audit(self, records: Sequence[Record], **how: Any) -> Outcome:
        """Hand records to audit-logger; what it does not report stored stays pending."""
        outcome = self.invoke(AUDITOR, {"Records": list(records)}, **how)
        if outcome.answer is not None and not outcome.answer["batchItemFailures"]:
            done = {record["eventID"] for record in records}
            self.pending = [r for r in self.pending if r["eventID"] not in done]
        return outcome

    # -- recovery --------------------------------------------------------------------------

    def recover(self) -> None:
        """Nothing fails any more, and everything that comes by itself has come."""
        self.down.clear()
        for _ in range(ROUNDS):
            batch = self.receive()
            if not batch:
                break
            self.deliver(batch)
        assert not self.messages or not self.receive(), "messages stay on the queue"
        self.messages.clear()  # those that went to the dead-letter queue
        in_time(self.sweep)
        self.read_stream()
        while self.pending:
            in_time(lambda: self.audit(self.pending[:7]))


def in_time(invoke: Callable[[], Outcome], wanted: int | None = None) -> Outcome:
    """Repeat an invocation on which no fault is laid until it succeeds: this machine may be too
    busy for the handlers' own time limits.

    Args:
        wanted: the HTTP status; None: any answer.
    """
    for _ in range(TRIES):
        outcome = invoke()
        if outcome.answer is not None and (wanted is None or status(outcome) == wanted):
            return outcome
    raise AssertionError(f"after {TRIES} tries: {outcome}")


def status(outcome: Outcome) -> int | None:
    """The HTTP status, if there was an answer."""
    return outcome.answer["statusCode"] if outcome.answer else None


def body(outcome: Outcome) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(outcome.answer["body"])
    return answer


def post_event(path: str, content: object) -> dict[str, Any]:
    """A request as API Gateway hands it to a function."""
    return {
        "httpMethod": "POST",
        "resource": path,
        "path": path,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(content),
        "isBase64Encoded": False,
        "requestContext": {"requestId": "request"},
    }


def sqs_record(message: Mapping[str, Any]) -> Record:
    """A message as Lambda hands it to a function."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "md5OfBody": message["MD5OfBody"],
        "attributes": message["Attributes"],
        "messageAttributes": {
            name: {"stringValue": value["StringValue"], "dataType": value["DataType"]}
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "eventSource": "aws:sqs",
    }


def _stream_record(record: Mapping[str, Any], stream: str) -> Record:
    """A change as Lambda hands it to a function."""
    change = record["dynamodb"]
    created = change["ApproximateCreationDateTime"].timestamp()
    return {
        **record,
        "dynamodb": {**change, "ApproximateCreationDateTime": created},
        "eventSourceARN": stream,
    }
