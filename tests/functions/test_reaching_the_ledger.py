"""Reaching a database that has only just been made."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from ledger_schema import handler
from pg8000.native import DatabaseError, InterfaceError  # type: ignore[import-untyped]

NOT_YET = [
    OSError("the name is not known"),
    InterfaceError("no connection"),
    *(DatabaseError({"C": state}) for state in ("57P01", "57P02", "57P03", "53300", "28P01")),
    ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetSecretValue"),
]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "PAUSE", 0.0)


@pytest.mark.parametrize("error", NOT_YET)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    tries = []

    def sign_in() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise error
        return "connection"

    assert handler._until_reachable(sign_in, patience=60) == "connection"
    assert len(tries) == 3


@pytest.mark.parametrize("error", NOT_YET)
def test_patience_ends(error: Exception) -> None:
    def sign_in() -> None:
        raise error

    with pytest.raises(type(error)):
        handler._until_reachable(sign_in, patience=0)


def test_any_other_answer_of_the_database_is_final() -> None:
    tries = []

    def sign_in() -> None:
        tries.append(1)
        raise DatabaseError({"C": "3D000"})

    with pytest.raises(DatabaseError):
        handler._until_reachable(sign_in, patience=60)
    assert len(tries) == 1
