"""The database instance: PostgreSQL behind TLS, the managed secret and IAM tokens."""

from __future__ import annotations

import contextlib
import errno
import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import boto3
import pytest
import trustme
from pg8000.exceptions import DatabaseError, InterfaceError  # type: ignore[import-untyped]
from pg8000.native import Connection  # type: ignore[import-untyped]

from local import aws
from tests.environment import Environment, Stack, resource
from tests.probe import allow, deny, policy

USER = "payment_processor"


@dataclass
class Instance:
    """A deployed instance, and roles that may or may not connect to it."""

    environment: Environment
    outputs: dict[str, str]

    @property
    def address(self) -> tuple[str, int]:
        return self.outputs["Host"], int(self.outputs["Port"])

    def secret(self) -> dict[str, str]:
        found = self.environment.client("secretsmanager").get_secret_value(
            SecretId=self.outputs["Secret"]
        )
        secret: dict[str, str] = json.loads(found["SecretString"])
        return secret

    def connect(self, user: str, password: str, **options: Any) -> Connection:
        host, port = self.address
        trusted = ssl.create_default_context(cafile=self.environment.ca_file)
        options = {"ssl_context": trusted, "timeout": 10, **options}
        return Connection(
            user, host=host, port=port, database="payments", password=password, **options
        )

    def run(self, user: str, password: str, statement: str) -> Any:
        connection = self.connect(user, password)
        try:
            return connection.run(statement)
        finally:
            connection.close()

    def session(self, role: str) -> boto3.session.Session:
        """A session of one of the roles, as a function has it."""
        made = self.environment.client("sts").assume_role(
            RoleArn=f"arn:aws:iam::{aws.ACCOUNT}:role/{self.outputs[role]}", RoleSessionName="test"
        )["Credentials"]
        return boto3.session.Session(
            made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], aws.REGION
        )

    def token(self, role: str, user: str = USER, port: int | None = None) -> str:
        host, own_port = self.address
        rds = self.session(role).client("rds")
        return str(rds.generate_db_auth_token(host, port or own_port, user))


def _role(*statements: dict[str, Any], boundary: str | None = None) -> dict[str, Any]:
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    properties: dict[str, Any] = {
        "AssumeRolePolicyDocument": policy(trust),
        "Policies": [
            {
                "PolicyName": "connect",
                "PolicyDocument": policy(*statements),
            }
        ],
    }
    if boundary:
        properties["PermissionsBoundary"] = {"Ref": boundary}
    return resource("IAM::Role", **properties)


def _resources() -> dict[str, Any]:
    own_user = {
        "Fn::Sub": "arn:aws:rds-db:${AWS::Region}:${AWS::AccountId}:dbuser:"
        f"${{Database.DbiResourceId}}/{USER}"
    }
    connects = allow("rds-db:connect", own_user)
    elsewhere = {**connects, "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}}
    reads = allow("s3:GetObject")
    return {
        "Database": resource(
            "RDS::DBInstance",
            DBInstanceIdentifier="test-ledger",
            DBInstanceClass="db.t3.medium",
            Engine="postgres",
            EngineVersion="18",
            AllocatedStorage="20",
            DBName="payments",
            MasterUsername="ledger_admin",
            ManageMasterUserPassword=True,
            EnableIAMDatabaseAuthentication=True,
        )
        | {"DeletionPolicy": "Delete"},
        "Boundary": resource("IAM::ManagedPolicy", PolicyDocument=policy(reads)),
        "Allowed": _role(connects),
        "WithoutPermission": _role(reads),
        "Denied": _role(connects, deny("rds-db:*")),
        "Bounded": _role(connects, boundary="Boundary"),
        "OtherRegion": _role(elsewhere),
    }


ROLES = ("Allowed", "WithoutPermission", "Denied", "Bounded", "OtherRegion")


@pytest.fixture(scope="module")
def instance(environment: Environment) -> Iterator[Instance]:
    stack = Stack(environment)
    outputs = {
        "Host": {"Fn::GetAtt": ["Database", "Endpoint.Address"]},
        "Port": {"Fn::GetAtt": ["Database", "Endpoint.Port"]},
        "Secret": {"Fn::GetAtt": ["Database", "MasterUserSecret.SecretArn"]},
        **{role: {"Ref": role} for role in ROLES},
    }
    assert stack.create(_resources(), outputs) == "CREATE_COMPLETE", stack.reasons()
    made = Instance(environment, stack.outputs())
    master = made.secret()
    made.run(master["username"], master["password"], f"CREATE ROLE {USER} LOGIN")
    made.run(master["username"], master["password"], f"GRANT rds_iam TO {USER}")
    made.run(master["username"], master["password"], "CREATE ROLE plain LOGIN PASSWORD 'plain'")
    yield made
    assert stack.delete() == "DELETE_COMPLETE"


# -- TLS -----------------------------------------------------------------------------------


def test_a_connection_without_tls_is_refused(instance: Instance) -> None:
    with pytest.raises(DatabaseError, match="no encryption"):
        instance.connect("ledger_admin", instance.secret()["password"], ssl_context=False)


def test_its_certificate_is_its_authoritys_and_for_its_name(instance: Instance) -> None:
    other = ssl.create_default_context()
    trustme.CA().configure_trust(other)
    with pytest.raises((ssl.SSLCertVerificationError, InterfaceError), match="verify failed"):
        instance.connect("ledger_admin", instance.secret()["password"], ssl_context=other)
    trusted = ssl.create_default_context(cafile=instance.environment.ca_file)
    with (
        mock.patch.object(trusted, "wrap_socket", _as_other_host(trusted)),
        pytest.raises((ssl.SSLCertVerificationError, InterfaceError), match="Hostname mismatch"),
    ):
        instance.connect("ledger_admin", instance.secret()["password"], ssl_context=trusted)


def _as_other_host(context: ssl.SSLContext) -> Any:
    wrap = context.wrap_socket
    return lambda sock, server_hostname: wrap(sock, server_hostname="ledger.example.com")


# -- the master user ------------------------------------------------------------------------


def test_the_master_user_uses_the_managed_secret(instance: Instance) -> None:
    secret = instance.secret()
    assert secret["username"] == "ledger_admin"
    assert instance.run("ledger_admin", secret["password"], "SELECT current_user") == [
        ["ledger_admin"]
    ]
    with pytest.raises(DatabaseError, match="28P01"):
        instance.connect("ledger_admin", "wrong")


def test_rds_rotates_the_managed_secret_when_it_is_asked_to(instance: Instance) -> None:
    before, rds = instance.secret(), instance.environment.client("rds")
    (identifier,) = (
        each["DBInstanceIdentifier"]
        for each in rds.describe_db_instances()["DBInstances"]
        if each["Endpoint"]["Port"] == instance.address[1]
    )
    rds.modify_db_instance(
        DBInstanceIdentifier=identifier, RotateMasterUserPassword=True, ApplyImmediately=True
    )
    after = instance.secret()
    assert after["password"] != before["password"]
    instance.connect("ledger_admin", after["password"]).close()
    with pytest.raises(DatabaseError, match="28P01"):
        instance.connect("ledger_admin", before["password"])
    rds.modify_db_instance(DBInstanceIdentifier=identifier, ApplyImmediately=True)
    assert instance.secret() == after


def test_a_rotated_secret_counts_at_once(instance: Instance) -> None:
    before = instance.secret()
    secrets = instance.environment.client("secretsmanager")

    def put(password: str) -> None:
        value = json.dumps({**before, "password": password})
        secrets.put_secret_value(SecretId=instance.outputs["Secret"], SecretString=value)

    put("rotated")
    try:
        instance.connect("ledger_admin", "rotated").close()
        with pytest.raises(DatabaseError, match="28P01"):
            instance.connect("ledger_admin", before["password"])
    finally:
        put(before["password"])


def test_the_database_is_described_with_its_real_address(instance: Instance) -> None:
    rds = instance.environment.client("rds")
    (found,) = rds.describe_db_instances(DBInstanceIdentifier="test-ledger")["DBInstances"]
    assert (found["Endpoint"]["Address"], found["Endpoint"]["Port"]) == instance.address


def test_a_stopped_instance_keeps_its_data_and_its_address(instance: Instance) -> None:
    rds, password = instance.environment.client("rds"), instance.secret()["password"]
    instance.run("ledger_admin", password, "CREATE TABLE kept AS SELECT 1 AS value")
    rds.stop_db_instance(DBInstanceIdentifier="test-ledger")
    try:
        with pytest.raises(InterfaceError, match="network error"):
            instance.connect("ledger_admin", password)
    finally:
        rds.start_db_instance(DBInstanceIdentifier="test-ledger")
    assert instance.run("ledger_admin", password, "SELECT value FROM kept") == [[1]]


# -- IAM authentication -----------------------------------------------------------------------


def test_a_role_that_may_connect_connects(instance: Instance) -> None:
    assert instance.run(USER, instance.token("Allowed"), "SELECT current_user") == [[USER]]


@pytest.mark.parametrize("role", [role for role in ROLES if role != "Allowed"])
def test_a_role_that_may_not_connect_is_refused(instance: Instance, role: str) -> None:
    with pytest.raises(DatabaseError, match="PAM authentication failed"):
        instance.connect(USER, instance.token(role))


def test_a_token_expires_after_15_minutes(instance: Instance) -> None:
    def token(age: timedelta) -> str:
        then = datetime.now(UTC).replace(tzinfo=None) - age
        with mock.patch("botocore.auth.get_current_datetime", return_value=then):
            return instance.token("Allowed")

    instance.connect(USER, token(timedelta(minutes=14))).close()
    with pytest.raises(DatabaseError, match="PAM authentication failed"):
        instance.connect(USER, token(timedelta(minutes=16)))


def test_tokens_for_something_else_are_refused(instance: Instance) -> None:
    good = instance.token("Allowed")
    signature = good.rpartition("=")[2]
    host, port = instance.address
    stranger = boto3.session.Session("AKIAIOSFODNN7EXAMPLE", "secret", region_name=aws.REGION)
    tokens = {
        "another user": instance.token("Allowed", user="ledger_admin"),
        "another port": instance.token("Allowed", port=port + 1),
        "another signature": good.replace(signature, signature[::-1]),
        "no signature": good.partition("&X-Amz-Signature")[0],
        "no session token": "&".join(p for p in good.split("&") if "Security-Token" not in p),
        "an unknown key": stranger.client("rds").generate_db_auth_token(host, port, USER),
        "no token at all": "password",
        "nothing": "",
    }
    let_in = []
    for what, token in tokens.items():
        with contextlib.suppress(DatabaseError):
            instance.connect(USER, token).close()
            let_in.append(what)
    assert let_in == []
    instance.connect(USER, good).close()


def test_a_user_without_rds_iam_cannot_use_a_token(instance: Instance) -> None:
    with pytest.raises(DatabaseError, match="password authentication failed"):
        instance.connect("plain", instance.token("Allowed", user="plain"))
    with pytest.raises(DatabaseError, match="password authentication failed"):
        instance.connect("nobody_at_all", instance.token("Allowed", user="nobody_at_all"))


def test_large_results_and_parameters_pass_unchanged(instance: Instance) -> None:
    connection = instance.connect(USER, instance.token("Allowed"))
    text = "0123456789abcdef" * 500_000
    assert connection.run("SELECT :text", text=text) == [[text]]
    connection.close()


# -- the instance as a resource -------------------------------------------------------------


def test_a_second_instance_of_the_same_name_is_refused(
    environment: Environment, instance: Instance, stack: Stack
) -> None:
    resources = {"Database": _resources()["Database"]}
    assert stack.create(resources) == "ROLLBACK_COMPLETE"
    assert "already exists" in stack.reasons()[-1]
    instance.connect(USER, instance.token("Allowed")).close()


def test_another_engine_version_than_the_embedded_is_refused(stack: Stack) -> None:
    resources = {"Database": _resources()["Database"]}
    resources["Database"]["Properties"].update(DBInstanceIdentifier="older", EngineVersion="16.4")
    assert stack.create(resources) == "ROLLBACK_COMPLETE"
    assert "PostgreSQL 16.4 is asked for" in stack.reasons()[-1]


def test_an_update_keeps_the_database(environment: Environment, stack: Stack) -> None:
    resources = {"Database": _resources()["Database"]}
    resources["Database"]["Properties"]["DBInstanceIdentifier"] = "updated"
    outputs = {
        "Port": {"Fn::GetAtt": ["Database", "Endpoint.Port"]},
        "Secret": {"Fn::GetAtt": ["Database", "MasterUserSecret.SecretArn"]},
    }
    assert stack.create(resources, outputs) == "CREATE_COMPLETE"
    before = stack.outputs()
    resources["Database"]["Properties"]["BackupRetentionPeriod"] = 30
    assert stack.update(resources, outputs) == "UPDATE_COMPLETE"
    assert stack.outputs() == before
    (found,) = environment.client("rds").describe_db_instances(DBInstanceIdentifier="updated")[
        "DBInstances"
    ]
    assert found["BackupRetentionPeriod"] == 30
    secrets = environment.client("secretsmanager")
    assert before["Secret"] in {each["ARN"] for each in secrets.list_secrets()["SecretList"]}
    assert stack.delete() == "DELETE_COMPLETE"
    assert before["Secret"] not in {each["ARN"] for each in secrets.list_secrets()["SecretList"]}


# -- Restores ------------------------------------------------------------------------------

SOURCE, COPY = "test-ledger", "test-ledger-copy"


def _restore(rds: Any, **options: Any) -> dict[str, Any]:
    request = {"UseLatestRestorableTime": True, "EnableIAMDatabaseAuthentication": True, **options}
    made: dict[str, Any] = rds.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier=SOURCE, TargetDBInstanceIdentifier=COPY, **request
    )["DBInstance"]
    return made


def _described(rds: Any) -> dict[str, Any]:
    rds.get_waiter("db_instance_available").wait(
        DBInstanceIdentifier=COPY, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    (found,) = rds.describe_db_instances(DBInstanceIdentifier=COPY)["DBInstances"]
    described: dict[str, Any] = found
    return described


@pytest.fixture
def rds(instance: Instance) -> Iterator[Any]:
    """The client; the copy is deleted afterwards."""
    client = instance.environment.client("rds")
    yield client
    with contextlib.suppress(client.exceptions.DBInstanceNotFoundFault):
        client.delete_db_instance(DBInstanceIdentifier=COPY, SkipFinalSnapshot=True)


def test_a_restored_instance_holds_the_data_of_its_source_and_then_its_own(
    instance: Instance, rds: Any
) -> None:
    master = instance.secret()
    login = master["username"], master["password"]
    instance.run(*login, "CREATE TABLE restored (note text)")
    instance.run(*login, "INSERT INTO restored VALUES ('before')")
    assert _restore(rds)["DBInstanceStatus"] == "creating"
    found = _described(rds)
    instance.run(*login, "INSERT INTO restored VALUES ('after')")
    address = {"Host": found["Endpoint"]["Address"], "Port": str(found["Endpoint"]["Port"])}
    restored = Instance(instance.environment, {**instance.outputs, **address})
    assert restored.address != instance.address
    assert restored.run(*login, "SELECT note FROM restored") == [["before"]]
    restored.run(*login, "DROP TABLE restored")
    assert instance.run(*login, "SELECT count(*) FROM restored") == [[2]]
    instance.run(*login, "DROP TABLE restored")


def _rows(instance: Instance, found: dict[str, Any], password: str) -> list[list[str]]:
    address = {"Host": found["Endpoint"]["Address"], "Port": str(found["Endpoint"]["Port"])}
    copy = Instance(instance.environment, {**instance.outputs, **address})
    rows: list[list[str]] = copy.run("ledger_admin", password, "SELECT note FROM moments")
    return rows


def _secrets(instance: Instance) -> set[str]:
    listed = instance.environment.client("secretsmanager").list_secrets()["SecretList"]
    return {each["ARN"] for each in listed}


def test_it_is_restored_to_the_moment_that_is_asked_for(instance: Instance, rds: Any) -> None:
    master = instance.secret()
    login = master["username"], master["password"]
    instance.run(*login, "CREATE TABLE moments (note text)")
    instance.run(*login, "INSERT INTO moments VALUES ('before')")
    moment = datetime.now(UTC)
    instance.run(*login, "INSERT INTO moments VALUES ('after')")
    _restore(rds, UseLatestRestorableTime=False, RestoreTime=moment)
    assert _rows(instance, _described(rds), master["password"]) == [["before"]]
    instance.run(*login, "DROP TABLE moments")


def test_it_is_restored_into_the_subnets_that_are_asked_for(instance: Instance, rds: Any) -> None:
    ec2 = instance.environment.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/24")["Subnet"]["SubnetId"]
    group = {"DBSubnetGroupName": "others", "DBSubnetGroupDescription": "others"}
    rds.create_db_subnet_group(**group, SubnetIds=[subnet])
    with pytest.raises(rds.exceptions.DBSubnetGroupNotFoundFault):
        _restore(rds, DBSubnetGroupName="nobodys")
    _restore(rds, DBSubnetGroupName="others")
    found = _described(rds)["DBSubnetGroup"]
    assert (found["DBSubnetGroupName"], found["VpcId"]) == ("others", vpc)
    assert [each["SubnetIdentifier"] for each in found["Subnets"]] == [subnet]


def test_a_deleted_instance_is_restored_from_backups_that_its_deletion_kept(
    instance: Instance, rds: Any
) -> None:
    """Under its own name, at its own address, with a secret of its own once one is asked for."""
    _restore(rds)
    gone = _described(rds)

    def kept() -> list[tuple[str, str]]:
        told = rds.describe_db_instance_automated_backups(DBInstanceIdentifier=COPY)
        backups = told["DBInstanceAutomatedBackups"]
        return [(each["DbiResourceId"], each["Status"]) for each in backups]

    assert kept() == [(gone["DbiResourceId"], "active")]
    rds.delete_db_instance(
        DBInstanceIdentifier=COPY, SkipFinalSnapshot=True, DeleteAutomatedBackups=False
    )
    assert kept() == [(gone["DbiResourceId"], "retained")]
    rds.restore_db_instance_to_point_in_time(
        SourceDbiResourceId=gone["DbiResourceId"],
        TargetDBInstanceIdentifier=COPY,
        UseLatestRestorableTime=True,
        EnableIAMDatabaseAuthentication=True,
    )
    again = _described(rds)
    assert again["DbiResourceId"] != gone["DbiResourceId"]
    assert again["Endpoint"] == gone["Endpoint"]
    before = _secrets(instance)
    rds.modify_db_instance(DBInstanceIdentifier=COPY, ManageMasterUserPassword=True)
    (made,) = _secrets(instance) - before
    address = {"Host": again["Endpoint"]["Address"], "Port": str(again["Endpoint"]["Port"])}
    restored = Instance(instance.environment, {**address, "Secret": made})
    secret = restored.secret()
    assert restored.run(secret["username"], secret["password"], "SELECT 1") == [[1]]
    rds.delete_db_instance(DBInstanceIdentifier=COPY, SkipFinalSnapshot=True)
    assert kept() == [(gone["DbiResourceId"], "retained")]  # the second's were not


def test_a_restored_instance_is_another_resource_to_iam(instance: Instance, rds: Any) -> None:
    """The role names the source's resource id, which the copy does not have."""
    _restore(rds)
    port = _described(rds)["Endpoint"]["Port"]
    outputs = {**instance.outputs, "Port": str(port)}
    restored = Instance(instance.environment, outputs)
    with pytest.raises(DatabaseError, match=r"28000|28P01"):
        restored.run(USER, restored.token("Allowed"), "SELECT 1")


def test_an_instance_can_be_restored_to_this_moment(instance: Instance, rds: Any) -> None:
    (found,) = rds.describe_db_instances(DBInstanceIdentifier=SOURCE)["DBInstances"]
    created = found["InstanceCreateTime"]
    assert found["LatestRestorableTime"] - created > timedelta(seconds=1)
    assert found["LatestRestorableTime"] <= datetime.now(UTC)


def test_what_cannot_be_restored_is_refused(instance: Instance, rds: Any) -> None:
    errors = rds.exceptions
    with pytest.raises(errors.DBInstanceNotFoundFault):
        rds.restore_db_instance_to_point_in_time(
            SourceDBInstanceIdentifier="nobody",
            TargetDBInstanceIdentifier=COPY,
            UseLatestRestorableTime=True,
        )
    for minutes in (-600, 60):
        moment = datetime.now(UTC) + timedelta(minutes=minutes)
        with pytest.raises(errors.ClientError, match="can be restored to times from"):
            _restore(rds, UseLatestRestorableTime=False, RestoreTime=moment)
    _restore(rds)
    with pytest.raises(errors.DBInstanceAlreadyExistsFault):
        _restore(rds)
    _described(rds)


def test_a_restored_instance_that_is_deleted_is_gone(instance: Instance, rds: Any) -> None:
    _restore(rds)
    address = _described(rds)["Endpoint"]
    rds.delete_db_instance(DBInstanceIdentifier=COPY, SkipFinalSnapshot=True)
    with pytest.raises(rds.exceptions.DBInstanceNotFoundFault):
        rds.describe_db_instances(DBInstanceIdentifier=COPY)
    with socket.socket() as door:
        assert door.connect_ex(("127.0.0.1", address["Port"])) == errno.ECONNREFUSED
