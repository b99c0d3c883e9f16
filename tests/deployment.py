"""PaymentsProd, deployed by the real command line into an emulator of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local import aws
from local.deployed import Deployment
from local.deployment import Cdk
from tests.environment import PROJECT, Environment, serving
from tests.set_up import SetUpError

DEPLOY_SECONDS = 600
MONITORED_BEFORE = "RDSOSMetrics"


@dataclass(frozen=True)
class Production:
    """The environment and what is deployed in it."""

    environment: Environment
    deployment: Deployment

    def client(self, service: str) -> Any:
        return self.environment.client(service)

    @property
    def outputs(self) -> dict[str, str]:
        return self.deployment.outputs

    def cdk(self, *arguments: str) -> str:
        """Run `npx cdk` as a user would; what it printed."""
        return _cdk(self.environment, *arguments)

    @property
    def assembly(self) -> Path:
        """What was deployed last."""
        return _assembly(self.environment)

    def deploy(self, **context: object) -> str:
        arguments = [f"--context={name}={value}" for name, value in context.items()]
        return self.cdk("deploy", "PaymentsProd", "--require-approval", "never", *arguments)

    def function(self, name: str) -> dict[str, object]:
        """GetFunctionConfiguration."""
        found: dict[str, object] = self.client("lambda").get_function_configuration(
            FunctionName=name
        )
        return found


def _cdk(environment: Environment, *arguments: str) -> str:
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    own["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), own.get("PATH", os.defpath)])
    assembly = ["--output", str(_assembly(environment))]
    done = subprocess.run(
        ["npx", "--no-install", "cdk", *arguments, *assembly, "--no-notices"],
        cwd=PROJECT,
        env={**own, **aws.environment(environment.endpoint), "CDK_DISABLE_CLI_TELEMETRY": "true"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEPLOY_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise SetUpError(environment.directory / "deployment", done.stdout[-8000:])
    return done.stdout


def _assembly(environment: Environment) -> Path:
    return environment.directory / "cdk.out"


def bootstrap(environment: Environment, stack: str | None = "PaymentsProd") -> None:
    Cdk(environment.endpoint, environment.directory, os.environ).bootstrap(lambda _: None, stack)


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    with serving(tmp_path_factory.mktemp("production")) as environment:
        bootstrap(environment)
        # As an account has it in which another database was monitored before.
        logs = environment.client("logs")
        logs.create_log_group(logGroupName=MONITORED_BEFORE, tags={"Owner": "reporting"})
        logs.put_retention_policy(logGroupName=MONITORED_BEFORE, retentionInDays=30)
        _cdk(environment, "deploy", "PaymentsProd", "--require-approval", "never")
        deployment = Deployment.find(environment.endpoint, environment.ca_file)
        yield Production(environment, deployment)
