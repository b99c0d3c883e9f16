"""Messages in the retry queue's dead-letter queue: the payment that can be posted is posted, the
others are set aside, with the reason (docs/runbooks/queues.md)."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator

from local import deployed
from local.drills import runbook
from local.drills.payments import unfinished
from local.drills.report import Step, drill
from local.drills.site import Site, wait_until

_REASON = "merchant told, case 4711"
_TOO_MUCH = 99_999_999


@drill("dead-letters", "Messages in the retry queue's dead-letter queue, one of each kind")
def dead_letters(site: Site) -> Iterator[Step]:
    site.ensure_deployed()
    deployment = site.find()
    good = deployed.approve(deployment)
    declined, unknown = deployed.approve(deployment, amount=_TOO_MUCH), str(uuid.uuid4())
    never = {"declined": declined, "unknown": unknown, "unreadable": "no payment of ours"}
    final = {case: _send(site, {"transaction_id": id_}) for case, id_ in never.items()}
    sent = {"payable": _send(site, {"transaction_id": good}), **final}
    look, *_, redrive, _ = runbook.blocks("queues.md", "retry-dead-letter-queue")
    text = runbook.paste(site, look)
    shown = site.told("dlq", "show", "retry")["messages"]
    held = {each["case"]: each["id"] for each in shown} == sent
    yield runbook.pasted("*Which payments?*", text, expected="each with its case", held=held)
    refused = runbook.paste(site, redrive)
    yield Step(
        "paste *Mend*, too early",
        "nothing is moved, and those that can never be posted are named",
        refused.code == 2
        and all(f"{id_} ({case})" in refused.output for case, id_ in final.items())
        and _waiting(site) == len(sent),
        f"{_waiting(site)} messages are there",
    )
    for each in shown:
        if each["case"] in final:
            yield _quarantined(site, each)
    yield runbook.pasted("*Mend*", runbook.paste(site, redrive))
    wait_until(lambda: unfinished(deployment) == 0 and _waiting(site) == 0)
    yield from _told(site, good, declined, unknown)
    found = deployed.postings(deployment, good)
    states = [each["state"] for each in deployed.history(deployment, good)]
    directions = sorted(each.direction for each in found)
    held = (directions, states) == (["credit", "debit"], ["approved", "posted"])
    seen = f"{len(found)} postings; {', '.join(states)}"
    yield Step("look into ledger and history", "the payment is posted once", held, seen)


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
    rows = site.told("dlq", "list")["queues"]
    return sum(row["messages"] + row["being_received"] for row in rows if row["queue"] == "retry")


def _quarantined(site: Site, message: dict[str, str]) -> Step:
    """By the line that was told for it."""
    line = message["todo"].partition("Then ")[2]
    done = runbook.paste(site, line, {"WHO WAS TOLD": _REASON})
    what, held = f"the line for the {message['case']} message", "operations/" in done.output
    return runbook.pasted(what, done, expected="set aside, and recorded", held=held)


def _told(site: Site, *payments: str) -> Iterator[Step]:
    ends = (
        ("posted", "", True),
        ("declined", f"dlq quarantine by .* because 'declined: {_REASON}'", True),
        ("there are traces of it", f"dlq quarantine by .* because 'unknown: {_REASON}'", False),
    )
    for id_, (state, record, held) in zip(payments, ends, strict=True):
        told = site.told("payment", id_)
        records = [each["text"] for each in told["events"] if each["source"] == "operators"]
        yield Step(
            "python -m ops payment",
            f"{state}{'; ' if record else ''}{record}",
            told["state"].startswith(state)
            and bool(re.search(record, "; ".join(records)))
            and told["held"] is held,
            "; ".join([told["state"], *records]),
        )
