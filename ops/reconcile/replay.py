"""Queues what a restored ledger lacks: payments that the history knows as posted.

payment-processor gives the ledger each entry back under its id and at its time, so that history and
audit trail stay as they are. A payment that is queued twice, or that has its entry meanwhile, gets
no second one: whoever was interrupted begins again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from ops.console.failure import OpsError
from ops.production.action_record import recorded
from ops.production.stack import Production
from reconciliation.books import Difference, Kind

_BATCH: Final = 10
"""Messages: SQS's most."""


@dataclass(kw_only=True)
class Replay:
    """
    Attributes:
        payments: those of which nothing is wrong but that the ledger lacks them.
        left: those of which more is wrong, or that the history does not have so: for a person.
        record: of the action, in the audit bucket; empty as long as nothing was queued.
    """

    payments: Sequence[str]
    left: Sequence[str]
    record: str = ""
    queued: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, differences: Iterable[Difference], absent: Collection[str]) -> Self:
        """
        Args:
            absent: of reconciliation.books.Books.
        """
        kinds: dict[str, set[Kind]] = {}
        for each in differences:
            kinds.setdefault(each.transaction_id, set()).add(each.kind)
        lacking = [id_ for id_, found in kinds.items() if Kind.NO_LEDGER in found]
        nothing_else = {Kind.NO_LEDGER, Kind.NO_AUDIT}
        alone = [id_ for id_ in lacking if id_ in absent and kinds[id_] <= nothing_else]
        return cls(payments=alone, left=sorted({*lacking} - {*alone}))

    def queue(self, production: Production, **period: str) -> None:
        """
        Raises:
            OpsError: it could not be recorded, or a message was not taken; and botocore's errors.
        """
        if not self.payments:
            return
        sqs, url = production.client("sqs"), production.output("RetryQueueUrl")
        messages = [{"transaction_id": each} for each in self.payments]
        with recorded(
            production, "reconcile --replay", queue=url, messages=messages, **period
        ) as record:
            self.record = record.key
            record.outcome["queued"] = self.queued
            for begin in range(0, len(self.payments), _BATCH):
                batch = self.payments[begin : begin + _BATCH]
                answer = sqs.send_message_batch(
                    QueueUrl=url,
                    Entries=[
                        {"Id": str(number), "MessageBody": json.dumps({"transaction_id": each})}
                        for number, each in enumerate(batch)
                    ],
                )
                refused = {int(each["Id"]): each for each in answer.get("Failed", [])}
                self.queued += [id_ for at, id_ in enumerate(batch) if at not in refused]
                if refused:
                    reason = next(iter(refused.values())).get("Message", "no reason given")
                    raise OpsError(
                        f"{len(self.queued)} of {len(self.payments)} payments queued, then SQS "
                        f"refused one: {reason}. Do it again"
                    )

    def document(self) -> dict[str, Any]:
        return {
            "payments": self.payments,
            "left": self.left,
            "done": bool(self.record),
            "record": self.record,
        }
