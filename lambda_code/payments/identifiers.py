"""How a payment is named: derived from what the merchant sent, so that a retry finds it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final
from uuid import UUID, uuid5

# Ours, made once (version 4). Another namespace would give every payment another name.
_NAMESPACE: Final = UUID("6a1d3f0e-5b52-4c5e-9a53-0d6c2f1f7b8e")


UUID_PATTERN: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
"""What the ids of payments and entries look like, everywhere: a regular expression. The schemas of
the API repeat it."""


def transaction_id(merchant_id: str, idempotency_key: str) -> str:
    """UUIDv5 of merchant and key; unambiguous, since no merchant_id contains a slash."""
    return str(uuid5(_NAMESPACE, f"{merchant_id}/{idempotency_key}"))


def fingerprint(request: Mapping[str, object]) -> str:
    """SHA-256 (hex) of a request, whatever the order of its members."""
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
