"""`AWS::RDS::DBInstance` with a real PostgreSQL behind its endpoint."""

from __future__ import annotations

import json
import ssl
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local import emulator_internals, rds_token
from local.emulator_internals import Properties, Provisioned
from local.postgres import MAJOR_VERSION, PostgresServer, new_password
from local.rds_front import Authentication, RdsFront

HOST = "localhost"
TYPE = "AWS::RDS::DBInstance"
UNKNOWN_NAMES = "unknown-names"
"""A file: addresses of instances that are gone, a line each."""


class DbInstanceError(Exception):
    """The instance cannot be made, changed or deleted as asked; the text says why."""


@dataclass
class Running:
    server: PostgresServer
    front: RdsFront
    secret_arn: str | None
    master_password: Callable[[], str]


class DbInstances:
    """The instances of the embedded environment, as a CloudFormation type.

    The emulator's own handler keeps the record that DescribeDBInstances shows; this one adds the
    server, the door before it and the managed secret.
    """

    def __init__(self, client: Callable[[str], Any], directory: Path, tls: ssl.SSLContext) -> None:
        self._client = client
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._tls = tls
        self._record = emulator_internals.built_in(TYPE)
        self._running: dict[str, Running] = {}
        self._backups: dict[str, PostgresServer] = {}  # by resource id, those of the deleted too
        self._ports: dict[str, int] = {}  # by identifier: an endpoint is named after it
        self._told: dict[str, Provisioned] = {}  # what CloudFormation was told last
        for action, then, asked in (
            ("StopDBInstance", self._stop_server, ""),
            ("StartDBInstance", self._start_server, ""),
            ("DeleteDBInstance", self._deleted, ""),
            ("ModifyDBInstance", self._rotate, "RotateMasterUserPassword"),
            ("ModifyDBInstance", self._manage, "ManageMasterUserPassword"),
        ):
            emulator_internals.after_db_instance_action(action, then, asked)
        emulator_internals.let_db_instances_be_restored(self._restore)

    def server(self, identifier: str) -> PostgresServer:
        """The PostgreSQL behind an instance (raises KeyError)."""
        return self._running[identifier].server

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        if properties.get("Engine") != "postgres":
            raise DbInstanceError(f"{TYPE}: only the engine postgres is embedded")
        version = str(properties.get("EngineVersion", MAJOR_VERSION))
        if version.partition(".")[0] != MAJOR_VERSION:
            raise DbInstanceError(
                f"{TYPE}: PostgreSQL {version} is asked for, {MAJOR_VERSION} is embedded"
            )
        wanted = properties.get("DBInstanceIdentifier")
        if wanted and emulator_internals.db_instance(wanted) is not None:
            raise DbInstanceError(f"DB instance already exists: {wanted}")
        identifier, attributes = self._record.create(logical_id, properties, stack)
        try:
            attributes |= self._start(identifier, properties)
        except BaseException:
            self._record.delete(identifier, properties)
            raise
        self._told[identifier] = identifier, attributes
        return identifier, attributes

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Provisioned:
        """As on AWS: what its template does not change is not looked at, even if the instance is
        gone, or another one bears its name; what is changed is read again
        (aws-cloudformation/aws-cloudformation-resource-providers-rds, UpdateHandler)."""
        if old == new and physical_id in self._told:
            return self._told[physical_id]
        _existing(physical_id)
        if bool(old.get("ManageMasterUserPassword")) != bool(new.get("ManageMasterUserPassword")):
            raise DbInstanceError(f"{TYPE}: ManageMasterUserPassword does not change here")
        identifier, attributes = self._record.update(physical_id, old, new, stack, logical_id)
        if _is_true(new.get("ManageMasterUserPassword")):
            self._manage(identifier, (new.get("MasterUserSecret") or {}).get("KmsKeyId"))
        self._told[identifier] = identifier, {**attributes, **self._attributes(identifier)}
        return self._told[identifier]

    def delete(self, physical_id: str, properties: Properties) -> None:
        running = self._running.get(physical_id)
        if running is None:
            return
        if _existing(physical_id).get("DeletionProtection"):
            raise DbInstanceError(
                f"Cannot delete protected DB Instance {physical_id}, please disable deletion "
                "protection and try again."
            )
        self._end(physical_id)
        if running.secret_arn is not None:
            self._delete_secret(running.secret_arn)
        self._record.delete(physical_id, properties)

    def stop(self) -> None:
        """Stop every server; their data stays on disk."""
        for running in self._running.values():
            running.front.stop()
            running.server.stop()
        self._running.clear()

    def _stop_server(self, identifier: str) -> None:
        """The door stays, and leads nowhere until the instance is started again."""
        if identifier in self._running:
            self._running[identifier].server.stop()

    def _start_server(self, identifier: str) -> None:
        if identifier in self._running:
            self._running[identifier].server.start()

    def _end(self, identifier: str) -> None:
        if running := self._running.pop(identifier, None):
            running.front.stop()
            if running.server.running:
                running.server.mark()
            running.server.stop()
            self._tell_names()

    def _manage(self, identifier: str, key: str | None = None) -> None:
        """A managed secret, with a new password, unless there is one."""
        running = self._running[identifier]
        if running.secret_arn is None:
            arn = self._create_secret(_existing(identifier), key, new_password())
            running.secret_arn = arn
            running.master_password = lambda: self._secret(arn)["password"]

    def _rotate(self, identifier: str) -> None:
        """Another password in the managed secret, which the door asks at every login."""
        if (running := self._running.get(identifier)) and (arn := running.secret_arn):
            value = {**self._secret(arn), "password": new_password()}
            self._client("secretsmanager").put_secret_value(
                SecretId=arn, SecretString=json.dumps(value)
            )

    def _deleted(self, identifier: str) -> None:
        """After DeleteDBInstance: its secret goes too, by a request of its own, which the
        emulator answers after this one."""
        running = self._running.get(identifier)
        self._end(identifier)
        if running is not None and running.secret_arn is not None:
            threading.Thread(
                target=self._delete_secret, args=[running.secret_arn], daemon=True
            ).start()

    def _delete_secret(self, arn: str) -> None:
        self._client("secretsmanager").delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)

    def _restore(self, source: str, target: str, moment: datetime | None) -> None:
        """What `source` was at a moment as a server of its own, with the master user's password of
        now. It has no secret before RDS is asked to manage one; a deleted source's is gone, and
        nobody knows the password."""
        backup, record = self._backups[source], _existing(target)
        by_resource = {
            _existing(name)["DbiResourceId"]: each for name, each in self._running.items()
        }
        running = by_resource.get(source)
        password = running.master_password() if running else new_password()
        if running:
            backup.mark()
        server = backup.restore(self._directory / f"{target}-{uuid.uuid4().hex[:8]}", moment)
        server.start()
        try:
            self._open(target, server, record["MasterUsername"], lambda: password, None)
        except BaseException:
            server.stop()
            raise

    def _tell_names(self) -> None:
        """Of which instances the names lead nowhere, to the functions' resolver."""
        open_ = {each.front.port for each in self._running.values()}
        gone = [f"{HOST}:{port}\n" for port in self._ports.values() if port not in open_]
        (self._directory / UNKNOWN_NAMES).write_text("".join(gone), encoding="utf-8")

    def _start(self, identifier: str, properties: Properties) -> dict[str, str]:
        record = _existing(identifier)
        master_user = properties["MasterUsername"]
        given = properties.get("MasterUserPassword")
        password = str(given) if given else new_password()
        server = PostgresServer(self._directory / f"{identifier}-{uuid.uuid4().hex[:8]}")
        server.start()
        try:
            server.create_ledger_database(
                master_user=master_user,
                master_password=password,
                database=properties.get("DBName"),
            )
            key = (properties.get("MasterUserSecret") or {}).get("KmsKeyId")
            managed = _is_true(properties.get("ManageMasterUserPassword"))
            secret_arn = self._create_secret(record, key, password) if managed else None
            self._open(
                identifier,
                server,
                master_user,
                lambda: self._secret(secret_arn)["password"] if secret_arn else password,
                secret_arn,
            )
        except BaseException:
            server.stop()
            raise
        return self._attributes(identifier)

    def _open(
        self,
        identifier: str,
        server: PostgresServer,
        master_user: str,
        master_password: Callable[[], str],
        secret_arn: str | None,
    ) -> None:
        """Put the door before a server, and tell in the record where it is."""
        record = _existing(identifier)
        _, _, _, region, account, *_ = record["DBInstanceArn"].split(":")

        def token_refusal(user: str, token: str) -> str | None:
            if not record["IAMDatabaseAuthenticationEnabled"]:
                return "IAM database authentication is disabled"
            database = rds_token.Database(
                host=HOST,
                port=front.port,
                resource_id=record["DbiResourceId"],
                account=account,
                region=region,
            )
            return rds_token.refusal(token, user, database)

        front = RdsFront(
            server,
            self._tls,
            Authentication(
                master_user=master_user,
                master_password=lambda: self._running[identifier].master_password(),
                token_refusal=token_refusal,
            ),
        )
        server.back_up()
        self._backups[record["DbiResourceId"]] = server
        front.start(self._ports.get(identifier, 0))
        self._ports[identifier] = front.port
        self._running[identifier] = Running(server, front, secret_arn, master_password)
        self._tell_names()
        record.pop("LatestRestorableTime", None)  # or it stays that of the creation: it is now
        record["Endpoint"] = {**record.get("Endpoint", {}), "Address": HOST, "Port": front.port}

    def _attributes(self, identifier: str) -> dict[str, str]:
        record = _existing(identifier)
        attributes = {
            "Endpoint.Address": record["Endpoint"]["Address"],
            "Endpoint.Port": str(record["Endpoint"]["Port"]),
            # AWS spells this one both ways; templates use DbiResourceId.
            "DbiResourceId": record["DbiResourceId"],
        }
        secret_arn = self._running[identifier].secret_arn
        if secret_arn is not None:
            attributes["MasterUserSecret.SecretArn"] = secret_arn
        return attributes

    def _create_secret(self, record: dict[str, Any], key: str | None, password: str) -> str:
        """The secret RDS makes and owns: `rds!db-<uuid>` with username and password."""
        user, under = record["MasterUsername"], {"KmsKeyId": key} if key else {}
        made = self._client("secretsmanager").create_secret(
            Name=f"rds!db-{uuid.uuid4()}",
            Description=f"The secret associated with the primary RDS DB instance: "
            f"{record['DBInstanceArn']}",
            SecretString=json.dumps({"username": user, "password": password}),
            Tags=[{"Key": "aws:rds:primaryDBInstanceArn", "Value": record["DBInstanceArn"]}],
            **under,
        )
        told = {"SecretArn": made["ARN"], "SecretStatus": "active", **under}
        record["MasterUserSecret"] = told
        return str(made["ARN"])

    def _secret(self, arn: str) -> dict[str, str]:
        try:
            value = self._client("secretsmanager").get_secret_value(SecretId=arn)
        except ClientError as error:
            raise DbInstanceError(f"the master user's secret cannot be read: {error}") from error
        secret: dict[str, str] = json.loads(value["SecretString"])
        return secret


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"


def _existing(identifier: str) -> dict[str, Any]:
    record = emulator_internals.db_instance(identifier)
    if record is None:
        raise DbInstanceError(f"DBInstance {identifier} not found")
    return record
