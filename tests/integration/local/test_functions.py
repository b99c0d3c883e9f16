"""Functions in the embedded environment: their surroundings, their logs, their permissions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from local import aws
from tests.environment import PROJECT, Environment, wait_for
from tests.probe import Call, make_probe

Function = Callable[..., tuple[str, Callable[[Call], Any]]]


@pytest.fixture
def function(environment: Environment) -> Function:
    """Make a probe with a role of these statements."""

    def make(
        *statements: dict[str, Any], boundary: list[dict[str, Any]] | None = None
    ) -> tuple[str, Callable[[Call], Any]]:
        name, iam = f"probe-{uuid.uuid4().hex[:8]}", environment.client("iam")
        trust: dict[str, Any] = {"Effect": "Allow", "Action": "sts:AssumeRole"}
        trust["Principal"] = {"Service": "lambda.amazonaws.com"}
        options = {}
        if boundary:
            policy = iam.create_policy(PolicyName=name, PolicyDocument=_document(boundary))
            options = {"PermissionsBoundary": policy["Policy"]["Arn"]}
        role = iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=_document([trust]), **options
        )
        if statements:
            iam.put_role_policy(
                RoleName=name, PolicyName="own", PolicyDocument=_document(list(statements))
            )
        return make_probe(environment, role["Role"]["Arn"])

    return make


def _document(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


ALLOWED_VARIABLES = {
    # Lambda's own
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "LAMBDA_TASK_ROOT",
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    # the embedded environment's: where AWS is, and the database's certificate authority
    "AWS_ENDPOINT_URL",
    "AWS_DISABLE_HOST_PREFIX_INJECTION",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "LEDGER_CA_FILE",
    "PYTHONDONTWRITEBYTECODE",
    "TMPDIR",
    "_LAMBDA_FUNCTION_ARN",
    "_LAMBDA_TIMEOUT",
    "_MINISTACK_INVOKE_DEPTH",
    # the function's
    "OWN",
    "AUTH",
}


def test_nothing_of_the_host_reaches_a_function(function: Function) -> None:
    _, invoke = function()
    seen = invoke(None)
    assert set(seen) <= ALLOWED_VARIABLES
    assert (seen["OWN"], seen["AUTH"]) == ("variable", "of the function")
    assert seen["AWS_ACCESS_KEY_ID"].startswith("ASIA")


def test_what_a_function_prints_and_logs_is_in_cloudwatch_logs(
    environment: Environment, function: Function
) -> None:
    name, invoke = function()
    invoke(None)
    logs = environment.client("logs")

    def messages() -> str:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        return "\n".join(event["message"] for event in found)

    wait_for(lambda: "printed" in messages() and "warned" in messages(), seconds=10)


# -- IAM is enforced -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bucket(environment: Environment) -> str:
    name = f"bucket-{uuid.uuid4().hex[:8]}"
    environment.client("s3").create_bucket(Bucket=name)
    return name


def _put(bucket: str, key: str = "a/1") -> Call:
    return ["s3", "put_object", {"Bucket": bucket, "Key": key, "Body": "x"}]


def test_a_role_may_do_what_its_policy_allows_and_no_more(function: Function, bucket: str) -> None:
    arn = f"arn:aws:s3:::{bucket}/a/*"
    _, invoke = function({"Effect": "Allow", "Action": "s3:PutObject", "Resource": arn})
    assert invoke(_put(bucket)) == "done"
    assert "AccessDenied" in invoke(_put(bucket, "b/1"))
    assert "AccessDenied" in invoke(["s3", "get_object", {"Bucket": bucket, "Key": "a/1"}])
    assert "AccessDenied" in invoke(["dynamodb", "list_tables", {}])


def test_a_role_without_a_policy_may_do_nothing(function: Function, bucket: str) -> None:
    _, invoke = function()
    assert "AccessDenied" in invoke(_put(bucket))


def test_an_explicit_deny_wins(function: Function, bucket: str) -> None:
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    deny = {"Effect": "Deny", "Action": "s3:Put*", "Resource": f"arn:aws:s3:::{bucket}/b/*"}
    _, invoke = function(allow, deny)
    assert invoke(_put(bucket)) == "done"
    assert "AccessDenied" in invoke(_put(bucket, "b/1"))


def test_a_permissions_boundary_limits(function: Function, bucket: str) -> None:
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    boundary = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}
    _, invoke = function(allow, boundary=[boundary])
    assert invoke(_put(bucket)) == "done"
    assert "AccessDenied" in invoke(["s3", "get_object", {"Bucket": bucket, "Key": "a/1"}])


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}, True),
        ({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, True),
        ({"StringEquals": {"aws:PrincipalAccount": aws.ACCOUNT}}, True),
        ({"StringEquals": {"aws:PrincipalAccount": "999999999999"}}, False),
    ],
)
def test_conditions_are_evaluated(
    function: Function, bucket: str, condition: dict[str, Any], allowed: bool
) -> None:
    statement = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}
    _, invoke = function({**statement, "Condition": condition})
    assert (invoke(_put(bucket)) == "done") is allowed


def test_unknown_credentials_are_refused(environment: Environment, bucket: str) -> None:
    program = "import boto3; boto3.client('s3').list_objects_v2(Bucket=" + repr(bucket) + ")"
    stranger = {
        **os.environ,
        **aws.environment(environment.endpoint),
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=stranger,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "InvalidAccessKeyId" in done.stderr


def test_it_listens_on_loopback_only(environment: Environment) -> None:
    launcher = psutil.Process(environment.process.pid)
    listening = [
        connection.laddr.ip
        for process in [launcher, *launcher.children(recursive=True)]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert set(listening) == {"127.0.0.1"}
