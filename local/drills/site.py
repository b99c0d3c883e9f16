"""Where drills take place: an emulator of their own, and the CDK command line pointed at it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from local import aws, execution_role
from local.deployed import Deployment
from local.deployment import PROJECT, STACK, cdk_environment, kill, start_cdk
from local.drills.releases import GOOD, Release
from local.postgres import free_port

START_SECONDS = 60.0
STOP_SECONDS = 60.0
# Of a deployment, on a machine that does other things besides; a custom resource's limit is 360.
DEPLOY_SECONDS = 600.0
POLL_SECONDS = 0.2
SYNTHESES_AT_ONCE = 2


class SiteError(Exception):
    """The drill could not take place; the text says why."""


@dataclass(frozen=True)
class Done:
    """A command of the CDK that has ended."""

    code: int
    output: str

    @property
    def succeeded(self) -> bool:
        return self.code == 0

    @property
    def document(self) -> dict[str, Any]:
        """What `--json` printed, after whatever was said before."""
        told: dict[str, Any] = json.loads(self.output[self.output.index("{") :])
        return told

    @property
    def told(self) -> str:
        """The end of what it said, if it failed."""
        return "done" if self.succeeded else self.output[-500:]

    def require(self) -> Done:
        """Raises SiteError unless it succeeded."""
        if not self.succeeded:
            raise SiteError(f"the CDK ended with {self.code}:\n{self.output[-4000:]}")
        return self


class Running:
    """A command of the CDK that runs."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        kill(self._process)

    def wait(self, seconds: float = DEPLOY_SECONDS) -> Done:
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise SiteError(f"the CDK did not end within {seconds:.0f} s") from None
        return Done(code, self._log.read_text(encoding="utf-8", errors="replace"))


class Site:
    """A running emulator; all that it and the drills keep is under `directory`."""

    def __init__(self, endpoint: str, directory: Path) -> None:
        self.endpoint = endpoint
        self.directory = directory
        self._commands = 0
        self._syntheses = ThreadPoolExecutor(SYNTHESES_AT_ONCE)
        self._assemblies: dict[str, Future[Path]] = {}

    def client(self, service: str) -> Any:
        return aws.client(service, self.endpoint)

    def find(self) -> Deployment:
        """What is deployed."""
        return Deployment.find(self.endpoint, self.directory / "rds-ca.pem")

    def prepare(self, release: Release) -> Future[Path]:
        """Begin to synthesize a release, which is done once."""
        if release.name not in self._assemblies:
            self._assemblies[release.name] = self._syntheses.submit(self._synthesize, release)
        return self._assemblies[release.name]

    def start_deploying(self, release: Release) -> Running:
        """`cdk deploy` of a release, which is synthesized already when it starts."""
        app = ["--app", str(self.prepare(release).result())]
        return self.start("deploy", STACK, *app, "--require-approval", "never")

    def deploy(self, release: Release) -> Done:
        return self.start_deploying(release).wait()

    def ensure_deployed(self) -> None:
        """Deploy the good release unless it is: an update without changes takes seconds."""
        self.deploy(GOOD).require()

    def lift_termination_protection(self) -> None:
        """What `aws cloudformation update-termination-protection` does."""
        self.client("cloudformation").update_termination_protection(
            StackName=STACK, EnableTerminationProtection=False
        )

    def destroy(self) -> Done:
        app = ["--app", str(self.prepare(GOOD).result())]
        return self.start("destroy", STACK, *app, "--force").wait()

    def operate(self, release: Release, *arguments: str) -> Done:
        """A command of the operator's tool, with a release's templates."""
        return self.ops(*arguments, "--assembly", str(self.prepare(release).result()))

    def ops(self, *arguments: str) -> Done:
        """A command of the operator's tool."""
        return self._run(sys.executable, "-m", "ops", *arguments)

    def told(self, *arguments: str) -> dict[str, Any]:
        """What a command of the operator's tool tells programs."""
        return self.ops(*arguments, "--json").document

    def problems(self) -> list[dict[str, str]]:
        """What `verify` finds."""
        checks = self.told("verify", "--no-drift")["checks"]
        return [each for each in checks if each["verdict"] == "problem"]

    def reconcile(self, begin: datetime, *options: str) -> dict[str, Any]:
        """What `reconcile` tells of all that was posted since."""
        return self.told("reconcile", f"--from={begin:%Y-%m-%dT%H:%M:%SZ}", "--grace=0", *options)

    def paste(self, script: str) -> Done:
        """What somebody pastes into one bash, piece by piece: variables stay. It ends with the
        first command that fails."""
        variables = self.directory / "pasted"
        variables.touch()
        lines = (f". {variables}", "set -aeu", script, f"export -p > {variables}")
        return self._run("bash", "-c", "\n".join(lines))

    def _run(self, *command: str) -> Done:
        ended = subprocess.run(
            command,
            cwd=PROJECT,
            env=cdk_environment(os.environ, self.endpoint, self.directory),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=DEPLOY_SECONDS,
            check=False,
        )
        return Done(ended.returncode, ended.stdout + ended.stderr)

    def start(self, *arguments: str, directory: Path = PROJECT) -> Running:
        """Start a command of the CDK as a user would."""
        self._commands += 1
        log = self.directory / f"cdk-{self._commands:02}-{arguments[0]}.log"
        environment = cdk_environment(os.environ, self.endpoint, self.directory)
        with log.open("w", encoding="utf-8") as output:
            process = start_cdk(arguments, environment, directory, output)
        return Running(process, log)

    def close(self) -> None:
        self._syntheses.shutdown(cancel_futures=True)

    def _synthesize(self, release: Release) -> Path:
        assembly = self.directory / f"assembly-{release.name}"
        python = f"python -m local.drills.app {release.fault}"
        context = [f"--context={key}={value}" for key, value in release.context.items()]
        sources = release.sources(self.directory)
        arguments = ["--app", python, "--output", str(assembly), "--quiet", *context]
        self.start("synth", STACK, *arguments, directory=sources).wait().require()
        return assembly


@contextlib.contextmanager
def open_site(directory: Path, *, keeps: bool = False) -> Iterator[Site]:
    """An emulator, bootstrapped for the CDK, until the end of the block.

    Args:
        keeps: of local.nested_stacks.NestedStack.

    Raises:
        SiteError: it did not start.
    """
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    with (directory / "launcher.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "local", "serve"),
                *("--port", str(port), "--state-dir", str(directory)),
                *(["--rollback-keeps"] if keeps else []),
            ],
            cwd=PROJECT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    site = Site(f"http://127.0.0.1:{port}", directory)
    try:
        wait_until(lambda: (directory / "env").exists() or process.poll() is not None)
        if process.poll() is not None:
            words = (directory / "launcher.log").read_text(encoding="utf-8", errors="replace")
            raise SiteError(f"the emulator did not start:\n{words}")
        account = f"aws://{aws.ACCOUNT}/{aws.REGION}"
        # Away from cdk.json: with the account named, no app need be synthesized.
        policies = execution_role.prepare(site.endpoint)
        site.start("bootstrap", account, *policies, directory=directory).wait().require()
        yield site
    finally:
        site.close()
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(condition: Callable[[], bool], seconds: float = START_SECONDS) -> None:
    """Raises SiteError if the condition does not hold within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SiteError(f"waited {seconds:.0f} s in vain")
        time.sleep(POLL_SECONDS)
