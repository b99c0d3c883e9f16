"""A deployed PaymentsProd as its client sees it, and what payments left in each of its stores."""

from __future__ import annotations

import gzip
import hashlib
import json
import ssl
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from boto3.dynamodb.types import TypeDeserializer
from pg8000.native import Connection  # type: ignore[import-untyped]

from local import aws
from local.deployment import STACK

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

    @property
    def transaction_id(self) -> str:
        return str(self.record["keys"]["transaction_id"])


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


def answered(deployment: Deployment, path: str, request: Json) -> Json:
    """As a client asks, the same again while a busy machine has no answer in time."""
    answer = eventually(
        lambda: deployment.call("POST", path, request), lambda answer: answer.status == 200
    )
    assert answer.status == 200, answer
    return answer.body


def approve(deployment: Deployment, **changes: object) -> str:
    """A payment's decision: its transaction_id."""
    return str(answered(deployment, "/validate", payment_request(**changes))["transaction_id"])


def post(deployment: Deployment, **changes: object) -> str:
    """A payment that is posted: its transaction_id."""
    transaction_id = approve(deployment, **changes)
    posted = answered(deployment, "/process", {"transaction_id": transaction_id})
    assert posted["status"] == "posted", posted
    return transaction_id


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
    records = (each for each in audited(deployment) if each.transaction_id == transaction_id)
    return sorted(records, key=lambda found: int(found.record["sequence_number"]))


def audited(deployment: Deployment) -> Iterator[AuditRecord]:
    """All records of the audit trail, from S3."""
    s3, bucket = deployment.client("s3"), deployment.outputs["AuditBucketName"]
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="year="):
        for listed in page.get("Contents", []):
            stored = s3.get_object(Bucket=bucket, Key=listed["Key"])
            content = stored["Body"].read()
            digest = hashlib.sha256(content).hexdigest()
            intact = stored["Metadata"].get("content-sha256") == digest
            for line in gzip.decompress(content).splitlines():
                yield AuditRecord(listed["Key"], intact, json.loads(line))


def eventually(read: Callable[[], T], enough: Callable[[T], bool]) -> T:
    """What `read` returns once it is `enough`, or at the deadline."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while not enough(value := read()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return value


def _answer(status: int, headers: Any, content: bytes) -> Answer:
    try:
        body = json.loads(content)
    except ValueError:
        body = {}
    kind = headers.get("content-type", "")
    return Answer(status, body if isinstance(body, dict) else {}, kind)
