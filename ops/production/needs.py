"""What the app asks of an account, read from its cloud assembly, so that it never drifts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assurance.assembly import NAMES
from assurance.compliance.templates import Resource, read
from ops.production.assembly import at_hand


@dataclass(frozen=True, kw_only=True)
class Needs:
    """
    Attributes:
        counts: of resources by type.
        names: the physical names that the templates fix, by type.
        reserved: concurrent executions by function.
        rules: the most that a security group has, in one direction.
        bootstrap: the least version of the account's CDK bootstrap.
        bootstrap_parameter: where SSM has that version.
        database: properties of the instance.
        subscriptions: endpoints of the alerts topic.
        tags: of the stack.
        certificates: their ARNs, by the domain that each is for.
    """

    counts: Mapping[str, int]
    names: Mapping[str, Sequence[str]]
    zones: Sequence[str]
    reserved: Mapping[str, int]
    rules: int
    bootstrap: int
    bootstrap_parameter: str
    database: Mapping[str, Any]
    subscriptions: Sequence[str]
    tags: Mapping[str, str]
    certificates: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, template: str) -> Needs:
        """Of a cloud assembly's folder, and the root's template in it."""
        resources = read(folder / template)
        artifacts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
        (properties,) = [
            each["properties"]
            for each in artifacts.values()
            if each.get("properties", {}).get("templateFile") == template
        ]

        def of(*types: str) -> list[Resource]:
            return [each for each in resources if each.type in types]

        names: dict[str, list[str]] = {}
        for each in resources:
            name = each.properties.get(NAMES.get(each.type, ""))
            if isinstance(name, str):
                names.setdefault(each.type, []).append(name)
        return cls(
            counts=Counter(each.type for each in resources),
            names=names,
            zones=sorted({each.properties["AvailabilityZone"] for each in of("AWS::EC2::Subnet")}),
            reserved={
                each.properties["FunctionName"]: int(reserved)
                for each in of("AWS::Lambda::Function")
                if (reserved := each.properties.get("ReservedConcurrentExecutions")) is not None
            },
            rules=_most_rules(resources),
            bootstrap=properties["requiresBootstrapStackVersion"],
            bootstrap_parameter=properties["bootstrapStackVersionSsmParameter"],
            database=of("AWS::RDS::DBInstance")[0].properties,
            subscriptions=[each.properties["Endpoint"] for each in of("AWS::SNS::Subscription")],
            tags=properties["tags"],
            certificates={
                each.properties["DomainName"]: each.properties["RegionalCertificateArn"]
                for each in of("AWS::ApiGateway::DomainName")
            },
        )


def needed(folder: Path | None, context: Sequence[str]) -> Needs:
    """Of a cloud assembly; without one, of the app, synthesized with these settings.

    Raises:
        OpsError: there is nothing that could be deployed.
    """
    with at_hand(folder, context) as assembly:
        return Needs.read(assembly.folder, f"{assembly.stack}.template.json")


def _most_rules(resources: Sequence[Resource]) -> int:
    """Of a group, in one direction: those written in it, and those that stand by themselves."""
    counts: Counter[str] = Counter()
    for each in resources:
        if each.type == "AWS::EC2::SecurityGroup":
            for direction in ("Ingress", "Egress"):
                rules = each.properties.get(f"SecurityGroup{direction}", [])
                counts[f"{each.logical_id} {direction}"] += len(rules)
        for direction in ("Ingress", "Egress"):
            if each.type == f"AWS::EC2::SecurityGroup{direction}":
                group = json.dumps(each.properties["GroupId"])
                owner = next(r.logical_id for r in resources if f'"{r.logical_id}"' in group)
                counts[f"{owner} {direction}"] += 1
    return max(counts.values(), default=0)
