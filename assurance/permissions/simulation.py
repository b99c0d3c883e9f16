"""Has a policy engine, ``@cloud-copilot/iam-simulate``, decide on the matrix's requests."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from assurance.permissions import resources
from assurance.permissions.policies import Policies
from assurance.permissions.principals import Principal, principal
from assurance.permissions.row import Decision, Row
from assurance.permissions.templates import REGION, Json

_SCRIPT: Final = Path(__file__).with_name("simulate.mjs")

_DECISIONS: Final = {
    "Allowed": Decision.ALLOW,
    "ImplicitlyDenied": Decision.IMPLICIT_DENY,
    "ExplicitlyDenied": Decision.EXPLICIT_DENY,
}

_OPEN_TO_ALL: Final[Json] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
}
"""What a stranger may have put on his own resources, to lure data there."""


_WORTH_A_PROCESS: Final = 200
"""Simulations; the engine takes half a second to start."""


class SimulationError(Exception):
    """The engine could not judge a request; the text says which, and why."""


def decide(policies: Policies, rows: Sequence[Row]) -> list[Decision]:
    """What the policies decide on each row's request.

    :raises SimulationError: for an action, policy or circumstance that the engine does not know.
    """
    return run([simulation(row, policies) for row in rows])


def run(simulations: Sequence[Json]) -> list[Decision]:
    """Hands simulations to the engine, a process for each processor; raises as :func:`decide`."""
    size = max(_WORTH_A_PROCESS, -(-len(simulations) // (os.cpu_count() or 1)))
    parts = [simulations[begin : begin + size] for begin in range(0, len(simulations), size)]
    with ThreadPoolExecutor() as threads:
        return [decision for decided in threads.map(_run, parts) for decision in decided]


def _run(simulations: Sequence[Json]) -> list[Decision]:
    engine = subprocess.run(  # noqa: S603 - our own script
        ["node", str(_SCRIPT)],  # noqa: S607 - the first in the path
        input=json.dumps(simulations),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if engine.returncode != 0:
        raise SimulationError(engine.stderr)
    return [_DECISIONS[decision] for decision in json.loads(engine.stdout)]


def simulation(row: Row, policies: Policies) -> Json:
    """The row's request in the engine's terms."""
    who = principal(row.who, policies)
    arns = policies.arns
    wanted: Json = {
        "title": row.request,
        "request": {
            "principal": who.identifier,
            "action": row.action,
            "resource": {
                "resource": arns[row.resource],
                "accountId": resources.owner(row.resource),
            },
            "contextVariables": _context(row, who, arns),
        },
        "identityPolicies": _named("identity", who.identity),
        "serviceControlPolicies": [],
        "resourceControlPolicies": [],
    }
    if who.boundary is not None:
        wanted["permissionBoundaryPolicies"] = _named("boundary", [who.boundary])
    guard = _guard(row.resource, policies)
    if guard is not None:
        wanted["resourcePolicy"] = guard
    return wanted


def _context(row: Row, who: Principal, arns: Mapping[str, str]) -> dict[str, str]:
    """The condition keys of the request, with what the row's circumstances change of them."""
    context: dict[str, str | None] = {
        **who.context,
        "aws:SecureTransport": "true",
        "aws:RequestedRegion": (
            resources.OTHER_REGION if resources.is_elsewhere(row.resource) else REGION
        ),
    }
    if row.resource != resources.ANYTHING:
        context["aws:ResourceAccount"] = resources.owner(row.resource)
    service = row.action.partition(":")[0]
    if service == "s3":
        context["s3:TlsVersion"] = "1.3"
    if service == "kms":
        context["kms:CallerAccount"] = who.context["aws:PrincipalAccount"]
    for given in row.given:
        context.update(given.context)
    return {
        key: re.sub(r"\{(.+)\}", lambda name: arns[name[1]], value)
        for key, value in context.items()
        if value is not None
    }


def _guard(resource: str, policies: Policies) -> Json | None:
    """The policy of a resource; that of an object is its bucket's."""
    if resources.is_of_stranger(resource):
        return _OPEN_TO_ALL
    arn = policies.arns[resource]
    return policies.resources.get(arn) or policies.resources.get(arn.partition("/")[0])


def _named(kind: str, documents: Sequence[Json]) -> list[Json]:
    return [
        {"name": f"{kind} {number}", "policy": document}
        for number, document in enumerate(documents, start=1)
    ]
