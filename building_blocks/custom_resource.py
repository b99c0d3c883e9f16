"""What the functions behind custom resources have in common."""

from __future__ import annotations

from aws_cdk import aws_lambda as lambda_

from building_blocks.function import PythonFunction


def try_once(provider: PythonFunction) -> None:
    """Lambda tries an invocation that failed or ran out of time twice more. CloudFormation has
    given up by then: a second try would run beside the rollback, whose own request it would keep
    waiting."""
    lambda_.EventInvokeConfig(provider, "TriedOnce", function=provider.function, retry_attempts=0)
