"""What CloudFormation reports of PaymentsProd and its nested stacks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from local.deployment import STACK

Events = list[dict[str, Any]]

NOTHING = "does not exist"

_NESTED = re.compile(rf"{STACK}-(\w+)NestedStack-")


def status(cloudformation: Any, name: str = STACK) -> str:
    """The status of a stack, by name or id."""
    try:
        found = cloudformation.describe_stacks(StackName=name)
    except ClientError as error:
        if "does not exist" in str(error):
            return NOTHING
        raise
    return str(found["Stacks"][0]["StackStatus"])


def stack_id(cloudformation: Any) -> str:
    """The id of the stack that bears the name now."""
    return str(cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["StackId"])


def events(cloudformation: Any, name: str) -> Events:
    """Oldest first."""
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=name)
    return [event for page in pages for event in page["StackEvents"]][::-1]


def states(cloudformation: Any, root: str) -> dict[str, str]:
    """The statuses of the root stack (by its id) and of the nested stacks, by layer."""
    return {STACK: status(cloudformation, root)} | {
        layer: status(cloudformation, nested)
        for layer, nested in children(cloudformation, root).items()
    }


def children(cloudformation: Any, root: str) -> dict[str, str]:
    """The ids of the root's nested stacks, by layer, those of a failed creation included.

    A nested stack is named after its root and its logical id there.
    """
    created = cloudformation.describe_stacks(StackName=root)["Stacks"][0]["CreationTime"]
    pages = cloudformation.get_paginator("list_stacks").paginate()
    found = [
        (stack["CreationTime"], match[1], stack["StackId"])
        for page in pages
        for stack in page["StackSummaries"]
        if (match := _NESTED.match(stack["StackName"])) and stack["CreationTime"] >= created
    ]
    return {layer: identifier for _, layer, identifier in sorted(found)}


def failures(cloudformation: Any, root: str, since: datetime) -> Iterator[str]:
    """What failed since a time, and why: the nested stacks' own words first."""
    begin = since.replace(microsecond=0)  # the emulator's times are whole seconds
    for name in [*children(cloudformation, root).values(), root]:
        for event in events(cloudformation, name):
            reason = event.get("ResourceStatusReason", "")
            if (
                event["ResourceStatus"].endswith("_FAILED")
                and reason
                and not reason.startswith("Embedded stack")
                and event["Timestamp"] >= begin
            ):
                yield f"{event['LogicalResourceId']}: {reason}"
