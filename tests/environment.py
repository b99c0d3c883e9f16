"""The embedded environment as a test fixture: `python -m local serve` in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil  # type: ignore[import-untyped]

from local import aws
from local.postgres import free_port

PROJECT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
STOP_SECONDS = 60.0
NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Environment:
    """A running emulator; everything it keeps is under `directory`."""

    endpoint: str
    directory: Path
    process: subprocess.Popen[str]

    @property
    def ca_file(self) -> Path:
        return self.directory / "rds-ca.pem"

    def client(self, service: str) -> Any:
        return aws.client(service, self.endpoint)


@contextlib.contextmanager
def serving(directory: Path, variables: Mapping[str, str] = NONE) -> Iterator[Environment]:
    """Serve until the end of the block; then it must end by itself and leave no process.

    Args:
        variables: of its environment, besides ours.
    """
    port = free_port()
    output = directory / "output"
    (directory / "env").unlink(missing_ok=True)  # of one that was killed
    command = [sys.executable, "-m", "local", "serve"]
    command += ["--port", str(port), "--state-dir", str(directory)]
    with output.open("w") as stream:
        process = subprocess.Popen(
            command,
            env={**os.environ, **variables},
            cwd=PROJECT,
            stdout=stream,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        wait_for(lambda: (directory / "env").exists() or process.poll() is not None)
        assert process.poll() is None, output.read_text()
        yield Environment(f"http://127.0.0.1:{port}", directory, process)
        started = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        code = process.wait(STOP_SECONDS)
        assert code == 0, output.read_text()
        _, left = psutil.wait_procs(started, timeout=5)
        assert not left
    finally:
        process.kill()
        process.wait()


def wait_for(condition: Any, seconds: float = START_SECONDS) -> None:
    """Wait until `condition()` is true; an AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def resource(type_: str, **properties: Any) -> dict[str, Any]:
    """Of a template; the type without its `AWS::`."""
    return {"Type": f"AWS::{type_}", "Properties": properties}


class Stack:
    """A CloudFormation stack of a test."""

    def __init__(self, environment: Environment, name: str = "test") -> None:
        self.environment = environment
        self._cloudformation = environment.client("cloudformation")
        self.name = f"{name}-{uuid.uuid4().hex[:12]}"

    def client(self, service: str) -> Any:
        return self.environment.client(service)

    def create(
        self, resources: dict[str, Any], outputs: dict[str, Any] | None = None, **options: Any
    ) -> str:
        """Create it; the status it ends in."""
        body = _body(resources, outputs)
        self._cloudformation.create_stack(StackName=self.name, **body, **options)
        return self.settled()

    def update(self, resources: dict[str, Any], outputs: dict[str, Any] | None = None) -> str:
        self._cloudformation.update_stack(StackName=self.name, **_body(resources, outputs))
        return self.settled()

    def delete(self) -> str:
        stack_id = self.describe()["StackId"]
        self._cloudformation.delete_stack(StackName=self.name)
        return self.settled(stack_id)

    def describe(self, name: str | None = None) -> dict[str, Any]:
        found = self._cloudformation.describe_stacks(StackName=name or self.name)
        stack: dict[str, Any] = found["Stacks"][0]
        return stack

    def settled(self, name: str | None = None) -> str:
        status = ""

        def is_settled() -> bool:
            nonlocal status
            status = self.describe(name)["StackStatus"]
            return not status.endswith("IN_PROGRESS")

        wait_for(is_settled)
        return status

    def outputs(self) -> dict[str, str]:
        outputs = self.describe().get("Outputs", [])
        return {output["OutputKey"]: output["OutputValue"] for output in outputs}

    def physical_id(self, logical_id: str) -> str:
        found = self._cloudformation.describe_stack_resource(
            StackName=self.name, LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def reasons(self) -> list[str]:
        """Why resources failed, newest first."""
        events = self._cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        return [
            event.get("ResourceStatusReason", "")
            for event in events
            if event["ResourceStatus"].endswith("_FAILED")
        ]


def _body(resources: dict[str, Any], outputs: dict[str, Any] | None) -> dict[str, Any]:
    template: dict[str, Any] = {"Resources": resources}
    if outputs:
        template["Outputs"] = {name: {"Value": value} for name, value in outputs.items()}
    return {"TemplateBody": json.dumps(template), "Capabilities": ["CAPABILITY_NAMED_IAM"]}
