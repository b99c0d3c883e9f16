"""default-security-group: Custom::DefaultSecurityGroup strips a VPC's default group of all rules.

ResourceProperties: DefaultSecurityGroupId. Create and Update revoke every rule, look again, and
succeed once EC2 shows none; Delete does nothing, since rules that were never wanted need no
restoring.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger
from botocore.config import Config
from botocore.exceptions import ClientError

from custom_resource.patience import patiently
from custom_resource.protocol import answer

# Seconds that a policy which was just made may take to be known to EC2, or rules to be gone, and
# between two tries.
PATIENCE, PAUSE = 20.0, 2.0
SHORT = Config(
    connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2}
)

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: Any) -> None:
    answer(event, context, "default-security-group", {"Create": _strip, "Update": _strip})


class RulesLeftError(Exception):
    """EC2 took the orders to revoke, and still shows rules."""


# A rule that a look shows may be gone by the time it is to be revoked: the next look tells.
_PASSES = ("UnauthorizedOperation", "InvalidSecurityGroupRuleId.NotFound")


def _strip(properties: Mapping[str, Any]) -> None:
    ec2 = boto3.client("ec2", config=SHORT)
    group = properties["DefaultSecurityGroupId"]

    def strip() -> None:
        if left := strip_rules(ec2, group):
            raise RulesLeftError(f"{group} still has the rules {', '.join(left)}")

    patiently(strip, may_pass=_may_pass, patience=PATIENCE, pause=PAUSE, not_yet="not empty yet")


def _may_pass(error: Exception) -> bool:
    if isinstance(error, ClientError):
        return error.response["Error"]["Code"] in _PASSES
    return isinstance(error, RulesLeftError)


def strip_rules(ec2: Any, group_id: str) -> list[str]:
    """Revoke all ingress and egress rules of a group.

    Returns:
        the rules that a look afterwards shows: EC2 is eventually consistent, and who else is at
        work on the group is not known.
    """
    rules = _rules(ec2, group_id)
    for egress, revoke in (
        (False, ec2.revoke_security_group_ingress),
        (True, ec2.revoke_security_group_egress),
    ):
        ids = [rule["SecurityGroupRuleId"] for rule in rules if rule["IsEgress"] is egress]
        if ids:
            revoke(GroupId=group_id, SecurityGroupRuleIds=ids)
            logger.info("rules revoked", extra={"group": group_id, "rules": ids})
    return [rule["SecurityGroupRuleId"] for rule in _rules(ec2, group_id)]


def _rules(ec2: Any, group_id: str) -> list[dict[str, Any]]:
    pages = ec2.get_paginator("describe_security_group_rules").paginate(
        Filters=[{"Name": "group-id", "Values": [group_id]}]
    )
    return [rule for page in pages for rule in page["SecurityGroupRules"]]
