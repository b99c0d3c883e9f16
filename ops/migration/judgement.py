"""What was found about the requirements, as work: done by the deployment, or left for people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from ops.console.checks import Verdict
from ops.inspection.findings import Finding, is_answered
from ops.inspection.subjects import Subjects
from ops.migration.todo import Group, Importance, Todo, unanswered

PRODUCTION: Final = {
    "R1": "functions on Python 3.14, in us-east-1, from code",
    "R2": "a VPC with a public and a private subnet in each of three zones, a NAT gateway a zone",
    "R3": "a VPC of its own, every rule between groups, nothing from addresses",
    "R4": "database payments-ledger: private, Multi-AZ, 30 days of backups, under its own key",
    "R5": "payment-validator, payment-processor, audit-logger: 512 MB, 30 s",
    "R6": "reserved concurrency for each function",
    "R7": "REST API with /validate, /process, /status",
    "R8": "an API key on every method, throttles, usage plan, web firewall",
    "R9": "table payment-transactions: transaction_id and timestamp, point-in-time recovery",
    "R10": "audit bucket: Object Lock, versions, Glacier after 90 days, under its own key",
    "R11": "retry queue that keeps messages 14 days, and a dead-letter queue",
    "R12": "dashboard with latency, error rates and CPU",
    "R13": "encrypted alerts topic with the subscription of ops@company.com",
    "R14": "alarms for all critical metrics, which tell the topic",
    "R15": "every log group kept 90 days, encrypted",
    "R16": "Environment, Team and CostCenter on every resource",
    "R17": "a role for each function, statement by statement, with explicit denials",
    "R18": "separate customer-managed keys, rotated",
}
"""What stands after the deployment."""

_IMPORTANCE: Final = {
    Importance.HIGH: ("R8", "R3", "R17", "R18", "R10", "R4", "R9", "R11"),
    Importance.MEDIUM: ("R6", "R2", "R5", "R7", "R14", "R13"),
    Importance.LOW: ("R1", "R15", "R12", "R16"),
}
"""First what lets somebody in, then what loses data, then what stops; in this order."""

_ORDER: Final = [each for some in _IMPORTANCE.values() for each in some]
_OPEN: Final = (
    ("R4", r"can be reached from the internet"),
    ("R8", r"methods without an API key"),
    ("R10", r": (public access|whom the policy lets in)"),
    ("R3", r"ingress of |groups that take ingress from addresses"),
    ("R17", r"who may call "),
    ("R13", r"whom the topic's policy lets in"),
    ("R18", r"whom the policy of the key"),
)
_CONFIRMED_BY_HAND: Final = "subscription of "
_FOREIGN_SUBSCRIBERS: Final = "subscribers besides "
_KEPT: Final = "messages of the retry queue are kept"


def of_findings(findings: Iterable[Finding], subjects: Subjects) -> Iterator[Todo]:
    """
    Args:
        findings: of `verify`, about the environment that was made by hand.
    """
    wrong = [each for each in findings if each.verdict not in (Verdict.HELD, Verdict.UNSEEN)]
    wrong.sort(key=lambda each: (not _is_open(each), _ORDER.index(each.requirement)))
    for each in wrong:
        if not is_answered(each):
            yield replace(unanswered(each.what, each.requirement), found=each.found)
        elif each.needed == "one" and each.found.startswith("none of these"):
            yield _todo(each, Group.REMAINS, Importance.HIGH, each.mend)
        elif each.what.startswith(_FOREIGN_SUBSCRIBERS):
            yield _todo(
                each, Group.DECIDE, Importance.MEDIUM,
                "production's alerts go to ops@company.com only: who of these is to have them is "
                "subscribed anew, to production's topic",
            )  # fmt: skip
        elif not (_is_of(each, subjects.others) or each.what.startswith(_CONFIRMED_BY_HAND)):
            yield from _solved(each)


def _solved(finding: Finding) -> Iterator[Todo]:
    requirement = finding.requirement
    exposed = _is_open(finding)
    importance = next(each for each, those in _IMPORTANCE.items() if requirement in those)
    yield _todo(
        finding, Group.SOLVED, Importance.CRITICAL if exposed else importance,
        f"production: {PRODUCTION[requirement]}",
    )  # fmt: skip
    if exposed:
        yield _todo(
            finding, Group.REMAINS, Importance.CRITICAL,
            "close it in the old environment now: it stays so until that is switched off",
            finding.mend,
        )  # fmt: skip
    elif finding.what == _KEPT:
        yield _todo(
            finding, Group.REMAINS, Importance.HIGH,
            "lengthen it before the cut-over, so that no failed payment expires meanwhile",
            finding.mend,
        )  # fmt: skip


def _todo(
    finding: Finding, group: Group, importance: Importance, mend: str, command: str = ""
) -> Todo:
    return Todo(
        group=group,
        importance=importance,
        requirement=finding.requirement,
        what=finding.what,
        found=finding.found,
        needed=finding.needed,
        mend=mend,
        command=command,
    )


def _is_open(finding: Finding) -> bool:
    """Whether more than the old environment's own people and functions get in."""
    return any(
        finding.requirement == requirement and re.search(pattern, finding.what)
        for requirement, pattern in _OPEN
    )


def _is_of(finding: Finding, names: Iterable[str]) -> bool:
    """Whether it is about one of some functions, which production has no like of."""
    return any(re.search(rf"(?<![\w-]){re.escape(each)}(?![\w-])", finding.what) for each in names)
