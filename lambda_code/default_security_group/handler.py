"""default-security-group: Custom::DefaultSecurityGroup strips a VPC's default group of all rules.

ResourceProperties: DefaultSecurityGroupId. Create and Update revoke every rule, none left is
success too; Delete does nothing, since rules that were never wanted need no restoring.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger

from custom_resource.protocol import answer

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: Any) -> None:
    answer(event, context, "default-security-group", {"Create": _strip, "Update": _strip})


def _strip(properties: Mapping[str, Any]) -> None:
    strip_rules(boto3.client("ec2"), properties["DefaultSecurityGroupId"])


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
