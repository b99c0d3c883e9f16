"""Payments that are sent while something else goes on, and what has become of them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.client import HTTPException
from urllib.error import URLError

from local import deployed
from local.deployed import Answer, Deployment
from local.drills.report import Step
from local.drills.site import Site, wait_until

CLIENTS = 2
TRIES = 100
PAUSE = 0.2  # seconds, between two tries and between two payments
MERCHANT = "drill"
TEMPORARY = (429, 500, 502, 503, 504)
REST_SECONDS = 420.0  # the longest wait of a queued payment is five minutes


class Traffic:
    """Clients that validate and process payments from `start` to `stop`, and insist on each until
    they are told that it is accepted."""

    def __init__(
        self, site: Site, *, clients: int = CLIENTS, pause: float = PAUSE, patient: bool = True
    ) -> None:
        """
        Args:
            pause: seconds, of a client between two payments.
            patient: whether they insist after `stop`, too.
        """
        self._site = site
        self._pause = pause
        self._patient = patient
        self._deployment = site.find()
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        self.accepted: dict[str, int] = {}
        self.refused: list[str] = []

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._pause):
            request = deployed.payment_request(merchant_id=MERCHANT)
            approved = self._insist("/validate", request)
            if approved is None:
                continue
            transaction_id = approved.body["transaction_id"]
            if self._insist("/process", {"transaction_id": transaction_id}):
                self.accepted[transaction_id] = request["amount"]

    def _insist(self, path: str, content: object) -> Answer | None:
        for _ in range(TRIES):
            if self._stopped.is_set() and not self._patient:
                return None
            try:
                answer = self._deployment.call("POST", path, content)
            except (URLError, HTTPException, OSError):  # this client has no more patience
                continue
            if answer.status in (200, 202):
                return answer
            if answer.status not in TEMPORARY:
                break
            threading.Event().wait(PAUSE)
        self.refused.append(f"{path}: {answer.status} {answer.body}")
        return None

    def judge(self) -> Iterator[Step]:
        """Once all has come to rest: each payment is posted and told of once."""
        deployment = self._site.find()
        wait_until(lambda: unfinished(deployment) == 0, REST_SECONDS)
        entered = entries(deployment, MERCHANT)
        posted = {
            id_: [
                int(event["amount"])
                for event in deployed.history(deployment, id_)
                if event["state"] == "posted"
            ]
            for id_ in self.accepted
        }
        refused = self.refused[:3] or "none"
        yield Step(
            "count the payments sent meanwhile",
            "each accepted one is once in ledger and history; none was refused",
            bool(self.accepted)
            and not self.refused
            and sorted(entered) == sorted(self.accepted.items())
            and posted == {id_: [amount] for id_, amount in self.accepted.items()},
            f"{len(self.accepted)} accepted, {len(entered)} entries, "
            f"{sum(map(len, posted.values()))} told; refused: {refused}",
        )


def unfinished(deployment: Deployment) -> int:
    """Payments on the retry queue, and entries that the history is still to be told."""
    counts = deployment.client("sqs").get_queue_attributes(
        QueueUrl=deployment.outputs["RetryQueueUrl"], AttributeNames=["All"]
    )["Attributes"]
    with contextlib.closing(deployment.ledger()) as connection:
        sql = "SELECT count(*) FROM ledger.outbox WHERE delivered_at IS NULL"
        untold = int(connection.run(sql)[0][0])
    names = (name for name in counts if name.startswith("ApproximateNumberOfMessages"))
    return untold + sum(int(counts[name]) for name in names)


def entries(deployment: Deployment, merchant: str) -> list[tuple[str, int]]:
    """A merchant's entries, with their amounts."""
    with contextlib.closing(deployment.ledger()) as connection:
        rows = connection.run(
            "SELECT transaction_id::text, amount FROM ledger.entries JOIN ledger.postings "
            "USING (entry_id) WHERE account = :account",
            account=f"merchant-payable/{merchant}/EUR",
        )
    return [(row[0], int(row[1])) for row in rows]
