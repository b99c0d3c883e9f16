"""default-security-group: Custom::DefaultSecurityGroup strips a VPC's default group of all rules.

ResourceProperties: DefaultSecurityGroupId. Create and Update revoke every rule, none left is
success too; Delete does nothing, since rules that were never wanted need no restoring.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger
from botocore.config import Config
from botocore.exceptions import ClientError

from custom_resource.protocol import answer

# Seconds that a policy which was just made may take to be known to EC2, and between two tries.
PATIENCE, PAUSE = 20.0, 2.0
SHORT = Config(
    connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2}
)

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: Any) -> None:
    answer(event, context, "default-security-group", {"Create": _strip, "Update": _strip})


def _strip(properties: Mapping[str, Any]) -> None:
    ec2 = boto3.client("ec2", config=SHORT)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            strip_rules(ec2, properties["DefaultSecurityGroupId"])
            return
        except ClientError as error:
            refused = error.response["Error"]["Code"] == "UnauthorizedOperation"
            if not refused or time.monotonic() >= deadline:
                raise
            logger.warning("not allowed yet", extra={"reason": str(error)})
            time.sleep(PAUSE)


def strip_rules(ec2: Any, group_id: str) -> None:
    """Revoke all ingress and egress rules of a group."""
    pages = ec2.get_paginator("describe_security_group_rules").paginate(
        Filters=[{"Name": "group-id", "Values": [group_id]}]
    )
    rules = [rule for page in pages for rule in page["SecurityGroupRules"]]
    for egress, revoke in (
        (False, ec2.revoke_security_group_ingress),
        (True, ec2.revoke_security_group_egress),
    ):
        ids = [rule["SecurityGroupRuleId"] for rule in rules if rule["IsEgress"] is egress]
        if ids:
            revoke(GroupId=group_id, SecurityGroupRuleIds=ids)
            logger.info("rules revoked", extra={"group": group_id, "rules": ids})
