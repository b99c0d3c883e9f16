"""A function that tells what its role lets it do, and what it sees."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from collections.abc import Sequence
from typing import Any

from tests.environment import Environment

CODE = """
import json, logging, os, boto3
def handle(event, context):
    print("printed")
    logging.getLogger("handler").warning("warned")
    calls = event["calls"]
    return dict(os.environ) if calls is None else [attempt(*call) for call in calls]
def attempt(service, operation, arguments, region=None):
    try:
        getattr(boto3.client(service, region_name=region), operation)(**arguments)
    except Exception as error:
        return type(error).__name__ + ": " + str(error)
    return "done"
"""

LAMBDA = {
    "Effect": "Allow",
    "Action": "sts:AssumeRole",
    "Principal": {"Service": "lambda.amazonaws.com"},
}

Statement = dict[str, Any]
# [service, operation, arguments] and, if it is another than the function's, the region.
Call = list[Any]

TIMEOUT_SECONDS = 50


def allow(action: str | list[str], resource: Any = "*", **more: Any) -> Statement:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str | list[str], resource: Any = "*", **more: Any) -> Statement:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def policy(*statements: Statement) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def document(*statements: Statement) -> str:
    """A policy of these statements, as APIs take it."""
    return json.dumps(policy(*statements))


def make_role(
    environment: Environment, *statements: Statement, boundary: Sequence[Statement] = ()
) -> str:
    """Make a role for functions, with a policy of these statements; its ARN."""
    name, iam = f"probe-{uuid.uuid4().hex[:8]}", environment.client("iam")
    options = {}
    if boundary:
        made = iam.create_policy(PolicyName=name, PolicyDocument=document(*boundary))
        options = {"PermissionsBoundary": made["Policy"]["Arn"]}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(LAMBDA), **options)
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document(*statements))
    return str(role["Role"]["Arn"])


class Probe:
    """A function with this role, which makes calls to AWS and tells what came of them."""

    def __init__(self, environment: Environment, role_arn: str) -> None:
        self.name = f"probe-{uuid.uuid4().hex[:8]}"
        self._functions = environment.client("lambda")
        self._functions.create_function(
            FunctionName=self.name,
            Runtime="python3.14",
            Architectures=["arm64"],
            Handler="index.handle",
            Role=role_arn,
            Code={"ZipFile": _bundle()},
            Timeout=TIMEOUT_SECONDS,
            Environment={"Variables": {"OWN": "variable", "AUTH": "of the function"}},
        )

    def variables(self) -> dict[str, str]:
        """Its environment variables."""
        seen: dict[str, str] = self._invoke(None)
        return seen

    def attempt(self, call: Call) -> str:
        """Make one call: "done", or the error."""
        return self.attempt_all([call])[0]

    def attempt_all(self, calls: Sequence[Call]) -> list[str]:
        """Make calls, one after the other, whatever comes of each."""
        answers: list[str] = self._invoke(calls)
        return answers

    def _invoke(self, calls: Sequence[Call] | None) -> Any:
        event = json.dumps({"calls": calls}).encode()
        answer = self._functions.invoke(FunctionName=self.name, Payload=event)
        content = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, content
        return content


def _bundle() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as bundle:
        bundle.writestr("index.py", CODE)
    return content.getvalue()
