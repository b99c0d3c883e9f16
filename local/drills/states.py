"""What CloudFormation reports of PaymentsProd and its nested stacks."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from local import deployment
from local.deployment import STACK
from local.drills.site import Site

Events = list[dict[str, Any]]

NOTHING = "does not exist"

_NESTED = re.compile(rf"{STACK}-(\w+)NestedStack-")


def status(site: Site, name: str = STACK) -> str:
    """The status of a stack, by name or id."""
    try:
        found = site.client("cloudformation").describe_stacks(StackName=name)
    except ClientError as error:
        if NOTHING in str(error):
            return NOTHING
        raise
    return str(found["Stacks"][0]["StackStatus"])


def stack(site: Site, name: str = STACK) -> dict[str, Any]:
    """The record of a stack; of the one that bears the name now."""
    (found,) = site.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    record: dict[str, Any] = found
    return record


def stack_id(site: Site) -> str:
    return str(stack(site)["StackId"])


def events(site: Site, name: str) -> Events:
    """Oldest first."""
    pages = site.client("cloudformation").get_paginator("describe_stack_events")
    return [each for page in pages.paginate(StackName=name) for each in page["StackEvents"]][::-1]


def states(site: Site, root: str = "") -> dict[str, str]:
    """The statuses of the root stack (by its id) and of the nested stacks, by layer."""
    root = root or stack_id(site)
    nested = {layer: status(site, id_) for layer, id_ in children(site, root).items()}
    return {STACK: status(site, root)} | nested


def children(site: Site, root: str) -> dict[str, str]:
    """The ids of the root's nested stacks, by layer, those of a failed creation included.

    A nested stack is named after its root and its logical id there.
    """
    created = stack(site, root)["CreationTime"]
    pages = site.client("cloudformation").get_paginator("list_stacks").paginate()
    found = [
        (each["CreationTime"], match[1], each["StackId"])
        for page in pages
        for each in page["StackSummaries"]
        if (match := _NESTED.match(each["StackName"])) and each["CreationTime"] >= created
    ]
    return {layer: identifier for _, layer, identifier in sorted(found)}


def failures(site: Site, since: datetime) -> list[str]:
    """What failed since a time, and why, the first cause first."""
    found = deployment.failures(site.endpoint, STACK, since)
    return [f"{each.resource}: {each.reason}" for each in found]
