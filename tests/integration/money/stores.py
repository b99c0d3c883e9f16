"""The stores that the handlers work on: a real PostgreSQL behind RDS's door, and emulated AWS."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import trustme
from ledger_schema.migrator import migrate, read
from pg8000.native import Connection  # type: ignore[import-untyped]

from local import aws
from local.postgres import PostgresServer, new_password
from local.rds_front import Authentication, RdsFront
from tests.environment import Environment, serving
from tests.integration.money.sandboxes import sandbox_source

MASTER = "ledger_admin"
TEMPLATE = "migrated"
AUDIT_KEY = f"arn:aws:kms:{aws.REGION}:{aws.ACCOUNT}:key/audit"
MAX_RECEIVES = 14  # of a message, before it goes to the dead-letter queue

HISTORY: dict[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": "transaction_id", "AttributeType": "S"},
        {"AttributeName": "timestamp", "AttributeType": "N"},
    ],
    "KeySchema": [
        {"AttributeName": "transaction_id", "KeyType": "HASH"},
        {"AttributeName": "timestamp", "KeyType": "RANGE"},
    ],
}
"""The table of payments, but for its name."""

_numbers = count(1)


@dataclass(frozen=True)
class Names:
    """The stores of one world."""

    database: str
    table: str
    stream: str
    queue: str
    dead_letters: str
    bucket: str

    @property
    def environment(self) -> dict[str, str]:
        """The functions' variables that tell them."""
        return {
            "LEDGER_DATABASE": self.database,
            "TRANSACTIONS_TABLE": self.table,
            "RETRY_QUEUE_URL": self.queue,
            "AUDIT_BUCKET": self.bucket,
            "AUDIT_KEY_ARN": AUDIT_KEY,
        }


class Stores:
    """The servers, for all worlds."""

    def __init__(
        self,
        server: PostgresServer,
        environment: Environment,
        sandboxes: Path,
        variables: Mapping[str, str],
    ) -> None:
        """
        Args:
            sandboxes: where sandboxes of the functions can be had.
            variables: of their environment, for all worlds.
        """
        self.server = server
        self.sandboxes = sandboxes
        self.variables = variables
        self.dynamodb = environment.client("dynamodb")
        self.streams = environment.client("dynamodbstreams")
        self.sqs = environment.client("sqs")
        self.s3 = environment.client("s3")
        self._read_of_log = 0

    def new_in_log(self) -> str:
        """What sandboxes have printed since this was asked last; not what they may go on with."""
        with (self.sandboxes.parent / "log").open("rb") as log:
            log.seek(self._read_of_log)
            new = log.read()
        self._read_of_log += new.rfind(b"\n") + 1
        return new.decode()

    def kill_server(self) -> None:
        """kill -9 for PostgreSQL's first process; the others end when they see it."""
        pid = int((self.server.data / "postmaster.pid").read_text().split("\n", 1)[0])
        family = [psutil.Process(pid), *psutil.Process(pid).children()]
        os.kill(pid, signal.SIGKILL)
        self.server.kill()
        _, left = psutil.wait_procs(family, timeout=10)
        assert not left

    def create(self) -> Names:
        """Empty stores, as the templates declare them."""
        name = f"world{next(_numbers)}"
        self._administer(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER {MASTER}")
        table = self.dynamodb.create_table(
            TableName=name,
            **HISTORY,
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )["TableDescription"]
        dead_letters = self.sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        arn = f"arn:aws:sqs:{aws.REGION}:{aws.ACCOUNT}:{name}-dead"
        redrive = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": {MAX_RECEIVES}}}'
        queue = self.sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": redrive})
        bucket = f"audit-{name}"
        self.s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        stream = table["LatestStreamArn"]
        return Names(name, name, stream, queue["QueueUrl"], dead_letters, bucket)

    def remove(self, names: Names) -> None:
        """The database; the rest ends with the emulator."""
        self._administer(f"DROP DATABASE {names.database} WITH (FORCE)")

    def _administer(self, statement: str) -> None:
        with contextlib.closing(self.server.connect()) as connection:
            connection.run(statement)


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Stores]:
    (directory / "emulator").mkdir()
    with (
        PostgresServer(directory / "postgres") as server,
        serving(directory / "emulator") as environment,
        _front(server, directory / "ca.pem") as front,
    ):
        variables = _environment(environment, front, directory)
        server.create_ledger_database(master_password=new_password(), database=TEMPLATE)
        with contextlib.closing(server.connect(MASTER, TEMPLATE)) as master:
            migrate(master, read())
        with sandbox_source(directory, variables) as sandboxes:
            yield Stores(server, environment, sandboxes, variables)


@contextlib.contextmanager
def _front(server: PostgresServer, ca_file: Path) -> Iterator[RdsFront]:
    """RDS's door, which takes any token: who may sign in is not the subject here."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(ca_file))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    authentication = Authentication(
        master_user=MASTER, master_password=new_password, token_refusal=lambda user, token: None
    )
    front = RdsFront(server, tls, authentication)
    front.start()
    try:
        yield front
    finally:
        front.stop()


def _environment(environment: Environment, front: RdsFront, directory: Path) -> dict[str, str]:
    return {
        **aws.environment(environment.endpoint),
        "PYTHONPATH": os.pathsep.join(["lambda_code", "."]),
        "LEDGER_CA_FILE": str(directory / "ca.pem"),
        "LEDGER_HOST": "localhost",
        "LEDGER_PORT": str(front.port),
        "LEDGER_USER": "payment_processor",
        "APPROVAL_VALIDITY_SECONDS": "3600",
        "POWERTOOLS_SERVICE_NAME": "payments",
        "POWERTOOLS_LOG_LEVEL": "INFO",
        "POWERTOOLS_TRACE_DISABLED": "true",
    }


def connect(stores: Stores, names: Names) -> Connection:
    """A connection that sees everything in a world's ledger."""
    return stores.server.connect("postgres", names.database)
