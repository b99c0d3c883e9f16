"""Deploys PaymentsProd into the emulator with the real CDK command line."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from config import PRODUCTION, STACKS
from local import aws, execution_role

PROJECT = Path(__file__).resolve().parent.parent
STACK = STACKS[PRODUCTION]
CDK = PROJECT / "node_modules" / ".bin" / "cdk"
LAST_LINES = 25


@dataclass(frozen=True)
class Failure:
    """A resource that could not be made, changed or deleted."""

    stack: str
    resource: str
    resource_type: str
    reason: str


class DeploymentError(Exception):
    """The CDK command line failed.

    failures: what CloudFormation says went wrong, the root cause first; empty if it did not
        come that far.
    last_lines: the end of the CDK's output.
    """

    def __init__(self, what: str, failures: Sequence[Failure], last_lines: Sequence[str]) -> None:
        super().__init__(what)
        self.failures = failures
        self.last_lines = last_lines


class Cdk:
    """The pinned CDK command line, pointed at an emulator and at nothing else."""

    def __init__(self, endpoint: str, directory: Path, environment: Mapping[str, str]) -> None:
        """
        Args:
            directory: for its log and its cloud assembly.
            environment: the user's; what of it could lead to real AWS is left out.
        """
        self._endpoint = endpoint
        self._directory = directory.absolute()
        self._environment = environment
        self._process: subprocess.Popen[str] | None = None

    @property
    def log_file(self) -> Path:
        return self._directory / "cdk.log"

    def bootstrap(self, tell: Callable[[str], None], stack: str | None = STACK) -> None:
        """Prepare the emulator's account for deployments of a stack; None: of any, by an
        administrator's role (raises DeploymentError)."""
        # Away from cdk.json: with the account named, no app need be synthesized.
        arguments = ["bootstrap", f"aws://{aws.ACCOUNT}/{aws.REGION}"]
        arguments += (
            execution_role.prepare(self._endpoint, stack)
            if stack is not None
            else ["--cloudformation-execution-policies", aws.ADMINISTRATOR]
        )
        self._run(arguments, tell, stack="CDKToolkit", directory=self._directory)

    def deploy(
        self, tell: Callable[[str], None], stack: str = STACK, context: Sequence[str] = ()
    ) -> None:
        """Deploy the app with these settings (raises DeploymentError); `tell` gets each line of
        output."""
        arguments = ["deploy", stack, "--require-approval", "never", "--progress", "events"]
        arguments += ["--output", str(self._directory / "cdk.out")]
        arguments += [argument for each in context for argument in ("--context", each)]
        self._run(arguments, tell, stack=stack, directory=PROJECT)

    def stop(self) -> None:
        """End a command that is running, with what it has started."""
        if self._process is not None and self._process.poll() is None:
            kill(self._process)

    def _run(
        self, arguments: Sequence[str], tell: Callable[[str], None], *, stack: str, directory: Path
    ) -> None:
        if not CDK.exists():
            raise DeploymentError("the CDK command line is not installed: run `make setup`", [], [])
        begin = datetime.now(UTC)
        environment = cdk_environment(self._environment, self._endpoint, self._directory)
        self._process = start_cdk(arguments, environment, directory, subprocess.PIPE)
        lines = []
        assert self._process.stdout is not None
        with self.log_file.open("a", encoding="utf-8") as log:
            for line in self._process.stdout:
                log.write(line)
                lines.append(line.rstrip())
                tell(line.rstrip())
        if self._process.wait() != 0:
            found = list(failures(self._endpoint, stack, begin))
            raise DeploymentError(f"`cdk {arguments[0]}` failed", found, lines[-LAST_LINES:])


def start_cdk(
    arguments: Sequence[str], environment: Mapping[str, str], directory: Path, output: int | IO[str]
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(CDK), *arguments, "--no-notices", "--ci", "--no-color"],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,  # so that `kill` reaches what it starts
    )


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL for it and all that it started: nothing of it can tidy up."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def cdk_environment(own: Mapping[str, str], endpoint: str, directory: Path) -> dict[str, str]:
    """The variables with which the CDK command line reaches an emulator, and nothing else.

    Args:
        own: the user's; what of it could lead to real AWS is left out.
        directory: for what the CDK keeps.
    """
    kept = {name: value for name, value in own.items() if not name.startswith(("AWS_", "CDK_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    return {
        **kept,
        **aws.environment(endpoint),
        "PATH": path,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "CDK_HOME": str(directory / "cdk-home"),
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "true",
    }


def failures(endpoint: str, stack: str, since: datetime) -> Iterator[Failure]:
    """What failed in the stack and its nested stacks, oldest first: the rest are consequences."""
    cloudformation: Any = aws.client("cloudformation", endpoint)
    events = []
    with contextlib.suppress(cloudformation.exceptions.ClientError):
        for page in cloudformation.get_paginator("list_stacks").paginate():
            for summary in page["StackSummaries"]:
                if summary["StackName"] == stack or summary["StackName"].startswith(f"{stack}-"):
                    events += _failed_events(cloudformation, summary["StackId"], since)
    seen = set()
    for event in sorted(events, key=lambda event: event["Timestamp"]):
        name = event["StackName"].removeprefix(f"{stack}-").rsplit("-", 1)[0]
        failure = Failure(
            name,
            event["LogicalResourceId"],
            event["ResourceType"],
            event["ResourceStatusReason"],
        )
        if failure not in seen:
            seen.add(failure)
            yield failure


def _failed_events(cloudformation: Any, stack_id: str, since: datetime) -> list[dict[str, Any]]:
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id)
    return [
        event
        for page in pages
        for event in page["StackEvents"]
        if event["ResourceStatus"].endswith("_FAILED")
        and event.get("ResourceStatusReason")
        # The emulator's times are whole seconds.
        and event["Timestamp"] >= since.replace(microsecond=0)
        and event["LogicalResourceId"] != event["StackName"]
        # A nested stack's own events tell it better.
        and not event["ResourceStatusReason"].startswith("Embedded stack")
    ]
