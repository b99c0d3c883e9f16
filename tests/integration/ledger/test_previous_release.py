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
from math import inf
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
    posting, session = (
        importlib.import_module(f"ledger.{name}") for name in ("posting", "session")
    )
    assert str(posting.__file__).startswith(str(tmp_path))
    monkeypatch.setattr(session, "OPENED_WITHIN", inf)
    # What it has put there goes again, and what was there comes back.
    for name in list(sys.modules):
        if name.partition(".")[0] == "ledger":
            monkeypatch.delitem(sys.modules, name)
    return posting, session


def test_it_is_refused_other_terms_as_it_knows(previous: tuple[Any, Any], connect: Connect) -> None:
    """What clients never see: no other test of the release before comes here."""
    posting, session = previous
    ledger = posting.Ledger(session.LedgerSession(connect))
    terms = {"transaction_id": str(uuid4()), "merchant_id": "acme", "currency": "EUR"}
    ledger.post(**terms, amount=5)
    with pytest.raises(session.LedgerRefusedError):
        ledger.post(**terms, amount=6)


def test_migrations_in_production_stay_as_they_are() -> None:
    """The migrator would refuse an edited one, but only during the deployment."""
    released: dict[str, str] = json.loads(MIGRATIONS.read_text())
    now = {migration.name: migration.checksum for migration in read()}
    assert list(now.items())[: len(released)] == list(released.items())
