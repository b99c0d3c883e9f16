"""The states of a stack: which can be deployed to, and the one command out of each other one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NOTHING_THERE: Final = frozenset({"DELETE_COMPLETE", "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"})
"""With these, there is nothing that could be changed: a deployment creates the stack. The CDK
deletes what ended in ROLLBACK_COMPLETE first: nothing was ever deployed."""

UPDATABLE: Final = frozenset(
    {
        "CREATE_COMPLETE",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
    }
)

_NO_ROLLBACK: Final = "was made without a rollback (--no-rollback), failed, and stands half-way"
_ROLL_BACK: Final = "aws cloudformation rollback-stack --stack-name {stack}"

# CloudFormation API reference, StackStatus, RollbackStack and ContinueUpdateRollback.
_WAYS_OUT: Final[Mapping[str, str]] = {
    "CREATE_FAILED": f"its creation {_NO_ROLLBACK}. To take all of it back: {_ROLL_BACK} "
    "(docs/runbooks/deploy.md)",
    "UPDATE_FAILED": f"its last update {_NO_ROLLBACK}. To go back to what was there before: "
    f"{_ROLL_BACK} (docs/runbooks/rollback.md)",
    "UPDATE_ROLLBACK_FAILED": "mend what its events name, then aws cloudformation "
    "continue-update-rollback --stack-name {stack} (docs/runbooks/rollback.md)",
    # Its termination protection is on: what lifts it is deleted last, and was not reached.
    "ROLLBACK_FAILED": ".venv/bin/python -m ops leftovers lists what its first deployment has "
    "left, and with --remove takes it away (docs/runbooks/deploy.md)",
    "DELETE_FAILED": "if it never was complete: .venv/bin/python -m ops leftovers; else: "
    "aws cloudformation delete-stack --stack-name {stack} --retain-resources "
    "with what could not be deleted (docs/runbooks/teardown.md)",
}


def way_out(status: str, stack: str) -> str:
    """What to do before a deployment; empty, if nothing."""
    if status in NOTHING_THERE | UPDATABLE:
        return ""
    if status.endswith("IN_PROGRESS"):
        return (
            "wait until that has ended: aws cloudformation describe-stack-events "
            f"--stack-name {stack}"
        )
    known = _WAYS_OUT.get(status, "bring it into order first (docs/runbooks/rollback.md)")
    return known.format(stack=stack)
