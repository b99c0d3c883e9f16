"""A stack's template with those of its nested stacks, as deployed or as synthesized."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops.console.failure import OpsError

NESTED_STACK = "AWS::CloudFormation::Stack"

Document = Mapping[str, Any]


@dataclass(frozen=True)
class StackTemplate:
    """The template of one stack.

    Attributes:
        children: the nested stacks' templates by logical id.
        physical_ids: what the resources are called in the account, of a deployed stack.
    """

    body: Document = field(default_factory=dict)
    children: Mapping[str, StackTemplate] = field(default_factory=dict)
    physical_ids: Mapping[str, str] = field(default_factory=dict)

    @property
    def resources(self) -> Mapping[str, Document]:
        found: Mapping[str, Document] = self.body.get("Resources", {})
        return found

    @property
    def outputs(self) -> Mapping[str, Document]:
        found: Mapping[str, Document] = self.body.get("Outputs", {})
        return found

    def paths(self, name: str) -> Iterator[str]:
        """The stacks of the tree, from the root down: `name`, `name/Child` ..."""
        yield name
        for logical_id, child in self.children.items():
            yield from child.paths(f"{name}/{logical_id}")


def synthesized(folder: Path, file: str) -> StackTemplate:
    """Read a template of a cloud assembly; nested ones are files that its metadata names.

    Raises:
        OpsError: when the assembly was made without that metadata.
    """
    body = json.loads((folder / file).read_text(encoding="utf-8"))
    children = {}
    for logical_id, resource in body["Resources"].items():
        if resource["Type"] == NESTED_STACK:
            child = resource.get("Metadata", {}).get("aws:asset:path")
            if child is None:
                raise OpsError(f"{folder} lacks asset metadata: make it with `cdk synth`")
            children[logical_id] = synthesized(folder, child)
    return StackTemplate(body, children)


def deployed(cloudformation: Any, stack: str) -> StackTemplate:
    """Read a stack's template and those of its nested stacks from CloudFormation.

    :param cloudformation: a boto3 client.
    :param stack: name or id.
    """
    found = cloudformation.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]
    body = json.loads(found) if isinstance(found, str) else found
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    standing = [
        resource
        for page in pages
        for resource in page["StackResourceSummaries"]
        if resource.get("PhysicalResourceId") and resource["ResourceStatus"] != "DELETE_COMPLETE"
    ]
    children = {
        resource["LogicalResourceId"]: deployed(cloudformation, resource["PhysicalResourceId"])
        for resource in standing
        if resource["ResourceType"] == NESTED_STACK
    }
    physical_ids = {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in standing
    }
    return StackTemplate(body, children, physical_ids)
