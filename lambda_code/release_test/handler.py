"""release-test: tries new versions before clients reach them, as CodeDeploy's BeforeAllowTraffic
hook.

A version that is newer than the one behind its function's alias is called once, with a request that
moves no money. It fails if it raises, runs out of time or answers with 5xx, and the version in
service does not: a fault behind both is no reason to stay on the older one. On the way back nothing
is newer, so that no test is in its way.

Environment: FUNCTIONS, a JSON array of names; ALIAS.
"""

from __future__ import annotations

import json
import os
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger
from botocore.config import Config

from release_test.trial import newer_version, works

# Seconds: longer than a payment function may take. A call that was not answered is not made again.
LONGEST_CONNECT, LONGEST_CALL = 3, 35
INVOKE = Config(
    connect_timeout=LONGEST_CONNECT, read_timeout=LONGEST_CALL, retries={"total_max_attempts": 1}
)
ASK = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "max_attempts": 4})

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: Any) -> None:  # noqa: ARG001
    """Tell CodeDeploy whether the deployment may go on.

    All functions are looked at, whichever the deployment is of: a release is one, and goes back as
    one. Whether one is newer could not be seen: then it goes on to the canary, whose alarms stand
    behind this, since it may be the way back. What is newer and could not be tried has failed.
    """
    lambda_ = boto3.client("lambda", config=ASK)
    names, alias = json.loads(os.environ["FUNCTIONS"]), os.environ["ALIAS"]
    failed = []
    for name in names:
        try:
            newer = newer_version(lambda_, name, alias)
        except Exception:
            logger.exception("not known whether a version is new", extra={"function": name})
            continue
        if newer is not None and not works(boto3.client("lambda", config=INVOKE), name, *newer):
            failed.append(name)
    logger.info("release tried", extra={"failed": failed})
    boto3.client("codedeploy", config=ASK).put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status="Failed" if failed else "Succeeded",
    )
