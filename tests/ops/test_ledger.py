"""The ledger's reader as operators call it: asleep, slow, or with an answer."""

from __future__ import annotations

import io
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from reconciliation.ledger import Ledger
from reconciliation.stores import UnreadableError

NOW = datetime(2026, 5, 1, tzinfo=UTC)
NO_ENTRY = {"entry": None}
UNAVAILABLE = {"error": {"code": "ledger_unavailable", "detail": "statement timeout"}}
DAY = (NOW - timedelta(days=1), NOW)


class Lambda:
    """Answers in turn, the last one for ever; a name of an error is raised."""

    def __init__(self, *answers: str | dict[str, Any]) -> None:
        self._answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def invoke(self, **request: Any) -> dict[str, Any]:
        self.asked.append(json.loads(request["Payload"]))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, str):
            raise ClientError({"Error": {"Code": answer, "Message": "no"}}, "Invoke")
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was slept; nobody waits for it."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(slept))
    return slept


def _ledger(client: Lambda, copy: tuple[str, int] | None = None) -> Ledger:
    return Ledger(function="reader", client=client, copy=copy)


@pytest.mark.parametrize(
    "refusal", ["ENINotReadyException", "ResourceConflictException", "ResourceNotReadyException"]
)
def test_a_function_that_nobody_invoked_for_weeks_is_waited_for(
    refusal: str, clock: list[float]
) -> None:
    client = Lambda(refusal, refusal, NO_ENTRY)
    assert _ledger(client).payment("id") is None
    assert len(client.asked) == 3
    assert sum(clock) == 10


def test_one_that_does_not_wake_up_is_given_up_with_where_to_look(clock: list[float]) -> None:
    with pytest.raises(UnreadableError, match=r"does not get ready.*get-function"):
        _ledger(Lambda("ResourceNotReadyException")).payment("id")
    assert 300 < sum(clock) < 320


def test_another_refusal_is_told_at_once(clock: list[float]) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        _ledger(Lambda("AccessDenied")).payment("id")
    assert not clock


def test_the_live_ledger_is_not_asked_again_when_it_did_not_answer(clock: list[float]) -> None:
    with pytest.raises(
        UnreadableError, match=r"statement timeout. the ledger did not answer: is it up"
    ):
        _ledger(Lambda(UNAVAILABLE, NO_ENTRY)).payment("id")
    assert not clock


@pytest.mark.parametrize(
    ("detail", "shorter"),
    [
        ("SQLSTATE 57014: canceling statement due to statement timeout", True),
        ("The read operation timed out", True),
        ("no connection: timed out", False),
        ("no connection: SQLSTATE 58000: the server is being started", False),
        ("SQLSTATE 57P01: terminating connection due to administrator command", False),
    ],
)
def test_a_shorter_period_is_proposed_where_the_question_took_too_long(
    detail: str, shorter: bool
) -> None:
    answer = {"error": {"code": "ledger_unavailable", "detail": detail}}
    with pytest.raises(UnreadableError) as of_period:
        _ledger(Lambda(answer)).totals(*DAY)
    with pytest.raises(UnreadableError) as of_payment:
        _ledger(Lambda(answer)).payment("id")
    assert ("ask for a shorter period" in str(of_period.value)) == shorter
    assert ("is it up" in str(of_period.value)) != shorter
    assert "shorter period" not in str(of_payment.value)


def test_a_copy_is_slow_at_first(clock: list[float]) -> None:
    assert _ledger(Lambda(UNAVAILABLE, NO_ENTRY), ("copy", 5432)).payment("id") is None
    assert sum(clock) == 5
    with pytest.raises(UnreadableError, match="statement timeout"):
        _ledger(Lambda(UNAVAILABLE), ("copy", 5432)).payment("id")


def test_a_copy_is_read_in_smaller_pages_from_where_it_is() -> None:
    page: dict[str, Any] = {"entries": [], "next": None}
    live, copy = Lambda(page), Lambda(page)
    list(_ledger(live).entries(NOW - timedelta(days=1), NOW))
    list(_ledger(copy, ("copy", 5433)).entries(NOW - timedelta(days=1), NOW))
    assert live.asked[0]["limit"] == 10 * copy.asked[0]["limit"]
    assert "database" not in live.asked[0]
    assert copy.asked[0]["database"] == {"host": "copy", "port": 5433}
