"""The order of creation, without the dependencies that references imply already."""

from __future__ import annotations

from aws_cdk import CfnResource, Stack
from constructs import IConstruct


def depend_only_on(construct: IConstruct, *others: IConstruct) -> None:
    """Replaces the ``DependsOn`` of a construct's resource.

    CDK names there what the resource refers to anyway (cfn-lint W3005), which hides the few
    dependencies that would not be known otherwise.

    :param others: constructs of the same stack; none takes ``DependsOn`` away.
    """
    resource = _resource(construct)
    if not others:
        resource.add_deletion_override("DependsOn")
        return
    stack = Stack.of(resource)
    resource.add_override("DependsOn", [stack.get_logical_id(_resource(other)) for other in others])


def _resource(construct: IConstruct) -> CfnResource:
    candidate = construct if isinstance(construct, CfnResource) else construct.node.default_child
    if not isinstance(candidate, CfnResource):
        raise TypeError(f"{construct.node.path} has no CloudFormation resource of its own")
    return candidate
