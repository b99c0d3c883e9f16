"""The release before runs on this release's schema: after a rollback it has to.

``previous_release/`` holds, as data, what is in production: the functions that payments pass
through (of which the package ``ledger`` is tried here, and the whole in
tests/integration/money/test_previous_release.py), and the checksums of the migrations. It is
renewed when a release is in production (``previous_release/renew.py``), never to make a test pass:
a test that fails here says that this release cannot be rolled back, or that a migration was edited
which production has applied.
"""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from ledger_schema.migrator import read

from tests.integration.ledger.conftest import Connect
from tests.integration.ledger.previous_release.renew import FUNCTIONS, MIGRATIONS


@pytest.fixture
def previous(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Any, Any]:
    """The modules `posting` and `session` of the release before."""
    shutil.unpack_archive(FUNCTIONS, tmp_path)
    for name in list(sys.modules):
        if name.partition(".")[0] == "ledger":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    modules = tuple(importlib.import_module(f"ledger.{name}") for name in ("posting", "session"))
    assert all(str(module.__file__).startswith(str(tmp_path)) for module in modules)
    # What it has put there goes again, and what was there comes back.
    for name in list(sys.modules):
        if name.partition(".")[0] == "ledger":
            monkeypatch.delitem(sys.modules, name)
    posting, session = modules
    return posting, session


@pytest.fixture
def ledger(previous: tuple[Any, Any], connect: Connect) -> Any:
    """As the release before uses it, signed in as payment_processor."""
    posting, session = previous
    return posting.Ledger(session.LedgerSession(connect))


def terms(**changes: Any) -> dict[str, Any]:
    own = {"transaction_id": str(uuid4()), "merchant_id": "acme", "amount": 5, "currency": "EUR"}
    return own | changes


def test_it_refuses_other_terms(ledger: Any, previous: tuple[Any, Any]) -> None:
    payment = terms()
    ledger.post(**payment)
    with pytest.raises(previous[1].LedgerRefusedError):
        ledger.post(**payment | {"amount": 6})


def test_migrations_in_production_stay_as_they_are() -> None:
    """The migrator would refuse an edited one, but only during the deployment."""
    released: dict[str, str] = json.loads(MIGRATIONS.read_text())
    now = {migration.name: migration.checksum for migration in read()}
    assert list(now.items())[: len(released)] == list(released.items())
