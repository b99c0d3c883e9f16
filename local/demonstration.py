"""One payment's way through a deployed PaymentsProd, and what it left in each store.

`gather` does it and returns what it saw; `checks` judges it; `show` prints both.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import ssl
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from boto3.dynamodb.types import TypeDeserializer
from pg8000.native import Connection  # type: ignore[import-untyped]
from rich import box
from rich.console import Console
from rich.table import Table

from local import aws
from local.deployment import STACK
from ops.console.terminal import escape

ANSWER_SECONDS = 40.0  # API Gateway gives up after 29, its default integration timeout
ARRIVAL_SECONDS = 60.0  # for what follows a payment through the stream
POLL_SECONDS = 0.2

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; `body` is its JSON."""

    status: int
    body: Json
    content_type: str


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """Where a deployed PaymentsProd is found."""

    endpoint: str
    ca_file: Path
    outputs: dict[str, str]
    api_url: str
    api_key: str

    @classmethod
    def find(cls, endpoint: str, ca_file: Path, stack: str = STACK) -> Deployment:
        """Read the stack's outputs and the API key (raises botocore's errors)."""
        described = aws.client("cloudformation", endpoint).describe_stacks(StackName=stack)
        outputs = {
            output["OutputKey"]: output["OutputValue"]
            for output in described["Stacks"][0].get("Outputs", [])
        }
        keys = aws.client("apigateway", endpoint).get_api_keys(includeValues=True, limit=500)
        # The stack's own is the oldest, until it is revoked.
        key = min(
            (each for each in keys["items"] if each["enabled"]),
            key=lambda each: each["createdDate"],
        )
        # https://<id>.execute-api.<region>.amazonaws.com/<stage>/
        public = urlsplit(outputs["ApiUrl"])
        api_id, stage = public.netloc.split(".")[0], public.path.strip("/")
        return cls(
            endpoint=endpoint,
            ca_file=ca_file,
            outputs=outputs,
            api_url=f"{endpoint}/restapis/{api_id}/{stage}/_user_request_",
            api_key=key["value"],
        )

    def client(self, service: str) -> Any:
        return aws.client(service, self.endpoint)

    def call(self, method: str, path: str, body: object = None, *, with_key: bool = True) -> Answer:
        """Call the API. `body` is sent as JSON, or as it is if it is bytes."""
        headers = {"content-type": "application/json"}
        if with_key:
            headers["x-api-key"] = self.api_key
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body else None
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{self.api_url}{path}", data=data, method=method, headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
                return _answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return _answer(error.code, error.headers, error.read())

    def ledger(self) -> Connection:
        """A connection to the ledger's database as its master user, TLS verified."""
        secret = self.client("secretsmanager").get_secret_value(
            SecretId=self.outputs["LedgerSecretArn"]
        )
        master = json.loads(secret["SecretString"])
        return Connection(
            master["username"],
            password=master["password"],
            host=self.outputs["LedgerEndpoint"],
            port=int(self.outputs["LedgerPort"]),
            database="payments",
            ssl_context=ssl.create_default_context(cafile=self.ca_file),
            timeout=10,
        )


@dataclass(frozen=True)
class Posting:
    entry_id: str
    account: str
    direction: str
    amount: int
    currency: str


@dataclass(frozen=True)
class AuditRecord:
    """A line of an audit object, and whether the object's checksum is right."""

    key: str
    intact: bool
    record: Json


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What one demonstration saw."""

    status: Answer
    without_key: Answer
    malformed: Answer
    request: Json
    approved: Answer
    approved_again: Answer
    processed: Answer
    processed_again: Answer
    declined: Answer
    declined_processed: Answer
    postings: list[Posting]
    history: list[Json]
    audit: list[AuditRecord]


@dataclass(frozen=True)
class Check:
    name: str
    held: bool
    seen: str


def payment_request(**changes: object) -> Json:
    """A request that is approved, with an idempotency key of its own."""
    return {
        "merchant_id": "corner-books",
        "amount": 12_345,
        "currency": "EUR",
        "payment_method_token": "tok_demonstration",
        "reference": "Order 4711",
        "idempotency_key": str(uuid.uuid4()),
        **changes,
    }


def gather(deployment: Deployment) -> Evidence:
    """Send the payments and read back what they left."""
    status = deployment.call("GET", "/status")
    request = payment_request()
    approved = deployment.call("POST", "/validate", request)
    transaction = {"transaction_id": approved.body.get("transaction_id", "")}
    approved_again = deployment.call("POST", "/validate", request)
    processed = deployment.call("POST", "/process", transaction)
    processed_again = deployment.call("POST", "/process", transaction)
    declined = deployment.call("POST", "/validate", payment_request(amount=99_999_999_999))
    declined_transaction = {"transaction_id": declined.body.get("transaction_id", "")}
    transaction_id = transaction["transaction_id"]
    return Evidence(
        status=status,
        without_key=deployment.call("GET", "/status", with_key=False),
        malformed=deployment.call("POST", "/validate", b'{"merchant_id": '),
        request=request,
        approved=approved,
        approved_again=approved_again,
        processed=processed,
        processed_again=processed_again,
        declined=declined,
        declined_processed=deployment.call("POST", "/process", declined_transaction),
        postings=postings(deployment, transaction_id),
        history=eventually(lambda: history(deployment, transaction_id), lambda it: len(it) >= 2),
        audit=eventually(lambda: audit(deployment, transaction_id), lambda it: len(it) >= 2),
    )


def postings(deployment: Deployment, transaction_id: str) -> list[Posting]:
    """The transaction's postings, from PostgreSQL."""
    connection = deployment.ledger()
    try:
        rows = connection.run(
            "SELECT entry_id::text, account, direction, amount, currency "
            "FROM ledger.entries JOIN ledger.postings USING (entry_id) "
            "WHERE transaction_id::text = :id ORDER BY entry_id, line",
            id=transaction_id,
        )
    finally:
        connection.close()
    return [Posting(*row) for row in rows]


def history(deployment: Deployment, transaction_id: str) -> list[Json]:
    """The transaction's items, oldest first, from DynamoDB."""
    found = deployment.client("dynamodb").query(
        TableName=deployment.outputs["TransactionsTableName"],
        KeyConditionExpression="transaction_id = :id",
        ExpressionAttributeValues={":id": {"S": transaction_id}},
        ConsistentRead=True,
    )
    deserialize = TypeDeserializer().deserialize
    return [{name: deserialize(value) for name, value in item.items()} for item in found["Items"]]


def audit(deployment: Deployment, transaction_id: str) -> list[AuditRecord]:
    """The transaction's audit records in the stream's order, from S3."""
    s3, bucket = deployment.client("s3"), deployment.outputs["AuditBucketName"]
    records = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="year="):
        for listed in page.get("Contents", []):
            stored = s3.get_object(Bucket=bucket, Key=listed["Key"])
            content = stored["Body"].read()
            digest = hashlib.sha256(content).hexdigest()
            intact = stored["Metadata"].get("content-sha256") == digest
            for line in gzip.decompress(content).splitlines():
                record = json.loads(line)
                if record["keys"]["transaction_id"] == transaction_id:
                    records.append(AuditRecord(listed["Key"], intact, record))
    return sorted(records, key=lambda found: int(found.record["sequence_number"]))


def eventually(read: Callable[[], T], enough: Callable[[T], bool]) -> T:
    """What `read` returns once it is `enough`, or at the deadline."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while not enough(value := read()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return value


def checks(seen: Evidence) -> Iterator[Check]:
    """Judge what was seen, one check a line."""
    request, approval, processed = seen.request, seen.approved.body, seen.processed.body
    money = (request["amount"], request["currency"])
    transaction_id = approval.get("transaction_id")

    yield _status("GET /status is operational", seen.status, 200, "status", "operational")
    yield Check(
        "without an API key: refused", seen.without_key.status == 403, _brief(seen.without_key)
    )
    yield Check(
        "a malformed body: a problem, 400",
        seen.malformed.status == 400 and bool(seen.malformed.body),
        _brief(seen.malformed),
    )
    yield _status("POST /validate approves", seen.approved, 200, "decision", "approved")
    yield Check(
        "POST /validate again: the same answer",
        seen.approved_again == seen.approved,
        _brief(seen.approved_again),
    )
    yield _status("POST /process posts", seen.processed, 200, "status", "posted")
    yield Check(
        "POST /process again: the same entry",
        seen.processed.status == 200 and seen.processed_again == seen.processed,
        _brief(seen.processed_again),
    )
    yield _status("too large a payment: declined", seen.declined, 200, "decision", "declined")
    yield Check(
        "a declined payment is not posted: 409",
        seen.declined_processed.status == 409,
        _brief(seen.declined_processed),
    )

    entry_id = processed.get("entry", {}).get("entry_id")
    yield Check(
        "PostgreSQL: one entry, the one that was answered",
        bool(entry_id) and {posting.entry_id for posting in seen.postings} == {entry_id},
        f"entry {entry_id}",
    )
    sides = {
        direction: sum(p.amount for p in seen.postings if p.direction == direction)
        for direction in ("debit", "credit")
    }
    yield Check(
        "PostgreSQL: debits = credits = the amount",
        sides["debit"] == sides["credit"] == request["amount"]
        and {posting.currency for posting in seen.postings} == {request["currency"]},
        f"{sides['debit']} = {sides['credit']} {request['currency']}",
    )
    yield Check(
        "DynamoDB: request and posting, same id and amount",
        [item.get("state") for item in seen.history] == ["approved", "posted"]
        and all(_item_money(item) == money for item in seen.history),
        ", ".join(f"{item.get('state')} {_money_text(item)}" for item in seen.history),
    )
    audited = [found.record.get("item", {}) for found in seen.audit]
    yield Check(
        "S3: the same items in the audit trail, intact",
        audited == [_plain(item) for item in seen.history]
        and {item.get("transaction_id") for item in audited} == {transaction_id}
        and all(found.intact and not found.record["anomaly"] for found in seen.audit),
        f"{len(seen.audit)} records in {len({found.key for found in seen.audit})} objects",
    )


def show(console: Console, seen: Evidence, judged: Sequence[Check]) -> None:
    """Print the payment's traces and the checks."""
    transaction_id = seen.approved.body.get("transaction_id")
    console.print(f"\n[bold]Payment[/] {escape(str(transaction_id))}")
    ledger = _table("Ledger (PostgreSQL)", "account", "direction", "amount")
    for posting in seen.postings:
        cells = (posting.account, posting.direction, f"{posting.amount} {posting.currency}")
        ledger.add_row(*map(escape, cells))
    console.print(ledger)
    items = _table("History (DynamoDB)", "timestamp", "state", "amount")
    for item in seen.history:
        cells = (str(item["timestamp"]), str(item.get("state")), _money_text(item))
        items.add_row(*map(escape, cells))
    console.print(items)
    trail = _table("Audit trail (S3)", "event", "state", "object")
    for found in seen.audit:
        state = found.record.get("item", {}).get("state")
        trail.add_row(*map(escape, (found.record["event_name"], str(state), found.key)))
    console.print(trail)
    table = _table("Checks", "", "check", "seen")
    for check in judged:
        mark = "[green]✔[/]" if check.held else "[red]✘[/]"
        table.add_row(mark, check.name, escape(check.seen))
    console.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _answer(status: int, headers: Any, content: bytes) -> Answer:
    try:
        body = json.loads(content)
    except ValueError:
        body = {}
    kind = headers.get("content-type", "")
    return Answer(status, body if isinstance(body, dict) else {}, kind)


def _status(name: str, answer: Answer, status: int, field: str, value: str) -> Check:
    return Check(name, answer.status == status and answer.body.get(field) == value, _brief(answer))


def _brief(answer: Answer) -> str:
    words = [answer.body.get(name, "") for name in ("decision", "code")]
    words += answer.body.get("reasons", [])
    if isinstance(answer.body.get("status"), str):  # a problem's repeats the HTTP status
        words.append(answer.body["status"])
    return " · ".join([str(answer.status), *filter(None, words)])


def _item_money(item: Json) -> tuple[int | None, str | None]:
    amount = item.get("amount")
    return (None if amount is None else int(amount)), item.get("currency")


def _money_text(item: Json) -> str:
    return " ".join(str(part) for part in _item_money(item))


def _plain(item: Json) -> Json:
    """As the audit writes it: numbers of DynamoDB (Decimal) as JSON's."""
    plain: Json = json.loads(json.dumps(item, default=int))
    return plain
