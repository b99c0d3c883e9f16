"""Attaching the checks to an app, so that no synthesis goes without them."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import jsii
from aws_cdk import (
    Acknowledgment,
    App,
    IPolicyValidationContext,
    IPolicyValidationPlugin,
    Names,
    PolicyValidationPluginReport,
    PolicyViolatingResource,
    PolicyViolation,
    Validations,
)
from cdk_nag import (
    AwsSolutionsChecks,
    NagPack,
    NIST80053R5Checks,
    PCIDSS321Checks,
    ServerlessChecks,
)
from constructs import IConstruct

from assurance.compliance.acknowledgements import ACKNOWLEDGEMENTS, NAMED, ROOT
from assurance.compliance.rules import RULES
from assurance.compliance.templates import read


class AcknowledgementError(Exception):
    """An acknowledgement names no resource of the app; the text says which."""


def policy_packs(app: App) -> list[NagPack]:
    """cdk-nag's packs that production is held to."""
    return [
        AwsSolutionsChecks(app),
        PCIDSS321Checks(app),
        NIST80053R5Checks(app),
        ServerlessChecks(app),
    ]


@jsii.implements(IPolicyValidationPlugin)
class OwnRules:
    """The app's own rules as a plugin of CDK's validation."""

    @property
    def name(self) -> str:
        return "Payments"

    @property
    def version(self) -> None:
        return None

    @property
    def rule_ids(self) -> list[str]:
        return [rule.name for rule in RULES]

    def validate(self, context: IPolicyValidationContext) -> PolicyValidationPluginReport:
        resources = read(Path(context.template_paths[0]))
        violations = [
            PolicyViolation(
                rule_name=rule.name,
                description=rule.description,
                fix=rule.fix,
                severity="error",
                violating_resources=[
                    PolicyViolatingResource(
                        construct_path=resource.path,
                        resource_logical_id=resource.logical_id,
                        template_path=str(resource.template),
                        locations=["Properties"],
                    )
                    for resource in broken_by
                ],
            )
            for rule in RULES
            if (broken_by := list(rule.broken_by(resources)))
        ]
        return PolicyValidationPluginReport(success=not violations, violations=violations)


def check(app: App, stack: str = ROOT) -> None:
    """Makes a synthesis of the app fail on any finding that is not acknowledged.

    :param stack: the root's name: what is acknowledged in production is in every environment.
    :raises AcknowledgementError: for an acknowledgement of a resource that is not there.
    """
    ids = {
        known: Names.node_unique_id(_find(app, path.replace(ROOT, stack)).node)
        for known, path in NAMED.items()
    }
    by_resource = sorted(ACKNOWLEDGEMENTS, key=lambda item: item.resource)
    for path, items in groupby(by_resource, key=lambda item: item.resource):
        validations = Validations.of(_find(app, path.replace(ROOT, stack)))
        for item in items:
            rule = item.rule
            for known, id_ in ids.items():
                rule = rule.replace(known, id_)
            validations.acknowledge(Acknowledgment(id=rule, reason=item.reason))
    Validations.of(app).add_plugins(*policy_packs(app), OwnRules())


def _find(app: App, path: str) -> IConstruct:
    construct: IConstruct = app
    for name in path.split("/"):
        child = construct.node.try_find_child(name)
        if child is None:
            raise AcknowledgementError(
                f"assurance/compliance/acknowledgements.py names {path}, but there is no {name} in "
                f"{construct.node.path or 'the app'}."
            )
        construct = child
    return construct
