"""termination-protection: Custom::TerminationProtection, for the rollback of a first deployment.

ResourceProperties: StackId, of the root stack. Create and Update do nothing. Delete lifts the
stack's termination protection if its creation is being rolled back, and only then: what is left
of it is an empty record. In any other Delete (an update that takes the resource away, the rollback
of an update that brought it, the deletion of the stack) production may stand, and it does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger
from botocore.config import Config

from custom_resource.protocol import answer

SHORT = Config(
    connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2}
)

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: Any) -> None:
    answer(event, context, "termination-protection", {"Delete": _lift})


def _lift(properties: Mapping[str, Any]) -> None:
    lift_if_rolled_back(boto3.client("cloudformation", config=SHORT), properties["StackId"])


def lift_if_rolled_back(cloudformation: Any, stack_id: str) -> None:
    """Lift the termination protection of a stack whose creation is being rolled back."""
    (stack,) = cloudformation.describe_stacks(StackName=stack_id)["Stacks"]
    status = stack["StackStatus"]
    lifted = status == "ROLLBACK_IN_PROGRESS"
    if lifted:
        cloudformation.update_termination_protection(
            StackName=stack_id, EnableTerminationProtection=False
        )
    logger.info("deleted", extra={"stack": stack_id, "status": status, "lifted": lifted})
