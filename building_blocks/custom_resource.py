"""What the functions behind custom resources have in common."""

from __future__ import annotations

from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_

from building_blocks.function import PythonFunction

PROVIDER_TIMEOUT_SECONDS: Final = 90
"""For a few short calls, some of them repeated, and the tries of CloudFormation's protocol."""


def service_timeout(function_seconds: int = PROVIDER_TIMEOUT_SECONDS) -> Duration:
    """How long CloudFormation waits: past the function's end and what precedes its start."""
    return Duration.seconds(function_seconds + 60)


def try_once(provider: PythonFunction) -> lambda_.EventInvokeConfig:
    """Lambda tries an invocation that failed or ran out of time twice more. CloudFormation has
    given up by then: a second try would run beside the rollback, whose own request it would keep
    waiting. So the custom resource depends on what is returned."""
    return lambda_.EventInvokeConfig(
        provider, "TriedOnce", function=provider.function, retry_attempts=0
    )
