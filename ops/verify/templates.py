"""What the templates say that the stack was deployed from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from ops.production.assembly import STACK
from ops.production.questions import Clients
from ops.production.templates import NESTED_STACK
from ops.verify.subjects import Subjects


def stacks(subjects: Subjects) -> dict[str, str]:
    """The ids of the root stack and of those nested in it, by their names for people."""
    nested = {each.logical_id: each.name for each in subjects.stack if each.type == NESTED_STACK}
    return {STACK: STACK, **nested}


def properties(clients: Clients, subjects: Subjects, type_: str) -> dict[str, Mapping[str, Any]]:
    """Those of the resources of a type, by physical id; of nothing where there is no stack.

    CloudFormation keeps the template of each stack; what it was configured with stands in it.
    """
    wanted = [each for each in subjects.stack if each.type == type_]
    ids = stacks(subjects)
    resources = {
        name: _resources(clients, ids[name]) for name in dict.fromkeys(e.stack for e in wanted)
    }
    return {
        each.name: resources[each.stack].get(each.logical_id, {}).get("Properties", {})
        for each in wanted
    }


@cache  # of a few stacks, each of which several questions are about
def _resources(clients: Clients, stack_id: str) -> Mapping[str, Any]:
    # boto3 reads what is JSON; CDK writes nothing else.
    body = clients("cloudformation").get_template(StackName=stack_id)["TemplateBody"]
    document = json.loads(body) if isinstance(body, str) else body
    found: Mapping[str, Any] = document["Resources"]
    return found
