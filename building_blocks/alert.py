"""What the operators are told, wherever an alert comes from: what happened, how urgent it is, what
users notice, and where it stands what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DRILL_SOURCE: Final = "payments.alert-drill"
"""Of the event with which `alert-drill` tries EventBridge; AWS lets nobody use a source of its
own."""


class Severity(StrEnum):
    """How soon somebody must look."""

    CRITICAL = "critical"
    """At once, at night too: money, the audit trail or all clients are concerned."""
    WARNING = "warning"
    """The same working day: nobody is harmed yet."""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One reason to tell the operators."""

    name: str
    """Lower case, with dashes; the section of the runbook has it as its anchor."""
    family: str
    """The runbook: ``docs/runbooks/<family>.md``."""
    severity: Severity
    summary: str
    """What happened, in one sentence."""
    impact: str
    """What users notice, in one sentence."""
    subject: str = ""
    """Which one, where several are watched in the same way; they share a section of the runbook."""

    @property
    def full_name(self) -> str:
        """What the alarm or rule is called in AWS."""
        return "-".join(part for part in ("payments", self.name, self.subject) if part)

    @property
    def runbook(self) -> str:
        return f"docs/runbooks/{self.family}.md#{self.name}"

    def lines(self) -> tuple[str, ...]:
        """What a mail says."""
        return (
            f"Severity: {self.severity}",
            f"What: {self.summary}",
            f"Users: {self.impact}",
            f"Runbook: {self.runbook}",
        )

    def description(self) -> str:
        """The lines as one text; CloudWatch takes 1,024 characters, EventBridge 512."""
        return "\n".join(self.lines())
