"""A log group of the account: kept as ours are, and left when the stack goes.

Sources: CreateLogGroup, PutRetentionPolicy, AssociateKmsKey, DisassociateKmsKey and TagResource in
the Amazon CloudWatch Logs API reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aws_lambda_powertools.logging import Logger
from botocore.exceptions import ClientError

from custom_resource.patience import patiently

PATIENCE, PAUSE = 20.0, 2.0
"""Seconds that a policy or key that was just made may take to be known, that AWS may be at work on
the group, and between two tries."""

_PASSES: Final = (
    "AccessDeniedException",
    "InvalidParameterException",
    "OperationAbortedException",
    "ResourceNotFoundException",
    "ServiceUnavailableException",
    "ThrottlingException",
)
"""CloudWatch Logs says of a key that it cannot use yet that the parameter is invalid; and somebody
may delete a group that was found."""

logger = Logger(child=True)


@dataclass(frozen=True, kw_only=True)
class LogGroup:
    name: str
    arn: str
    days: int
    key: str
    tags: Mapping[str, str]

    @classmethod
    def read(cls, properties: Mapping[str, Any]) -> LogGroup:
        """From ResourceProperties, in which CloudFormation makes every value a text."""
        return cls(
            name=properties["LogGroupName"],
            arn=properties["LogGroupArn"],
            days=int(properties["RetentionInDays"]),
            key=properties["KmsKeyId"],
            tags=properties["Tags"],
        )


def keep(logs: Any, group: LogGroup) -> None:
    """Make the group, or take it over, and give it what all groups of the app have.

    It is made without a look first: whoever else makes it in between is welcome.
    """
    _patiently(lambda: _keep(logs, group), group)


def leave(logs: Any, group: LogGroup) -> None:
    """Take the key off, if it is this one; what is gone, or under another key, needs nothing."""
    _patiently(lambda: _leave(logs, group), group)


def _patiently(act: Callable[[], None], group: LogGroup) -> None:
    patiently(
        act,
        may_pass=lambda error: isinstance(error, ClientError) and _code(error) in _PASSES,
        patience=PATIENCE,
        pause=PAUSE,
        not_yet=f"not yet: {group.name}",
    )


def _keep(logs: Any, group: LogGroup) -> None:
    found = False
    try:
        logs.create_log_group(logGroupName=group.name, kmsKeyId=group.key, tags=dict(group.tags))
    except ClientError as error:
        if _code(error) != "ResourceAlreadyExistsException":
            raise
        found = True
        # Another key is replaced: it stays needed for the lines that are under it.
        logs.associate_kms_key(logGroupName=group.name, kmsKeyId=group.key)
        logs.tag_resource(resourceArn=group.arn, tags=dict(group.tags))
    logs.put_retention_policy(logGroupName=group.name, retentionInDays=group.days)
    logger.info("kept", extra={"group": group.name, "found": found})


def _leave(logs: Any, group: LogGroup) -> None:
    pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=group.name)
    keys = {
        each["logGroupName"]: each.get("kmsKeyId") for page in pages for each in page["logGroups"]
    }
    ours = keys.get(group.name) == group.key
    if ours:
        logs.disassociate_kms_key(logGroupName=group.name)
    logger.info("left", extra={"group": group.name, "key_taken_off": ours})


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
