"""The templates of a cloud assembly: a stack's, with those of its nested stacks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

NESTED_STACK: Final = "AWS::CloudFormation::Stack"

NAMES: Final = {
    "AWS::ApiGateway::DomainName": "DomainName",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::CompositeAlarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::Rule": "Name",
    "AWS::KMS::Alias": "AliasName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::RDS::DBInstance": "DBInstanceIdentifier",
    "AWS::WAFv2::WebACL": "Name",
}
"""The property with the physical name, of the types that exist once under a name."""

Document = Mapping[str, Any]


@dataclass(frozen=True)
class StackTemplate:
    """The template of one stack, as synthesized or as deployed.

    Attributes:
        children: the nested stacks' templates by logical id.
        physical_ids: what the resources are called in the account, of a deployed stack.
        file: of a synthesized one.
    """

    body: Document = field(default_factory=dict)
    children: Mapping[str, StackTemplate] = field(default_factory=dict)
    physical_ids: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = field(default=None, compare=False)

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

    def with_nested(self) -> Iterator[StackTemplate]:
        """The template itself, and those of the nested stacks."""
        yield self
        for child in self.children.values():
            yield from child.with_nested()


_SUBSTITUTION: Final = re.compile(r"\$\{([^!}][^}]*)\}")


def references(expression: Any) -> Iterator[tuple[str, str | None]]:
    """The names, and attributes, that a piece of a template refers to."""
    if isinstance(expression, list):
        for item in expression:
            yield from references(item)
    elif isinstance(expression, Mapping):
        for key, value in expression.items():
            if key == "Ref" and isinstance(value, str):
                yield value, None
            elif key == "Fn::GetAtt":
                name, attribute = value.split(".", 1) if isinstance(value, str) else value
                yield name, attribute
            elif key == "Fn::Sub":
                text, values = (value, {}) if isinstance(value, str) else value
                for found in _SUBSTITUTION.findall(text):
                    name, _, attribute = found.partition(".")
                    if name not in values:
                        yield name, attribute or None
                yield from references(values)
            else:
                yield from references(value)


def synthesized(file: Path) -> StackTemplate:
    """Read a stack's template from its assembly; those of nested stacks are among its assets."""
    assets = json.loads(
        file.with_name(file.name.replace(".template.", ".assets.")).read_text(encoding="utf-8")
    )
    sources = {
        hash_: file.with_name(asset["source"]["path"]) for hash_, asset in assets["files"].items()
    }
    return _read(file, sources)


def _read(file: Path, sources: Mapping[str, Path]) -> StackTemplate:
    body = json.loads(file.read_text(encoding="utf-8"))
    children = {}
    for logical_id, resource in body["Resources"].items():
        if resource["Type"] == NESTED_STACK:
            (hash_,) = re.findall(
                r"/(\w+)\.json", json.dumps(resource["Properties"]["TemplateURL"])
            )
            children[logical_id] = _read(sources[hash_], sources)
    return StackTemplate(body, children, file=file)
