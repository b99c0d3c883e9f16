"""How checks are made that hold or do not."""

from __future__ import annotations

from ops.console.checks import Check, Verdict


def judged(
    what: str, *, found: str, held: bool, mend: str, needed: str = "", note: str = ""
) -> Check:
    """
    Args:
        mend: told where it does not hold.
        note: told where it holds.
    """
    return Check(
        what=what,
        found=found,
        needed=needed,
        verdict=Verdict.HELD if held else Verdict.PROBLEM,
        mend=note if held else mend,
    )


def unseen(what: str, *, needed: str, why: str) -> Check:
    return Check(
        what=what, found=f"cannot be seen here: {why}", needed=needed, verdict=Verdict.UNSEEN
    )
