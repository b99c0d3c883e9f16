"""What is left, and whether it may go."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """Something that a creation has left.

    Attributes:
        kind: such as ``table``; ops.leftovers.removal.ORDER has them all.
        found: ``tag``, ``name`` or ``stack``: how it was told to be PaymentsProd's.
        owner: the id of the stack that made it, from its tags; empty, if these do not say.
        logical_id: in that stack, from its tags; empty likewise.
        proven: whether it is proven to hold nothing of business. Only then may it go.
        evidence: why it is, or is not.
    """

    kind: str
    name: str
    found: str
    owner: str = ""
    logical_id: str = ""
    proven: bool = False
    evidence: str = ""
