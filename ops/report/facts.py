"""What the report tells, collected from the templates and from the app's own lists."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import groupby
from typing import Any, Final

from assurance.compliance.acknowledgements import ACKNOWLEDGEMENTS
from assurance.compliance.templates import Resource
from assurance.permissions.matrix import MATRIX
from assurance.permissions.row import Decision
from config import ProductionConfig
from ops.console.environment import PROJECT, project_context
from ops.production.assembly import Assembly
from ops.production.drift import RULE_ENDS
from ops.report.built import UNTAGGED, Built, at, kind, layer, path
from ops.report.costs import Costs, costs, is_free
from ops.report.requirements import CONTROLS, REQUIREMENTS, Requirement

_ANY_PORT: Final = "all"
_NAMES_KEY: Final = re.compile(r"(KMS|Kms)(Master)?Key(Id|ID)?$")


Values = tuple[tuple[str, str], ...]
"""Properties and their values in words."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What fulfils a requirement: resources with the values that show it."""

    requirement: Requirement
    resources: tuple[tuple[Resource, Values], ...]

    @property
    def groups(self) -> dict[tuple[str, Values], list[Resource]]:
        """Resources of one type with the same values together."""
        found: dict[tuple[str, Values], list[Resource]] = {}
        for resource, values in self.resources:
            found.setdefault((kind(resource), values), []).append(resource)
        return found

    @property
    def controls(self) -> dict[str, str]:
        return {number: CONTROLS[number] for number in self.requirement.controls}


@dataclass(frozen=True, kw_only=True)
class Key:
    """
    Attributes:
        used_by: resources that are encrypted under it, each with the properties that say so.
    """

    resource: Resource
    aliases: tuple[str, ...]
    used_by: tuple[tuple[Resource, str], ...]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule of a security group."""

    group: str
    direction: str
    peer: str
    protocol: str
    ports: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """
    Attributes:
        words: severity, what, users, runbook: the lines of its description.
    """

    name: str
    source: str
    words: Mapping[str, str]
    resource: Resource


@dataclass(frozen=True, kw_only=True)
class Facts:
    """
    Attributes:
        commit: of the checkout, with what it lacks; empty without git.
        settings: name, value, whether cdk.json overrides it.
        problems: evidence that is missing.
    """

    built: Built
    made: datetime
    commit: str
    versions: Mapping[str, str]
    settings: tuple[tuple[str, str, bool], ...]
    requirements: tuple[Evidence, ...]
    keys: tuple[Key, ...]
    rules: tuple[Rule, ...]
    alarms: tuple[Alarm, ...]
    costs: Costs
    problems: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of what, for the summary."""
        return {
            "resources": len(self.built.resources),
            "requirements": len(self.requirements),
            "tests of them": sum(len(each.requirement.tests) for each in self.requirements),
            "alarms and events": len(self.alarms),
            "customer-managed keys": len(self.keys),
            "log groups": len(self.log_groups),
            "judged requests": len(MATRIX),
            "accepted findings": len(ACKNOWLEDGEMENTS),
        }

    @property
    def log_groups(self) -> list[Resource]:
        return sorted(
            self.built.of("Logs::LogGroup", "Custom::SharedLogGroup"), key=self.built.name
        )

    @property
    def findings(self) -> list[tuple[str, str, list[str]]]:
        """Resource, reason and the names of the accepted findings."""
        found = []
        ordered = sorted(ACKNOWLEDGEMENTS, key=lambda item: (item.resource, item.reason))
        for (where, reason), items in groupby(ordered, lambda item: (item.resource, item.reason)):
            shown = where.removeprefix("PaymentsProd/").removesuffix("/Resource")
            found.append((shown, reason, [item.rule for item in items]))
        return found

    @property
    def decisions(self) -> dict[str, int]:
        return {each: sum(row.expected is each for row in MATRIX) for each in Decision}

    def default_route(self, subnet: Resource) -> str:
        """What is reached by way of a subnet's default route."""
        ways = [
            self.built.text(each.properties.get("NatGatewayId") or each.properties["GatewayId"])
            for each in self.built.routes(subnet)
        ]
        return ", ".join(ways) or "none"


def collect(assembly: Assembly, requests: int) -> Facts:
    """
    Args:
        requests: API calls a month, for the costs.

    Raises:
        OpsError: it is not this app's assembly.
    """
    built = Built.read(assembly)
    evidence = tuple(_evidence(built, each) for each in REQUIREMENTS)
    priced = costs(built, requests)
    return Facts(
        built=built,
        made=datetime.now(UTC),
        commit=_commit(),
        versions={name: version(name) for name in ("aws-cdk-lib", "constructs", "cdk-nag")},
        settings=_settings(),
        requirements=evidence,
        keys=tuple(_keys(built)),
        rules=tuple(_rules(built)),
        alarms=tuple(sorted(_alarms(built), key=lambda alarm: (alarm.source, alarm.name))),
        costs=priced,
        problems=tuple(_problems(built, evidence, priced)),
    )


def _problems(built: Built, evidence: Sequence[Evidence], priced: Costs) -> Iterator[str]:
    for each in evidence:
        requirement = each.requirement
        for shown in requirement.shown:
            if not built.matching(shown.pattern, shown.kind):
                yield f"{requirement.number}: no resource {shown.pattern} in the templates"
        for file in requirement.also:
            if not (PROJECT / file).exists():
                yield f"{requirement.number}: {file} is missing"
        if not requirement.tests:
            yield f"{requirement.number}: no test bears its number"
    for price in priced.unpriced:
        yield f"costs: the price table has no price {price}"
    counted = {name for line in priced.lines for name in line.resources}
    for kinds in sorted(
        {kind(each) for each in built.resources if not is_free(each)}
        - {kind(built.by_id[name]) for name in counted}
    ):
        yield f"costs: resources of type {kinds} are not counted"
    for group in built.of("Logs::LogGroup", "Custom::SharedLogGroup"):
        if "RetentionInDays" not in group.properties:
            yield f"R15: {built.name(group)} is kept for ever"
    for resource in built.resources:
        if built.tagging(resource) == UNTAGGED:
            yield f"R16: {resource.logical_id} lacks tags in its template"


def _evidence(built: Built, requirement: Requirement) -> Evidence:
    found: dict[str, tuple[Resource, Values]] = {}
    for shown in requirement.shown:
        for resource in built.matching(shown.pattern, shown.kind):
            values = tuple(
                (name.replace(".0", ""), built.text(value))
                for name in shown.properties
                if (value := _value(resource, name)) is not None
            )
            found[resource.logical_id] = (resource, values)
    return Evidence(requirement=requirement, resources=tuple(found.values()))


def _value(resource: Resource, name: str) -> Any:
    head, _, rest = name.partition(".")
    if head == "Parameters":  # the names of PostgreSQL's have dots in them
        return resource.properties.get(head, {}).get(rest)
    return at(resource.properties, name)


def _keys(built: Built) -> Iterator[Key]:
    for key in built.of("KMS::Key"):
        aliases = [
            each.properties["AliasName"]
            for each in built.of("KMS::Alias")
            if key in built.referred(each.properties["TargetKeyId"])
        ]
        used = [
            (resource, where)
            for resource in built.resources
            for where, value in _encryption(resource.properties)
            if key in built.referred(value)
        ]
        yield Key(
            resource=key,
            aliases=tuple(aliases),
            used_by=tuple(sorted(used, key=lambda item: (layer(item[0]), path(item[0])))),
        )


def _encryption(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Properties that name a key to encrypt with, by where they stand."""
    if isinstance(value, dict):
        for name, item in value.items():
            place = f"{where}.{name}" if where else name
            if _NAMES_KEY.search(name):
                yield place, item
            elif name not in ("KeyPolicy", "PolicyDocument", "Environment"):
                yield from _encryption(item, place)
    elif isinstance(value, list):
        for item in value:
            yield from _encryption(item, where)


def _rules(built: Built) -> Iterator[Rule]:
    for group in built.of("EC2::SecurityGroup"):
        name = built.name(group)
        for direction, inline, kinds in (
            ("in", "SecurityGroupIngress", "EC2::SecurityGroupIngress"),
            ("out", "SecurityGroupEgress", "EC2::SecurityGroupEgress"),
        ):
            apart = [
                each.properties
                for each in built.of(kinds)
                if group in built.referred(each.properties["GroupId"])
            ]
            for rule in [*group.properties.get(inline, []), *apart]:
                yield _rule(built, name, direction, rule)
    for empty in built.of("Custom::DefaultSecurityGroup"):
        yield Rule(
            group="default group of the VPC",
            direction="in and out",
            peer="nobody",
            protocol="none",
            ports="none",
            reason=f"emptied in the deployment by {kind(empty)}",
        )


def _rule(built: Built, group: str, direction: str, rule: Mapping[str, Any]) -> Rule:
    peer = next(rule[name] for name in RULE_ENDS if name in rule)
    first, last = rule.get("FromPort", _ANY_PORT), rule.get("ToPort", _ANY_PORT)
    nothing = peer == "255.255.255.255/32"  # how CDK says that nothing may go out
    return Rule(
        group=group,
        direction=direction,
        peer="nobody" if nothing else built.text(peer),
        protocol="none" if nothing else str(rule["IpProtocol"]),
        ports="none" if nothing else str(first) if first == last else f"{first}–{last}",
        reason=rule.get("Description", ""),
    )


def _alarms(built: Built) -> Iterator[Alarm]:
    for resource in built.of("CloudWatch::Alarm", "CloudWatch::CompositeAlarm"):
        release = layer(resource) == "compute"
        yield Alarm(
            name=built.text(resource.properties["AlarmName"]),
            source="3 release alarms, read by CodeDeploy" if release else "1 alarms",
            words=_description(resource.properties["AlarmDescription"]),
            resource=resource,
        )
    for resource in built.of("Events::Rule"):
        if "EventPattern" in resource.properties:
            yield Alarm(
                name=resource.properties["Name"],
                source="2 events",
                words=_description(resource.properties["Description"]),
                resource=resource,
            )


def _description(text: str) -> dict[str, str]:
    pairs = (line.partition(": ") for line in text.splitlines())
    return {name.lower(): value for name, _, value in pairs}


def _settings() -> tuple[tuple[str, str, bool], ...]:
    context = project_context()
    config = ProductionConfig.from_context(context)
    given = {*context, *context.get(config.environment, {})}
    found = []
    for name, value in config:
        shown = ", ".join(value) if isinstance(value, tuple) else str(value)
        found.append((name, shown, name in given))
    return tuple(found)


def _commit() -> str:
    """The checkout's, if git is there and this is one."""
    try:
        head, changed = (
            subprocess.run(  # noqa: S603 - arguments are ours
                ["git", *arguments],  # noqa: S607 - the user's
                cwd=PROJECT,
                capture_output=True,
                encoding="utf-8",
                check=True,
                timeout=10,
            ).stdout.strip()
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return f"{head}, with uncommitted changes" if changed else head
