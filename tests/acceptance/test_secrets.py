"""No secret is in the repository: no key, token, private key or password, in any file."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings

from tests.synthesis import ROOT

# Secrets that can be told by themselves, of what this project has to do with.
MARKED = (
    "AWSKeyDetector",
    "BasicAuthDetector",
    "GitHubTokenDetector",
    "JwtTokenDetector",
    "PrivateKeyDetector",
    "PypiTokenDetector",
    "StripeDetector",
)
# Told by the name of a variable, or by its disorder.
NAMED_OR_RANDOM = ("KeywordDetector", "Base64HighEntropyString", "HexHighEntropyString")

# Written by tools, full of digests and logical ids: looked through for marked secrets only.
GENERATED = (
    "snapshots/*.json",
    "package-lock.json",
    "lambda_code/*/requirements.txt",
    "tests/functions/requirements.txt",
    "tests/functions/earlier_trail.json",
    "tests/integration/ledger/previous_release/migrations.json",
)

PROCESSES = os.cpu_count() or 1

# Not secrets, each with its file.
KNOWN = {
    # The examples of the AWS documentation, and others, as what must not be passed on.
    ("tests/integration/local/conftest.py", "AKIAIOSFODNN7" + "EXAMPLE"),
    ("tests/integration/local/conftest.py", "of the user"),
    ("tests/integration/local/test_functions.py", "AKIAIOSFODNN7" + "EXAMPLE"),
    ("tests/e2e/test_ops_alerts.py", "AKIAIOSFODNN7" + "EXAMPLE"),
    # What an environment that was made by hand has in its variables, or only seems to.
    ("tests/integration/test_migration.py", "correct-horse-" + "battery-staple"),
    ("tests/integration/test_migration.py", "tr0ub4" + "dor"),
    ("tests/ops/test_migration.py", "arn:aws:secretsmanager:us-east-1:1:secret" + ":db"),
    ("tests/ops/test_migration.py", "hunt" + "er2"),
    ("tests/ops/test_migration.py", "x-api" + "-key"),
    # What the emulator on loopback takes for the account's root.
    ("local/aws.py", "test"),
    # An SQLSTATE, the name of a message.
    ("local/rds_front.py", "28P01"),
    ("tests/integration/money/boundary.py", "password"),
    # What a change report calls resources, and what it knows of one.
    ("ops/plan/marks.py", "the key that clients send"),
    ("ops/plan/marks.py", "the secret"),
    ("tests/ops/test_plan.py", "none"),
    # The resources of a right, by their names.
    ("assurance/permissions/deployment.yaml", "apigateway:{region}::/apikeys/{name}"),
    ("pipeline/account.yaml", "rds!db-*"),
    # The digits of Crockford's base 32.
    ("benchmarks/card_number_corpus.py", "0123456789" + "ABCDEFGHJKMNPQRSTVWXYZ"),
    # Of databases that live as long as a test.
    ("tests/integration/ledger/test_connection.py", "a-token"),
    ("tests/integration/local/test_postgres.py", "right"),
    # Of a call that must be refused.
    ("tests/e2e/attempts.py", "of-the-probe"),
}


def _files() -> list[str]:
    """What is, or would be, committed; without git, everything but what make has made."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        names = set(listed.stdout.split("\0")) - {""}
        return sorted(name for name in names if (ROOT / name).is_file())
    return sorted(_unignored_files(ROOT))


def _unignored_files(root: Path) -> Iterator[str]:
    rules = (root / ".gitignore").read_text().splitlines()
    ignored = {rule.rstrip("/") for rule in rules if rule and not rule.startswith("#")}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in ignored and name != ".git"]
        for name in names:
            if name not in ignored and not name.endswith(".pyc"):
                yield str((Path(folder) / name).relative_to(root))


def _is_generated(name: str) -> bool:
    return any(Path(name).match(pattern) for pattern in GENERATED)


def _secrets(files: Sequence[Path], *plugins: str) -> set[tuple[str, str]]:
    """What looks like a secret: the file, and the secret."""
    settings = {"plugins_used": [{"name": name} for name in plugins]}
    with transient_settings(settings):
        return {
            (str(file), found.secret_value or "")
            for file in files
            for found in scan_file(str(file))
        }


def _all_secrets(files: Sequence[Path]) -> set[tuple[str, str]]:
    return _secrets(files, *MARKED, *NAMED_OR_RANDOM)


def _marked_secrets(files: Sequence[Path]) -> set[tuple[str, str]]:
    return _secrets(files, *MARKED)


def test_no_file_holds_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    files = [Path(name) for name in _files()]
    written = [file for file in files if not _is_generated(str(file))]
    generated = [file for file in files if _is_generated(str(file))]
    assert len(written) > 100
    assert len(generated) > 5
    with ProcessPoolExecutor(PROCESSES) as pool:  # it takes 10 s of one
        found = set().union(
            *pool.map(_all_secrets, (written[part::PROCESSES] for part in range(PROCESSES))),
            *pool.map(_marked_secrets, (generated[part::PROCESSES] for part in range(PROCESSES))),
        )
    # Both ways: what is found no more is no longer known.
    assert found == KNOWN


def test_without_git_the_same_files_are_looked_through() -> None:
    assert set(_files()) <= set(_unignored_files(ROOT))


# Put together here, so that this file holds none of them.
PLANTED = {
    "an AWS access key": "key = '" + "AKIA" + "Z7QK3M5XW2VN4T6R" + "'",
    "an AWS secret key": "aws_secret = '" + "k9Xw2LqVb7RzT4mNp8Yd" + "J3hFs6GcQeUa1BvKoM5i" + "'",
    "a private key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "a variable's value": "DATABASE_PASS" + "WORD = 'correct-horse-battery'",
    "a password in an address": "postgres://ledger:" + "hunter-two" + "@db.example.com/payments",
    "a payment provider's key": "key = '" + "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc" + "'",
    "a GitHub token": "token = '" + "ghp_" + "a1B2c3D4e5F6g7H8i9" + "J0k1L2m3N4o5P6q7R8" + "'",
}


@pytest.mark.parametrize("line", PLANTED.values(), ids=PLANTED)
def test_a_planted_secret_is_found(tmp_path: Path, line: str) -> None:
    file = tmp_path / "settings.py"
    file.write_text(f"# settings\n{line}\n")
    assert _all_secrets([file])


@pytest.mark.parametrize("kind", ["an AWS access key", "a private key"])
def test_a_planted_secret_is_found_in_a_generated_file(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "compute.json"
    file.write_text(f'{{"Description": "{PLANTED[kind]}"}}\n')
    assert _marked_secrets([file])
