"""Hundreds of generated requests of each kind: no answer is outside docs/openapi.yaml."""

from __future__ import annotations

from pathlib import Path

from tests.contract_campaign import keep_to_the_contract
from tests.deployment import Production

EXAMPLES = 50


def test_no_answer_is_outside_the_contract(production: Production, tmp_path: Path) -> None:
    keep_to_the_contract(production, tmp_path, EXAMPLES)
