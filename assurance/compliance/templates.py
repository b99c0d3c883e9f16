"""Reading synthesized templates: their resources, and the statements of their policies."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from assurance.assembly import NESTED_STACK, Document, synthesized


@dataclass(frozen=True)
class Resource:
    """One resource of a template.

    Attributes:
        path: of its construct, such as ``PaymentsProd/DataNestedStack/TransactionsTable/Resource``;
            the logical id where the synthesis left the path out.
    """

    template: Path
    logical_id: str
    type: str
    path: str
    properties: Mapping[str, Any]

    def refers_to(self, value: object) -> bool:
        """Whether ``value`` is this resource: ``Ref`` or ``Fn::GetAtt`` to its logical id."""
        text = json.dumps(value)
        return f'"{self.logical_id}"' in text or f'"{self.logical_id}.' in text


def read(root: Path) -> list[Resource]:
    """The resources of a stack's template and of those nested in it.

    What a nested stack is handed as a parameter stands as the reference that its owner has.
    """
    templates = {each.file: each.body for each in synthesized(root).with_nested() if each.file}
    handed_over = _handed_over(templates.values())
    return [
        Resource(
            template=file,
            logical_id=logical_id,
            type=definition["Type"],
            path=definition.get("Metadata", {}).get("aws:cdk:path", logical_id),
            properties=_with(handed_over, definition.get("Properties", {})),
        )
        for file, template in templates.items()
        for logical_id, definition in template["Resources"].items()
    ]


def _handed_over(templates: Collection[Mapping[str, Any]]) -> dict[str, Any]:
    """Parameters of nested stacks, with what they are set to: the value of another's output, or a
    reference to a resource of the owner's."""
    outputs = {
        f"Outputs.{name}": output["Value"]
        for template in templates
        for name, output in template.get("Outputs", {}).items()
    }
    return {
        parameter: outputs.get(value.get("Fn::GetAtt", [None, None])[1], value)
        for template in templates
        for definition in template["Resources"].values()
        if definition["Type"] == NESTED_STACK
        for parameter, value in definition["Properties"].get("Parameters", {}).items()
        if isinstance(value, dict)
    }


def _with(values: Mapping[str, Any], part: Any) -> Any:
    if isinstance(part, list):
        return [_with(values, item) for item in part]
    if isinstance(part, dict):
        if part.keys() == {"Ref"} and part["Ref"] in values:
            return values[part["Ref"]]
        return {name: _with(values, item) for name, item in part.items()}
    return part


@dataclass(frozen=True)
class Statement:
    """One statement of a policy document, with lists where the document may have single values."""

    effect: str
    actions: tuple[str, ...]
    resources: tuple[Any, ...]
    principal: object
    conditions: Mapping[str, Mapping[str, Any]]

    def covers(self, action: str) -> bool:
        """IAM compares actions without regard to case."""
        return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in self.actions)

    def asks(self, condition_key: str) -> bool:
        return any(condition_key in block for block in self.conditions.values())

    @property
    def is_for_everybody(self) -> bool:
        return self.principal in ("*", {"AWS": "*"}, {"AWS": ["*"]})

    @property
    def services(self) -> list[str]:
        """The AWS services among the principals."""
        principal = self.principal if isinstance(self.principal, dict) else {}
        return _listed(principal.get("Service", []))


def statements(document: Document | None) -> Iterator[Statement]:
    for statement in _listed((document or {}).get("Statement", [])):
        yield Statement(
            effect=statement["Effect"],
            # What NotAction leaves is without bounds.
            actions=tuple(_listed(statement.get("Action", "*"))),
            resources=tuple(_listed(statement.get("Resource", []))),
            principal=statement.get("Principal"),
            conditions=statement.get("Condition", {}),
        )


def documents(resource: Resource) -> Iterator[Document]:
    """The policy documents that a resource of any type holds."""
    properties = resource.properties
    for name in ("PolicyDocument", "KeyPolicy", "AssumeRolePolicyDocument"):
        if name in properties:
            yield properties[name]


def denies(document: Document, action: str) -> bool:
    """Whether the document denies an action whatever the resource and the circumstances."""
    return any(
        statement.effect == "Deny"
        and statement.covers(action)
        and statement.resources == ("*",)
        and not statement.conditions
        for statement in statements(document)
    )


def of_type(resources: Iterable[Resource], *types: str) -> Iterator[Resource]:
    return (resource for resource in resources if resource.type in types)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
