"""The templates that the stacks were deployed from: CloudFormation keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from assurance.assembly import NESTED_STACK, Document, StackTemplate
from ops.console.environment import stack_name
from ops.production.questions import Clients
from ops.production.stack import Resource, every


def deployed(cloudformation: Any, stack: str) -> StackTemplate:
    """A stack's template, by name or id, and those of its nested stacks."""
    body = _body(cloudformation.get_template(StackName=stack, TemplateStage="Original"))
    standing = [
        resource
        for resource in every(cloudformation, "list_stack_resources", StackName=stack)
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


def _body(answer: Mapping[str, Any]) -> Document:
    """Of GetTemplate. boto3 reads what is JSON, as all that CDK writes; some answers stay text."""
    found = answer["TemplateBody"]
    body: Document = json.loads(found) if isinstance(found, str) else found
    return body


def stacks(resources: Sequence[Resource]) -> dict[str, str]:
    """The ids of the root stack and of those nested in it, by their names for people."""
    nested = {each.logical_id: each.name for each in resources if each.type == NESTED_STACK}
    return {stack_name(): stack_name(), **nested}


def properties(
    clients: Clients, resources: Sequence[Resource], type_: str
) -> dict[str, Mapping[str, Any]]:
    """Those of the resources of a type, by physical id; of nothing where there is no stack.

    CloudFormation keeps the template of each stack; what it was configured with stands in it.
    """
    wanted = [each for each in resources if each.type == type_]
    ids = stacks(resources)
    bodies = {
        name: _resources(clients, ids[name]) for name in dict.fromkeys(e.stack for e in wanted)
    }
    return {
        each.name: bodies[each.stack].get(each.logical_id, {}).get("Properties", {})
        for each in wanted
    }


@cache  # of a few stacks, each of which several questions are about
def _resources(clients: Clients, stack_id: str) -> Mapping[str, Any]:
    body = _body(clients("cloudformation").get_template(StackName=stack_id))
    found: Mapping[str, Any] = body["Resources"]
    return found
