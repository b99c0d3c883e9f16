"""What was found about one requirement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ops.console import checks
from ops.console.checks import Check, Verdict

REQUIREMENTS: Final[Mapping[str, str]] = {
    "R1": "CDK v2, Python 3.8 or higher, us-east-1; the stack whole and as deployed",
    "R2": "a VPC with 3 zones, each with a public and a private subnet",
    "R3": "a VPC of production's own, in which every rule is explicit",
    "R4": "RDS PostgreSQL, Multi-AZ, backups, encrypted",
    "R5": "three functions, 512 MB and 30 s each",
    "R6": "reserved concurrency",
    "R7": "the REST API: /validate, /process, /status",
    "R8": "throttling and API keys",
    "R9": "the table of transactions",
    "R10": "the bucket of audit logs",
    "R11": "the retry queue",
    "R12": "the dashboard",
    "R13": "the alerts topic and its subscription",
    "R14": "alarms for all critical metrics",
    "R15": "logs kept for 90 days",
    "R16": "the tags Environment, Team and CostCenter",
    "R17": "least privilege",
    "R18": "separate customer-managed keys",
}
"""In the order in which they are told."""

WITH_RIGHTS: Final = (
    "with credentials that may read it (AWS's policy ReadOnlyAccess; for drift also "
    "cloudformation:DetectStackDrift, cloudformation:DetectStackResourceDrift and "
    "cloudformation:BatchDescribeTypeConfigurations, should it lack them)"
)
"""How to mend that something could not be read."""


@dataclass(frozen=True, kw_only=True)
class Finding(Check):
    """About a requirement, such as ``R4``."""

    requirement: str


def judged(
    requirement: str, what: str, *, found: Any, needed: Any, mend: str, held: bool | None = None
) -> Finding:
    """A finding that holds when what was found is what is needed, unless `held` says otherwise."""
    told, wanted = _text(found), _text(needed)
    good = told == wanted if held is None else held
    check = checks.judged(what, found=told, needed=wanted, held=good, mend=mend)
    return Finding(requirement=requirement, **vars(check))


def problem(requirement: str, what: str, *, found: str, needed: str, mend: str) -> Finding:
    return judged(requirement, what, found=found, needed=needed, mend=mend, held=False)


def unseen(requirement: str, what: str, *, found: str, needed: str, mend: str = "") -> Finding:
    check = Check(what=what, found=found, needed=needed, verdict=Verdict.UNSEEN, mend=mend)
    return Finding(requirement=requirement, **vars(check))


def is_answered(finding: Finding) -> bool:
    """Whether AWS told what it was asked; not so, where rights were lacking, for one."""
    return finding.verdict is not Verdict.UNANSWERED and not finding.mend.startswith(WITH_RIGHTS)


def _text(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case None:
            return "none"
        case list() | tuple() | set() | frozenset():
            return ", ".join(sorted(map(str, value))) or "none"
    return str(value)
