"""How a connection to the ledger is asked for, and the password of a quarter of an hour.

With a real server: tests/integration/ledger.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import parse_qs

import botocore.session
import pytest
from botocore.exceptions import NoCredentialsError

from ledger import connection as subject
from ledger.connection import LedgerAddress, connect
from ledger.token import sign_in_token

ADDRESS = LedgerAddress("ledger.example", 5432, "payments")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the driver is asked for, and which authorities are trusted."""
    found: dict[str, Any] = {}

    def opened(user: str, **options: Any) -> mock.Mock:
        found.update(options, user=user, opened=mock.Mock())
        return found["opened"]  # type: ignore[no-any-return]

    def trust(cafile: str) -> str:
        found["cafile"] = cafile
        return "verified TLS"

    monkeypatch.setattr(subject, "Connection", opened)
    monkeypatch.setattr(ssl, "create_default_context", trust)
    return found


@pytest.mark.parametrize(("opening", "expected"), [(1.8, 1.8), (None, 3.0)])
def test_each_answer_of_opening_and_of_later_statements_has_a_time_limit(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, opening: float | None, expected: float
) -> None:
    monkeypatch.setenv("LEDGER_CA_FILE", "/ca.pem")
    settings = {"statement_timeout": "2500ms"}
    connect(ADDRESS, "u", "p", 3.0, opening_timeout=opening, settings=settings)
    assert asked["timeout"] == expected
    asked["opened"]._usock.settimeout.assert_called_once_with(3.0)
    assert (asked["user"], asked["password"]) == ("u", "p")
    assert (asked["host"], asked["port"], asked["database"]) == ("ledger.example", 5432, "payments")
    assert asked["ssl_context"] == "verified TLS"
    assert asked["startup_params"] == settings


def test_the_authorities_are_those_of_the_package_unless_another_file_is_named(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMBDA_TASK_ROOT", "/var/task")
    monkeypatch.delenv("LEDGER_CA_FILE", raising=False)
    connect(ADDRESS, "u", "p", 3.0)
    assert asked["cafile"] == str(Path("/var/task/rds-ca.pem"))
    monkeypatch.setenv("LEDGER_CA_FILE", "/other.pem")
    connect(ADDRESS, "u", "p", 3.0)
    assert asked["cafile"] == "/other.pem"


def test_the_address_is_the_environments() -> None:
    variables = {"LEDGER_HOST": "h", "LEDGER_PORT": "5433", "LEDGER_DATABASE": "d"}
    assert LedgerAddress.from_environment(variables) == LedgerAddress("h", 5433, "d")


def test_the_token_is_that_of_the_rds_client() -> None:
    session = botocore.session.Session()
    session.set_config_variable("region", "us-east-1")
    session.set_credentials("AKIAEXAMPLE", "of-a-test", "a/token+with=signs")
    rds: Any = session.create_client("rds")
    # Signed in the same second.
    while (ours := sign_in_token(session, ADDRESS, "u")) != (
        theirs := rds.generate_db_auth_token("ledger.example", 5432, "u")
    ):
        seconds = [parse_qs(token)["X-Amz-Date"] for token in (ours, theirs)]
        assert seconds[0] != seconds[1], (ours, theirs)
    assert "X-Amz-Expires=900" in ours


def test_without_credentials_there_is_no_token() -> None:
    nobody = mock.Mock(spec=botocore.session.Session)
    nobody.get_credentials.return_value = None
    with pytest.raises(NoCredentialsError):
        sign_in_token(nobody, ADDRESS, "u")
