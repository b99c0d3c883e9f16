"""Messages in the retry queue's dead-letter queue: the payment that can be posted is posted, the
others are set aside, with the reason (docs/runbooks/queues.md)."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator

from local import deployed
from local.drills import runbook
from local.drills.payments import approve, unfinished
from local.drills.report import Drill, Step
from local.drills.site import Site, wait_until

_REASON = "merchant told, case 4711"
_TOO_MUCH = 99_999_999


def _dead_letters(site: Site) -> Iterator[Step]:
    site.ensure_deployed()
    deployment = site.find()
    good = approve(deployment)
    declined, unknown = approve(deployment, amount=_TOO_MUCH), str(uuid.uuid4())
    sent = {
        case: _send(site, {"transaction_id": id_})
        for case, id_ in {
            "payable": good,
            "declined": declined,
            "unknown": unknown,
            "unreadable": "no payment of ours",
        }.items()
    }
    look, *_ = runbook.blocks("queues.md", "retry-dead-letter-queue")
    text = runbook.paste(site, look)
    shown = json.loads(site.ops("dlq", "show", "retry", "--json").output)["messages"]
    yield runbook.pasted(
        "*Which payments?*",
        text,
        expected="each with its case",
        held={each["case"]: each["id"] for each in shown} == sent,
    )
    *_, redrive, _ = runbook.blocks("queues.md", "retry-dead-letter-queue")
    refused = runbook.paste(site, redrive)
    final = {case: id_ for case, id_ in sent.items() if case != "payable"}
    yield Step(
        name="paste *Mend*, too early",
        expected="nothing is moved, and those that can never be posted are named",
        held=refused.code == 2
        and all(f"{id_} ({case})" in refused.output for case, id_ in final.items())
        and _waiting(site) == len(sent),
        seen=f"{_waiting(site)} messages are there",
    )
    for each in shown:
        if each["case"] in final:
            yield _quarantined(site, each)
    yield runbook.pasted("*Mend*", runbook.paste(site, redrive))
    wait_until(lambda: unfinished(deployment) == 0 and _waiting(site) == 0)
    yield from _told(site, good, declined, unknown)
    found = deployed.postings(deployment, good)
    states = [each["state"] for each in deployed.history(deployment, good)]
    yield Step(
        name="look into ledger and history",
        expected="the payment is posted once",
        held=sorted(each.direction for each in found) == ["credit", "debit"]
        and states == ["approved", "posted"],
        seen=f"{len(found)} postings; {', '.join(states)}",
    )


def _send(site: Site, body: object) -> str:
    """As payment-processor does, and SQS after the last try."""
    id_ = site.client("sqs").send_message(QueueUrl=_queue(site), MessageBody=json.dumps(body))
    return str(id_["MessageId"])


def _queue(site: Site) -> str:
    sqs = site.client("sqs")
    policy = sqs.get_queue_attributes(
        QueueUrl=site.find().outputs["RetryQueueUrl"], AttributeNames=["RedrivePolicy"]
    )["Attributes"]["RedrivePolicy"]
    name = json.loads(policy)["deadLetterTargetArn"].rpartition(":")[2]
    return str(sqs.get_queue_url(QueueName=name)["QueueUrl"])


def _waiting(site: Site) -> int:
    rows = json.loads(site.ops("dlq", "list", "--json").output)["queues"]
    return sum(row["messages"] + row["being_received"] for row in rows if row["queue"] == "retry")


def _quarantined(site: Site, message: dict[str, str]) -> Step:
    """By the line that was told for it."""
    line = message["todo"].partition("Then ")[2]
    done = runbook.paste(site, line, {"WHO WAS TOLD": _REASON})
    return runbook.pasted(
        f"the line for the {message['case']} message",
        done,
        expected="set aside, and recorded",
        held="operations/" in done.output,
    )


def _told(site: Site, *payments: str) -> Iterator[Step]:
    ends = (
        ("posted", "", True),
        ("declined", f"dlq quarantine by .* because 'declined: {_REASON}'", True),
        ("there are traces of it", f"dlq quarantine by .* because 'unknown: {_REASON}'", False),
    )
    for id_, (state, record, held) in zip(payments, ends, strict=True):
        told = json.loads(site.ops("payment", id_, "--json").output)
        records = [each["text"] for each in told["events"] if each["source"] == "operators"]
        yield Step(
            name="python -m ops payment",
            expected=f"{state}{'; ' if record else ''}{record}",
            held=told["state"].startswith(state)
            and bool(re.search(record, "; ".join(records)))
            and told["held"] is held,
            seen="; ".join([told["state"], *records]),
        )


DRILLS = [
    Drill(
        name="dead-letters",
        title="Messages in the retry queue's dead-letter queue, one of each kind",
        run=_dead_letters,
        shares=True,
    )
]
