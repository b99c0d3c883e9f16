"""Staging, deployed from the same app, takes a payment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from local.postgres import free_port
from tests.environment import PROJECT

SETTINGS = (
    "environment=staging",
    "api_domain_name=pay.company.com",
    "certificate_arn=arn:aws:acm:us-east-1:123456789012:certificate/" + "1234-" * 7 + "a",
)


def test_staging_stands_with_an_address_of_its_own_and_takes_a_payment(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "local", "up", "--once", "--port", str(free_port())]
    done = subprocess.run(
        [*command, "--state-dir", str(tmp_path), *(f"--context={each}" for each in SETTINGS)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cdk deploy PaymentsStaging" in done.stdout
    assert "ApiAddress = https://pay.company.com/" in (tmp_path / "cdk.log").read_text()
