# ruff: noqa: ARG002 - the methods have the arguments that CloudFormation gives
"""`AWS::CloudFormation::Stack` through the emulator's top-level path.

The emulator deploys nested stacks on a shorter path of its own, on which an update forgets the
attributes of unchanged resources, a failed create leaves its children behind, dynamic references
are not resolved and deletion policies are ignored. Its path for top-level stacks has none of
this, so a nested stack is created, updated and deleted there, over the API.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from local import emulator_internals
from local.emulator_internals import Properties, Provisioned

POLL_SECONDS = 0.1
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
STACK_NAME_LIMIT = 128  # CreateStack, StackName


class NestedStackError(Exception):
    """A nested stack ended in another state than asked for; the text gives the first reason."""


class NestedStack:
    """Ref is the stack's id; attributes are `Outputs.<name>`."""

    def __init__(self, client: Callable[[str], Any], *, keeps: bool = False) -> None:
        """
        Args:
            keeps: whether `RetainExceptOnCreate` retains the resources of a nested stack that was
                complete when its root's creation is rolled back. AWS does not tell which it is.
        """
        self._client = client
        self._keeps = keeps

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        cloudformation = self._client("cloudformation")
        suffix = f"-{logical_id}-{uuid.uuid4().hex[:12].upper()}"
        name = stack[: STACK_NAME_LIMIT - len(suffix)] + suffix
        parent = emulator_internals.stack_record(stack) or {}
        role = {"RoleARN": parent["RoleARN"]} if "RoleARN" in parent else {}
        request = _request(properties) | role
        stack_id = cloudformation.create_stack(StackName=name, **request)["StackId"]
        _adopt(stack_id, parent=stack)
        state = _settled(cloudformation, stack_id)
        if state["StackStatus"] != "CREATE_COMPLETE":
            reason = _first_failure(cloudformation, stack_id, "CREATE_FAILED")
            self._delete(stack_id)
            raise NestedStackError(
                f"Embedded stack {stack_id} was not successfully created: {reason}"
            )
        return _provisioned(state)

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Provisioned:
        cloudformation = self._client("cloudformation")
        if record := emulator_internals.stack_record(physical_id):
            _delete_what_is_rolled_back(record)
        try:
            before = cloudformation.describe_stack_events(StackName=physical_id)["StackEvents"]
            cloudformation.update_stack(StackName=physical_id, **_request(new))
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
            return _provisioned(_settled(cloudformation, physical_id))
        state = _settled(cloudformation, physical_id)
        if state["StackStatus"] != "UPDATE_COMPLETE":
            reason = _first_failure(
                cloudformation,
                physical_id,
                "_FAILED",
                after=before[0]["EventId"] if before else None,
            )
            raise NestedStackError(
                f"Embedded stack {physical_id} was not successfully updated: {reason}"
            )
        return _provisioned(state)

    def delete(self, physical_id: str, properties: Properties) -> None:
        record = emulator_internals.stack_record(physical_id)
        if record is None or record["StackStatus"] == "DELETE_COMPLETE":
            return
        if not (self._keeps and record["StackStatus"] == "CREATE_COMPLETE"):
            _delete_what_is_rolled_back(record)
        self._delete(physical_id)

    def _delete(self, stack_id: str) -> None:
        cloudformation = self._client("cloudformation")
        cloudformation.delete_stack(StackName=stack_id)
        state = _settled(cloudformation, stack_id)
        if state["StackStatus"] != "DELETE_COMPLETE":
            raise NestedStackError(
                f"Embedded stack {stack_id} was not successfully deleted: "
                f"{state.get('StackStatusReason') or state['StackStatus']}"
            )


def _delete_what_is_rolled_back(record: dict[str, Any]) -> None:
    """A rollback deletes only what the same operation created, and that is what
    `RetainExceptOnCreate` excepts: resources of a sibling stack that was finished too.

    The emulator rolls a finished stack back by deleting it, or by an update to its former
    template, which would retain them.
    """
    if emulator_internals.belongs_to_a_rollback(record):
        for resource in record["_template"].get("Resources", {}).values():
            if resource.get("DeletionPolicy") == "RetainExceptOnCreate":
                resource["DeletionPolicy"] = "Delete"


def _request(properties: Properties) -> dict[str, Any]:
    parameters = properties.get("Parameters") or {}
    tags = properties.get("Tags") or []
    return {
        "TemplateURL": properties["TemplateURL"],
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": str(value)} for key, value in parameters.items()
        ],
        "Tags": [tag for tag in tags if not tag["Key"].startswith("aws:")],
        # Checked already: the parent's caller had to acknowledge them.
        "Capabilities": CAPABILITIES,
    }


def _adopt(stack_id: str, *, parent: str) -> None:
    """Let DescribeStacks show whose child it is."""
    child = emulator_internals.stack_record(stack_id)
    owner = emulator_internals.stack_record(parent)
    if child is not None and owner is not None:
        child["ParentId"] = owner["StackId"]
        child["RootId"] = owner.get("RootId") or owner["StackId"]


def _settled(cloudformation: Any, stack_id: str) -> dict[str, Any]:
    """The stack's description once no operation runs on it. How long that may take is the
    business of its resources (a custom resource has its own limit)."""
    while True:
        state: dict[str, Any] = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]
        if not state["StackStatus"].endswith("IN_PROGRESS"):
            return state
        time.sleep(POLL_SECONDS)


def _first_failure(
    cloudformation: Any, stack_id: str, status: str, after: str | None = None
) -> str:
    """The reason that came first since event `after`: later ones are its consequences."""
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id)
    reason = "no reason was given"
    for event in (event for page in pages for event in page["StackEvents"]):  # newest first
        if event["EventId"] == after:
            break
        if event["ResourceStatus"].endswith(status) and event.get("ResourceStatusReason"):
            reason = f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
    return reason


def _provisioned(state: dict[str, Any]) -> Provisioned:
    outputs = state.get("Outputs", [])
    return state["StackId"], {
        f"Outputs.{output['OutputKey']}": output["OutputValue"] for output in outputs
    }
