"""A run of schemathesis against the deployed API, always with the same requests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from assurance.api_docs.files import OPENAPI
from building_blocks.operations import OPERATIONS
from tests import contract_checks
from tests.deployment import Production
from tests.environment import PROJECT

RUN_SECONDS = 600

# API Gateway has one answer for an unknown path and an unknown method; ours is 404, and cannot be
# 405 for the one of them (RFC 9110, section 15.5.6, asks for 405 from an origin that can tell).
LEFT_OUT = "unsupported_method"

# Operation, status and a problem's code.
Answered = set[tuple[str, ...]]

# Without these a campaign has proven nothing. An operation's first answer may need a link that
# leads to it from another's (operations.json).
MUST_BE_SEEN: Answered = {
    *((each.name, str(each.answers[0].status), "") for each in OPERATIONS),
    ("validate", "400", "invalid_request"),
    ("validate", "409", "idempotency_key_reused"),
    ("validate", "415", "unsupported_media_type"),
    ("process", "400", "invalid_request"),
    ("process", "409", "payment_declined"),
}


def keep_to_the_contract(production: Production, directory: Path, examples: int) -> None:
    """Send generated requests, and check that no answer is outside the contract.

    Args:
        directory: is left with what was seen.
        examples: generated requests a phase and operation; a dozen times as many in all.
    """
    seen = directory / "seen"
    api = production.deployment
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            *("run", str(OPENAPI), "--url", api.api_url, "--header", f"x-api-key: {api.api_key}"),
            *("--mode", "all", "--phases", "examples,coverage,fuzzing,stateful"),
            *("--checks", "all", "--exclude-checks", LEFT_OUT, "--continue-on-failure"),
            *("--generation-deterministic", "--max-examples", str(examples), "--no-color"),
        ],
        cwd=directory,
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": contract_checks.__name__,
            "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'lambda_code'}",
            contract_checks.SEEN: str(seen),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:]
    answered = {tuple(line.split(" ")) for line in seen.read_text().splitlines()}
    assert not MUST_BE_SEEN - answered
