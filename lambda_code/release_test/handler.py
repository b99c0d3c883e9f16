"""release-test: tries a new version before clients reach it, as CodeDeploy's BeforeAllowTraffic
hook.

The version is called once, with a request that moves no money. It fails if it raises, runs out of
time or answers with 5xx, and the version in service does not: a fault behind both is no reason to
stay on the older one. On the way back, to a version that is not newer, nothing is tried: a failure
there would end in UPDATE_ROLLBACK_FAILED.
"""

from __future__ import annotations

from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger
from botocore.config import Config

from release_test.shift import Shift
from release_test.trial import works

# Seconds: longer than a payment function may take. A call that was not answered is not made again.
LONGEST_CONNECT, LONGEST_CALL, LONGEST_ANSWER, ASKED_AT_MOST = 3, 35, 5, 3
INVOKE = Config(
    connect_timeout=LONGEST_CONNECT, read_timeout=LONGEST_CALL, retries={"total_max_attempts": 1}
)
ASK = Config(
    connect_timeout=LONGEST_CONNECT,
    read_timeout=LONGEST_ANSWER,
    retries={"mode": "standard", "total_max_attempts": ASKED_AT_MOST},
)

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: Any) -> None:  # noqa: ARG001
    """Tell CodeDeploy whether the deployment may go on.

    Which way it goes could not be read: then it goes on to the canary, whose alarms stand behind
    this, since it may be the way back. A new version that could not be tried has failed.
    """
    codedeploy = boto3.client("codedeploy", config=ASK)
    try:
        shift = Shift.read(codedeploy, event["DeploymentId"])
    except Exception:
        logger.exception("not known which version is new")
        good = True
    else:
        good = not shift.is_forward or _works(shift)
        logger.info("asked", extra={"shift": str(shift), "good": good})
    codedeploy.put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status="Succeeded" if good else "Failed",
    )


def _works(shift: Shift) -> bool:
    try:
        return works(boto3.client("lambda", config=INVOKE), shift)
    except Exception:
        logger.exception("not tried", extra={"shift": str(shift)})
        return False
