"""Versions of functions that Lambda would refuse to publish.

PublishVersion makes no version of what it has published last: CloudFormation then fails with "A
version for this Lambda function exists". CDK asks for one when a hash that it keeps of the template
differs (aws/aws-cdk#18797), or an asset's name (aws/serverless-application-model#1375), not when
the function does.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from ops.console.failure import denied
from ops.plan.comparison import Certainty, Comparison
from ops.plan.model import Action, Change, Remark, Weight
from ops.production.stack import every

_VERSION: Final = "AWS::Lambda::Version"

# Properties of a function that are no part of a version (aws-cdk-lib: VERSION_LOCKED).
_BESIDE: Final = frozenset(
    {"CodeSigningConfigArn", "ReservedConcurrentExecutions", "Tags", "TenancyConfig"}
)

Package = Callable[[str], Path | None]
"""The file that an object key of the assembly's packages stands for, if Lambda gets it as it is."""


def remarks(
    changes: Sequence[Change], comparison: Comparison, functions: Any, package: Package
) -> Iterator[Remark]:
    """On versions that would be published of functions that do not change."""
    for change in changes:
        if change.resource_type == _VERSION and change.action in (Action.ADDED, Action.REPLACED):
            yield from _of_version(change, comparison.at(change.stack), functions, package)


def _of_version(
    change: Change, stack: Comparison, functions: Any, package: Package
) -> Iterator[Remark]:
    function = _function(stack, change.logical_id)
    if function is None or not _is_configured_as_before(stack, function):
        return
    remark = partial(Remark, stack=change.stack, logical_id=change.logical_id)
    if stack.property(function, "Code") is not Certainty.NO:
        code = stack.properties(function)[1].get("Code", {})
        wanted = package(code["S3Key"]) if isinstance(code.get("S3Key"), str) else None
        if wanted is None:
            return  # another package, as far as anybody can tell
        name = stack.physical_id(function) or function
        try:
            if _sha256(wanted) != _published_last(functions, name):
                return
        except ClientError as error:
            yield remark(
                weight=Weight.UNSEEN,
                text=f"whether {name} has this package already, and Lambda refuses to publish it "
                f"again: {denied(error)}",
            )
            return
    yield remark(
        weight=Weight.FAILS,
        text=f"a version would be published, but neither code nor configuration of {function} "
        'changes. Lambda refuses that ("A version for this Lambda function exists"), and the '
        "deployment is rolled back. Change the function as well (another Description is enough), "
        "or take back what makes the CDK ask for another version (its release, a feature flag, "
        "another name of the same package)",
    )


def _function(stack: Comparison, version: str) -> str | None:
    """The function of a version, if it stays, and has versions already."""
    name = _referred(stack.properties(version)[1].get("FunctionName"))
    types = stack.deployed_types()
    if name not in types:
        return None
    published = any(
        _referred(stack.properties(logical_id)[0].get("FunctionName")) == name
        for logical_id, kind in types.items()
        if kind == _VERSION
    )
    return name if published else None


def _referred(value: object) -> str | None:
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), "Arn"]}:
            return name
    return None


def _is_configured_as_before(stack: Comparison, function: str) -> bool:
    change = stack.change(function)
    if change is None:
        return True
    if change.action is not Action.CHANGED:
        return False
    names = {name for properties in stack.properties(function) for name in properties}
    return all(
        stack.property(function, name) is Certainty.NO for name in names - _BESIDE - {"Code"}
    )


def _sha256(package: Path) -> str:
    """As Lambda's CodeSha256."""
    return base64.b64encode(hashlib.sha256(package.read_bytes()).digest()).decode()


def _published_last(functions: Any, name: str) -> str | None:
    published: list[Mapping[str, Any]] = [
        version
        for version in every(functions, "list_versions_by_function", FunctionName=name)
        if version["Version"].isdigit()
    ]
    latest = max(published, key=lambda version: int(version["Version"]), default=None)
    return latest["CodeSha256"] if latest else None
