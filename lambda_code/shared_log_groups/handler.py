"""shared-log-groups: Custom::SharedLogGroup keeps a log group that belongs to the account.

AWS writes to groups of fixed names, for every API or database of the account, and makes them if
they are missing, to be kept for ever. So they may be there before this stack, or come while it is
made, and others may write to them after it.

ResourceProperties: LogGroupName, LogGroupArn, RetentionInDays, KmsKeyId, Tags. By request:

- Create, Update: the group is made, or taken over as it is found, and gets retention, key and tags.
- Delete: the group stays, with its lines and its retention; it loses only this key. A creation that
  is rolled back takes the key along, and nobody could write to the group any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import boto3
from aws_lambda_powertools.logging import Logger
from botocore.config import Config

from custom_resource.protocol import answer
from shared_log_groups.group import LogGroup, keep, leave

SHORT = Config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 2})

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: Any) -> None:
    def with_group(act: Callable[[Any, LogGroup], None]) -> Callable[[Mapping[str, Any]], None]:
        return lambda properties: act(boto3.client("logs", config=SHORT), LogGroup.read(properties))

    answer(
        event,
        context,
        # By which it is found in the stack.
        event.get("ResourceProperties", {}).get("LogGroupName", "shared-log-group"),
        {"Create": with_group(keep), "Update": with_group(keep), "Delete": with_group(leave)},
    )
