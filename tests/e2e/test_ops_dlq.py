"""`python -m ops dlq` against a deployed PaymentsProd."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local import aws
from local.deployed import approve, eventually, history
from ops.dlq import command as dlq
from ops.production import queues as dlq_queues
from ops.production.queues import DeadLetterQueue, Name
from ops.production.stack import Production as Deployed
from tests.command_line import Answer
from tests.deployment import Production
from tests.e2e.operators import ops, records, user

NOBODY = "00000000-0000-5000-8000-000000000000"
Send = Callable[..., str]


@pytest.fixture
def queues(deployed: Deployed) -> Iterator[dict[Name, DeadLetterQueue]]:
    """All empty, before and after."""
    found = {queue.name: queue for queue in dlq_queues.find(deployed)}
    for queue in found.values():
        queue.sqs.purge_queue(QueueUrl=queue.url)
    yield found
    for queue in found.values():
        queue.sqs.purge_queue(QueueUrl=queue.url)


@pytest.fixture
def send(queues: dict[Name, DeadLetterQueue]) -> Send:
    def sent(name: Name, body: object) -> str:
        queue = queues[name]
        message: str = queue.sqs.send_message(
            QueueUrl=queue.url,
            MessageBody=json.dumps(body),
            MessageAttributes={"correlation_id": {"DataType": "String", "StringValue": "request"}},
        )["MessageId"]
        return message

    return sent


def approved(production: Production, **changes: object) -> str:
    """The transaction_id of a payment that could be posted."""
    return approve(production.deployment, **changes)


def is_posted(production: Production, transaction_id: str) -> bool:
    items = eventually(
        lambda: history(production.deployment, transaction_id), lambda found: len(found) >= 2
    )
    return bool(items[-1]["state"] == "posted")


def waiting(production: Production, name: Name) -> tuple[int, int]:
    """Messages to be received, and hidden ones."""
    rows = ops(production, "dlq", "list", "--json").document["queues"]
    (row,) = [row for row in rows if row["queue"] == name]
    return row["messages"], row["being_received"]


def record_of(production: Production, answer: Answer) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was recorded before and after."""
    kept, key = records(production), answer.document["record"]
    return kept[key], kept[key.replace("-begun", "-ended")]


def test_empty_queues_are_fine_and_a_message_is_a_problem(
    production: Production, send: Send
) -> None:
    answer = ops(production, "dlq", "list", "--json")
    assert (answer.code, answer.document["empty"]) == (0, True)
    assert [row["queue"] for row in answer.document["queues"]] == list(Name)
    send(Name.ALERTS, {"alarm": "of nothing"})
    answer = ops(production, "dlq", "list")
    assert answer.code == 1
    assert "dlq show alerts" in answer.output
    assert "docs/runbooks/alerts.md#alerts-not-delivered" in answer.output
    assert waiting(production, Name.ALERTS) == (1, 0)


def test_showing_takes_nothing_off_and_masks_tokens(production: Production, send: Send) -> None:
    token = "tok_secret"
    wrapped = {"requestPayload": json.dumps({"payment_method_token": token, "amount": 7})}
    sent = {send(Name.INVOCATIONS, wrapped) for _ in range(12)}
    answer = ops(production, "dlq", "show", "invocations", "--limit", "50", "--json")
    assert answer.code == 0, answer
    shown = answer.document["messages"]
    assert {each["id"] for each in shown} == sent
    assert len(shown) == 12
    assert all("amount" in each["body"] for each in shown)
    people = ops(production, "dlq", "show", "invocations", "--limit", "2")
    assert "2 shown" in people.output
    assert token not in answer.output + people.output
    assert waiting(production, Name.INVOCATIONS) == (12, 0)


@pytest.mark.parametrize("which", [["--id", ""], ["--count", "1"], ["--all"]])
def test_without_yes_nothing_is_moved(production: Production, send: Send, which: list[str]) -> None:
    payment = approved(production)
    send(Name.RETRY, {"transaction_id": payment})
    before = records(production)
    answer = ops(production, "dlq", "redrive", "retry", *(payment if w == "" else w for w in which))
    assert answer.code == 0, answer
    assert "1 messages; nothing was done: give --yes" in answer.output
    assert waiting(production, Name.RETRY) == (1, 0)
    assert records(production) == before


def test_a_redriven_payment_is_posted_and_the_others_stay(
    production: Production, send: Send
) -> None:
    payment = approved(production)
    message = send(Name.RETRY, {"transaction_id": payment})
    send(Name.RETRY, {"transaction_id": NOBODY})
    answer = ops(production, "dlq", "redrive", "retry", "--id", payment, "--yes", "--json")
    assert answer.code == 0, answer
    assert answer.document["messages"] == [{"id": message, "transaction_id": payment}]
    assert is_posted(production, payment)
    assert waiting(production, Name.RETRY) == (1, 0)
    begun, ended = record_of(production, answer)
    assert begun["action"] == ended["action"] == "dlq redrive"
    assert begun["operator"] == f"arn:aws:iam::{aws.ACCOUNT}:root"
    assert [each["id"] for each in begun["messages"]] == ended["moved"] == [message]
    assert ended["end"] == "done"


def test_what_can_never_be_posted_is_quarantined_and_not_redriven(
    production: Production, send: Send
) -> None:
    declined = approved(production, amount=99_999_999)
    bodies = {"declined": declined, "unknown": NOBODY, "unreadable": "no payment of ours"}
    sent = {send(Name.RETRY, {"transaction_id": each}): case for case, each in bodies.items()}
    good = send(Name.RETRY, {"transaction_id": approved(production)})
    shown = ops(production, "dlq", "show", "retry", "--json").document["messages"]
    assert {each["id"]: each["case"] for each in shown} == {**sent, good: "payable"}
    assert all(
        (f"quarantine retry --id {each['id']}" in each["todo"]) == (each["id"] != good)
        for each in shown
    )
    refused = ops(production, "dlq", "redrive", "retry", "--all", "--yes")
    assert refused.code == 2
    assert all(f"{id_} ({case})" in refused.errors for id_, case in sent.items())
    assert waiting(production, Name.RETRY) == (4, 0)
    answer = ops(production, "dlq", "redrive", "retry", "--count", "9", "--yes", "--json")
    assert answer.code == 1
    assert [each["id"] for each in answer.document["messages"]] == [good]
    assert {each["id"]: each["case"] for each in answer.document["left"]} == sent
    assert waiting(production, Name.RETRY) == (3, 0)


def test_all_are_moved_by_sqs_itself(production: Production, send: Send) -> None:
    payments = [approved(production) for _ in range(3)]
    for payment in payments:
        send(Name.RETRY, {"transaction_id": payment})
    answer = ops(production, "dlq", "redrive", "retry", "--all", "--yes", "--json")
    assert answer.code == 0, answer
    assert answer.document["count"] == 3
    assert all(is_posted(production, payment) for payment in payments)
    assert waiting(production, Name.RETRY) == (0, 0)
    begun, ended = record_of(production, answer)
    assert (begun["messages"], ended["moved_about"]) == ("all", 3)


def test_an_interrupted_move_of_all_is_cancelled(
    production: Production,
    deployed: Deployed,
    queues: dict[Name, DeadLetterQueue],
    send: Send,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    payment = approved(production)  # whichever were moved do not come back
    for _ in range(5):
        send(Name.RETRY, {"transaction_id": payment})
    queue, by_itself, before = queues[Name.RETRY], dlq._Move.seen, records(production)
    moves: list[dlq._Move] = []

    def interrupted(move: dlq._Move) -> Any:
        moves.append(move)
        monkeypatch.setattr(dlq._Move, "seen", by_itself)
        raise KeyboardInterrupt

    monkeypatch.setattr(dlq._Move, "seen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        dlq._redrive_all(deployed, queue, rate=1, yes=True)
    assert moves[0].seen()["Status"] in ("CANCELLING", "CANCELLED")
    (begun, *_) = [key for key in records(production) if key not in before]
    told = capsys.readouterr().err
    assert re.search(r"about \d of about 5 messages moved, the rest is where it was", told)
    assert begun in told


def test_who_stops_a_redrive_half_way_loses_nothing(
    production: Production,
    deployed: Deployed,
    queues: dict[Name, DeadLetterQueue],
    send: Send,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for _ in range(2):
        send(Name.RETRY, {"transaction_id": NOBODY})

    def stop(_message: object) -> None:
        raise KeyboardInterrupt

    before = records(production)
    action = dlq._Action(
        name="redrive",
        production=deployed,
        queue=queues[Name.RETRY],
        count=2,
        before_deletion=stop,
        details={},
    )
    with pytest.raises(KeyboardInterrupt):
        action.perform(yes=True)
    assert waiting(production, Name.RETRY) == (2, 0)
    new = {key: record for key, record in records(production).items() if key not in before}
    begun, ended = new
    assert [each.get("end") for each in new.values()] == [None, "interrupted"]
    assert new[ended]["moved"] == []
    told = capsys.readouterr().err
    assert "0 of 2 messages moved, the rest is where it was" in told
    assert begun in told


def test_a_quarantined_message_is_kept_whole_with_the_reason(
    production: Production, queues: dict[Name, DeadLetterQueue], send: Send
) -> None:
    message = send(Name.AUDIT, {"DDBStreamBatchInfo": {"shardId": "shard"}})
    named = ["dlq", "quarantine", "audit", "--id", message, "--reason", "Stored by hand"]
    assert "give --yes" in ops(production, *named).output
    assert waiting(production, Name.AUDIT) == (1, 0)
    answer = ops(production, *named, "--yes", "--json")
    assert answer.code == 0, answer
    assert waiting(production, Name.AUDIT) == (0, 0)
    begun, ended = record_of(production, answer)
    assert (begun["action"], begun["reason"]) == ("dlq quarantine", "Stored by hand")
    (kept,) = begun["messages"]
    assert json.loads(kept["body"]) == {"DDBStreamBatchInfo": {"shardId": "shard"}}
    assert kept["attributes"]["correlation_id"]["StringValue"] == "request"
    assert begun["queue"] == queues[Name.AUDIT].url
    assert ended["moved"] == [message]


def test_what_cannot_be_recorded_is_not_done(production: Production, send: Send) -> None:
    send(Name.RETRY, {"transaction_id": NOBODY})
    with user(production, "s3:PutObject") as credentials:
        answer = ops(
            production,
            *("dlq", "quarantine", "retry", "--id", NOBODY, "--reason", "A test", "--yes"),
            **credentials,
        )
    answer.refuses("nothing was done, since it could not be recorded")
    assert waiting(production, Name.RETRY) == (1, 0)


def test_a_message_that_is_not_there_is_named(production: Production, send: Send) -> None:
    send(Name.RETRY, {"transaction_id": NOBODY})
    before = records(production)
    answer = ops(production, "dlq", "redrive", "retry", "--id", "other", "--yes", "--json")
    assert (answer.code, answer.document["missing"]) == (1, ["other"])
    assert waiting(production, Name.RETRY) == (1, 0)
    assert records(production) == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["redrive", "audit", "--all"], "only payments can be redriven"),
        (["redrive", "retry"], "give one of --id, --count and --all"),
        (["redrive", "retry", "--all", "--count", "1"], "give one of --id, --count and --all"),
        (["quarantine", "retry", "--id", "x", "--reason", " "], "a reason is needed"),
        (["quarantine", "retry", "--id", "x", "--reason", "4111111111111111"], "card number"),
        (["quarantine", "retry", "--reason", "A test"], "name the messages with --id"),
        (["show", "nothing"], "invocations"),
    ],
)
def test_what_makes_no_sense_is_refused(
    production: Production, arguments: list[str], told: str
) -> None:
    answer = ops(production, "dlq", *arguments)
    assert (answer.code, answer.output) == (2, "")
    assert told in " ".join(answer.errors.replace("│", " ").split())
