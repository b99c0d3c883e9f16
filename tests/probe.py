"""A function that tells what its role lets it do, and what it sees."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from collections.abc import Callable
from typing import Any

from tests.environment import Environment

CODE = """
import json, logging, os, boto3
def handle(event, context):
    print("printed")
    logging.getLogger("handler").warning("warned")
    call = event["call"]
    if call is None:
        return dict(os.environ)
    service, operation, arguments = call
    try:
        getattr(boto3.client(service), operation)(**arguments)
    except Exception as error:
        return type(error).__name__ + ": " + str(error)
    return "done"
"""

# [service, operation, arguments]; None asks for the environment variables.
Call = list[Any] | None


def make_probe(environment: Environment, role_arn: str) -> tuple[str, Callable[[Call], Any]]:
    """Make a function with this role: its name, and how to let it make a call to AWS, which
    answers "done" or the error."""
    functions = environment.client("lambda")
    name = f"probe-{uuid.uuid4().hex[:8]}"
    functions.create_function(
        FunctionName=name,
        Runtime="python3.14",
        Architectures=["arm64"],
        Handler="index.handle",
        Role=role_arn,
        Code={"ZipFile": _bundle()},
        Timeout=30,
        Environment={"Variables": {"OWN": "variable", "AUTH": "of the function"}},
    )

    def invoke(call: Call) -> Any:
        event = json.dumps({"call": call})
        answer = functions.invoke(FunctionName=name, Payload=event.encode())
        return json.loads(answer["Payload"].read())

    return name, invoke


def _bundle() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as bundle:
        bundle.writestr("index.py", CODE)
    return content.getvalue()
