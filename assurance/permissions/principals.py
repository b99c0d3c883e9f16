"""Who makes a request: what comes with him, and what limits him."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from assurance.permissions.policies import Policies, Role
from assurance.permissions.resources import FUNCTIONS, STRANGER
from assurance.permissions.templates import ACCOUNT, Json

ADMINISTRATOR: Final = "administrator"
"""Of the production account; his own policy allows everything."""

OUTSIDER: Final = "stranger"
"""An administrator of another account."""

ANONYMOUS: Final = "anonymous"
"""A request that nobody signed."""

SERVICE: Final = ".amazonaws.com"
"""Ends the name of an AWS service that acts for itself."""

_EVERYTHING: Final[Json] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


@dataclass(frozen=True, kw_only=True)
class Principal:
    identifier: Any
    """As the engine takes it."""
    context: dict[str, str]
    """The condition keys that AWS sets for whoever makes requests (IAM user guide, "AWS global
    condition context keys")."""
    identity: tuple[Json, ...] = ()
    boundary: Json | None = None


def principal(name: str, policies: Policies) -> Principal:
    if name in policies.roles:
        return _session(policies.roles[name], policies.arns)
    if name in (ADMINISTRATOR, OUTSIDER):
        account = ACCOUNT if name == ADMINISTRATOR else STRANGER
        arn = f"arn:aws:iam::{account}:role/Administrator"
        return Principal(identifier=arn, context=_of_role(arn, account), identity=(_EVERYTHING,))
    if name == ANONYMOUS:
        return Principal(
            identifier={"type": "Anonymous"},
            context={"aws:PrincipalAccount": "anonymous", "aws:PrincipalIsAWSService": "false"},
        )
    if name.endswith(SERVICE):
        return _service(name)
    raise ValueError(f"nobody is called {name}")


def _session(role: Role, arns: Mapping[str, str]) -> Principal:
    context = _of_role(role.arn, ACCOUNT)
    if role.name in FUNCTIONS:
        context["lambda:SourceFunctionArn"] = arns[f"function {role.name}"]
    session = role.arn.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")
    return Principal(
        identifier=f"{session}/{role.name}",
        context=context,
        identity=role.identity,
        boundary=role.boundary,
    )


def _of_role(arn: str, account: str) -> dict[str, str]:
    return {
        "aws:PrincipalArn": arn,
        "aws:PrincipalAccount": account,
        "aws:PrincipalIsAWSService": "false",
    }


def _service(name: str) -> Principal:
    return Principal(
        identifier=name,
        context={
            "aws:PrincipalServiceName": name,
            "aws:PrincipalIsAWSService": "true",
            # A service's requests come from an account of AWS's, not from ours.
            "aws:PrincipalAccount": "000000000000",
            "aws:SourceAccount": ACCOUNT,
        },
    )
