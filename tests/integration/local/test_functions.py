"""Functions in the embedded environment: their surroundings, their logs, their permissions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from local import aws
from tests.environment import PROJECT, Environment, wait_for
from tests.probe import Call, Probe, Statement, allow, deny, make_role

Function = Callable[..., Probe]


@pytest.fixture
def function(environment: Environment) -> Function:
    """Make a probe with a role of these statements."""

    def make(*statements: Statement, boundary: Sequence[Statement] = ()) -> Probe:
        return Probe(environment, make_role(environment, *statements, boundary=boundary))

    return make


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
    "PYTHONUTF8",  # set for them: text is UTF-8 in Lambda
    "TZ",
    # the embedded environment's: where AWS is, and the database's certificate authority
    "AWS_ENDPOINT_URL",
    "AWS_DISABLE_HOST_PREFIX_INJECTION",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "LEDGER_CA_FILE",
    # its resolver, which knows of names that are gone
    "PYTHONPATH",
    "LOCAL_UNKNOWN_NAMES",
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
    seen = function().variables()
    assert set(seen) <= ALLOWED_VARIABLES
    assert (seen["OWN"], seen["AUTH"]) == ("variable", "of the function")
    assert seen["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert seen["PYTHONUTF8"] == "1"


def test_what_a_function_prints_and_logs_is_in_cloudwatch_logs(
    environment: Environment, function: Function
) -> None:
    probe = function()
    probe.variables()
    logs = environment.client("logs")

    def messages() -> str:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{probe.name}")["events"]
        return "\n".join(event["message"] for event in found)

    wait_for(lambda: "printed" in messages() and "warned" in messages(), seconds=10)


# -- IAM is enforced -------------------------------------------------------------------------


def _put(bucket: str, key: str = "a/1") -> Call:
    return ["s3", "put_object", {"Bucket": bucket, "Key": key, "Body": "x"}]


def test_a_role_may_do_what_its_policy_allows_and_no_more(function: Function, bucket: str) -> None:
    arn = f"arn:aws:s3:::{bucket}/a/*"
    probe = function(allow("s3:PutObject", arn))
    assert probe.attempt(_put(bucket)) == "done"
    assert "AccessDenied" in probe.attempt(_put(bucket, "b/1"))
    assert "AccessDenied" in probe.attempt(["s3", "get_object", {"Bucket": bucket, "Key": "a/1"}])
    assert "AccessDenied" in probe.attempt(["dynamodb", "list_tables", {}])


def test_an_explicit_deny_wins(function: Function, bucket: str) -> None:
    probe = function(allow("s3:*"), deny("s3:Put*", f"arn:aws:s3:::{bucket}/b/*"))
    assert probe.attempt(_put(bucket)) == "done"
    assert "AccessDenied" in probe.attempt(_put(bucket, "b/1"))


def test_a_permissions_boundary_limits(function: Function, bucket: str) -> None:
    probe = function(allow("s3:*"), boundary=[allow("s3:PutObject")])
    assert probe.attempt(_put(bucket)) == "done"
    assert "AccessDenied" in probe.attempt(["s3", "get_object", {"Bucket": bucket, "Key": "a/1"}])


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
    statement = allow("s3:PutObject")
    probe = function({**statement, "Condition": condition})
    assert (probe.attempt(_put(bucket)) == "done") is allowed


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
