"""What the templates build: the resources of all five, and what they refer to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, Final

from assurance.assembly import references
from assurance.compliance import templates
from assurance.compliance.templates import Resource
from assurance.compliance.untaggable import UNTAGGABLE_TYPES, tag_property
from ops.console.environment import stack_name
from ops.console.failure import OpsError
from ops.production.assembly import Assembly

UNTAGGED: Final = "only the stack's"
LAYERS: Final = ("root", "network", "data", "compute", "observability")

_PSEUDO: Final = {
    "AWS::Region": "us-east-1",
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::AccountId": "ACCOUNT",
}
_NAMES: Final = (
    "FunctionName",
    "TableName",
    "LogGroupName",
    "DBInstanceIdentifier",
    "AlarmName",
    "Name",
    "AliasName",
)
"""Properties that hold a name which people know a resource by."""
_OBVIOUS: Final = ("Subnet", "Instance", "Bucket", "Provider", "SecurityGroups")
"""Parts of constructs' paths that tell nothing beside the others."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """
    Attributes:
        tags: that CloudFormation gives to all of the stack's resources which can have any.
        digests: SHA-256 of each template, by file.
    """

    resources: tuple[Resource, ...]
    tags: Mapping[str, str]
    digests: Mapping[str, str]

    @classmethod
    def read(cls, assembly: Assembly) -> Built:
        file = assembly.folder / f"{stack_name()}.template.json"
        resources = templates.read(file)
        files = sorted({file, *(resource.template for resource in resources)})
        return cls(
            resources=tuple(resources),
            tags=assembly.tags,
            digests={each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in files},
        )

    @cached_property
    def by_id(self) -> Mapping[str, Resource]:
        return {resource.logical_id: resource for resource in self.resources}

    def of(self, *types: str) -> list[Resource]:
        """Types without the `AWS::` in front."""
        return [each for each in self.resources if each.type.removeprefix("AWS::") in types]

    def matching(self, pattern: str, kind: str = "*") -> list[Resource]:
        """Those whose construct's path, as `path` tells it, matches; sorted by it.

        Args:
            kind: pattern of the type, without the `AWS::` in front.
        """
        found = [
            each
            for each in self.resources
            if fnmatchcase(path(each), pattern)
            and fnmatchcase(each.type.removeprefix("AWS::"), kind)
        ]
        return sorted(found, key=path)

    def one(self, pattern: str, kind: str = "*") -> Resource:
        """
        Raises:
            OpsError: there is none, or more than one.
        """
        found = self.matching(pattern, kind)
        if len(found) != 1:
            raise OpsError(
                f"the templates have {len(found)} resources {pattern}: the report is written for "
                "the app of this checkout, synthesized with path metadata"
            )
        return found[0]

    def referred(self, value: Any) -> list[Resource]:
        """The resources that a piece of a template refers to, each once."""
        named = dict.fromkeys(name for name, _ in references(value))
        return [self.by_id[name] for name in named if name in self.by_id]

    def routes(self, subnet: Resource) -> list[Resource]:
        """Those of a subnet's route table."""
        tables = [
            each.properties["RouteTableId"]
            for each in self.of("EC2::SubnetRouteTableAssociation")
            if subnet in self.referred(each.properties["SubnetId"])
        ]
        return [e for e in self.of("EC2::Route") if e.properties["RouteTableId"] in tables]

    def text(self, value: Any) -> str:
        """A piece of a template in words: references become names of what they refer to."""
        match value:
            case bool():
                return "yes" if value else "no"
            case {"Ref": str(name)} if name in _PSEUDO:
                return _PSEUDO[name]
            case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), _]} if name in self.by_id:
                resource = self.by_id[name]
                # What they refer to is a number that AWS makes up.
                numbered = kind(resource) in ("ApiGateway::RestApi", "Lambda::Version")
                return "⟨id⟩" if numbered else self.name(resource)
            case {"Fn::Join": [str(separator), list(parts)]}:
                return separator.join(self.text(part) for part in parts)
            case {"Fn::Sub": str(pattern)}:
                return re.sub(
                    r"\$\{([^}]+)\}", lambda found: _PSEUDO.get(found[1], found[1]), pattern
                )
            case dict():
                return ", ".join(f"{key}: {self.text(item)}" for key, item in value.items())
            case list():
                separator = "; " if any(isinstance(item, dict) for item in value) else ", "
                return separator.join(self.text(item) for item in value)
        return str(value)

    def tagging(self, resource: Resource) -> str:
        """Whether a resource has the three tags (R16)."""
        if resource.type in UNTAGGABLE_TYPES:
            return "cannot be tagged"
        if resource.type.startswith("Custom::"):
            return "no AWS resource"
        own = resource.properties.get(tag_property(resource.type), [])
        own = own if isinstance(own, dict) else {each["Key"]: each["Value"] for each in own}
        return "all" if self.tags.items() <= own.items() else UNTAGGED

    def name(self, resource: Resource) -> str:
        """What people call it: its name in AWS, if the templates give one, or its construct's."""
        for each in _NAMES:
            if isinstance(given := resource.properties.get(each), str):
                return given.removeprefix("alias/")
            if isinstance(given, dict) and resource.type == "AWS::Logs::LogGroup":
                return self.text(given)
        return _words(path(resource))


def path(resource: Resource) -> str:
    """Of the construct, without what is the same for all: `DataNestedStack/AuditBucket/Bucket`."""
    return (
        resource.path.removeprefix(f"{stack_name()}/")
        .removesuffix("/Resource")
        .removesuffix("/Default")
    )


def layer(resource: Resource) -> str:
    """The stack that a resource is in: one of `LAYERS`."""
    head = path(resource).partition("NestedStack")[0].lower()
    in_root = resource.template.name == f"{stack_name()}.template.json"
    return head if head in LAYERS and not in_root else "root"


def kind(resource: Resource) -> str:
    return resource.type.removeprefix("AWS::")


def at(properties: Any, dotted: str) -> Any:
    """The value at a path such as `SSESpecification.SSEType` or `Rules.0.Status`; None: none."""
    for step in dotted.split("."):
        if isinstance(properties, list):
            properties = properties[int(step)] if int(step) < len(properties) else None
        else:
            properties = (properties or {}).get(step)
    return properties


def _words(construct: str) -> str:
    last = [part for part in construct.split("/") if part not in _OBVIOUS]
    parts = last[1:] if last and last[0].endswith("NestedStack") else last
    return " / ".join(parts[-2:]) if parts else construct
