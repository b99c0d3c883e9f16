"""`smoke` never keeps to itself which payments it posted."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
import typer
from botocore.exceptions import ClientError, EndpointConnectionError
from rich.console import Console

from ops.console import checks
from ops.console.ending import Stopped, Unwritten
from ops.production.payments_api import Answer, PaymentsApi
from ops.production.stack import Production
from ops.smoke import command as smoke
from reconciliation.audit_records import AuditRecords, Found
from reconciliation.history import PaymentHistory
from reconciliation.ledger import Ledger
from reconciliation.stores import UnreadableError

LEDGER = "ledger: the same entries"
HISTORY = "history: approved, posted"
TRAIL = "audit trail: approved, posted"


class Api:
    """Approves and posts all that it is asked for."""

    public_url = "https://api"

    def __init__(self, failing_at: int = 0, queueing: bool = False) -> None:
        self.ids: list[str] = []
        self.asked: list[str] = []
        """What it was to post."""
        self._queueing = queueing
        self._failing_at = failing_at
        """The posting that ends in no answer."""

    def call(self, _method: str, path: str, body: Any = None, **_: Any) -> Answer:
        told: dict[str, Any] = {"status": "operational"}
        if path == "/validate":
            told = {"decision": "approved", "transaction_id": str(uuid4())}
        if path == "/process":
            self.asked.append(body["transaction_id"])
            if self._queueing:
                return Answer(status=202, body={"status": "queued"}, seconds=0.1)
            if body["transaction_id"] not in self.ids:
                if len(self.ids) + 1 == self._failing_at:
                    raise RuntimeError("nonsense")
                self.ids.append(body["transaction_id"])
            told = {"status": "posted", "entry": {"entry_id": "1", "postings": []}}
        return Answer(status=200, body=told, seconds=0.1)


class Stores:
    """Of which none can be read."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def payment(self, _id: str) -> None:
        raise self._error

    def of_payment(self, _id: str) -> list[dict[str, Any]]:
        raise self._error

    def stored_between(self, _begin: datetime, _end: datetime) -> Iterator[Found]:
        raise self._error


class Embedded:
    emulated = True


def run(
    monkeypatch: pytest.MonkeyPatch, api: Api, error: BaseException, *, as_json: bool = True
) -> None:
    stores = Stores(error)
    for reader in (Ledger, PaymentHistory, AuditRecords):
        monkeypatch.setattr(reader, "of", lambda _production: stores)
    monkeypatch.setattr(PaymentsApi, "find", lambda _production: api)
    monkeypatch.setattr(Production, "find", Embedded)
    smoke.command(payments=2, wait=0, dry_run=False, yes=False, as_json=as_json)


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "M"}}, "Query")


@pytest.mark.parametrize(
    ("error", "found", "verdict"),
    [
        (EndpointConnectionError(endpoint_url="https://x"), "no connection", "not answered"),
        (refused("ThrottlingException"), "AWS could not answer now, ask again", "not answered"),
        (refused("ExpiredToken"), "the AWS credentials have expired", "problem"),
        (
            UnreadableError("f: the ledger did not answer"),
            "f: the ledger did not answer",
            "problem",
        ),
        (refused("AccessDenied"), "not for these credentials (Query)", "not seen"),
    ],
    ids=["connection", "throttled", "expired", "reader", "denied"],
)
def test_a_store_that_cannot_be_read_does_not_keep_what_was_posted(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    found: str,
    verdict: str,
) -> None:
    api = Api()
    with pytest.raises(typer.Exit) as ended:
        run(monkeypatch, api, error)
    assert ended.value.exit_code == 1  # the API that stands in here declines nothing
    document = json.loads(capsys.readouterr().out)
    assert document["transaction_ids"] == api.ids[:2]
    assert document["latencies"]["POST /process"]["calls"]
    checks = {check["what"]: check for check in document["checks"]}
    for what in (LEDGER, HISTORY, TRAIL):
        assert checks[what]["found"].startswith(found)
        assert checks[what]["verdict"] == verdict
    assert bool(checks[LEDGER]["mend"]) == (verdict != "not seen")


@pytest.mark.parametrize("as_json", [True, False], ids=["JSON", "people"])
@pytest.mark.parametrize("error", [Stopped(), KeyError("entry")], ids=["Ctrl-C", "unexpected"])
def test_what_was_posted_is_told_however_it_ends(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    *,
    as_json: bool,
) -> None:
    api = Api()
    with pytest.raises(type(error)):
        run(monkeypatch, api, error, as_json=as_json)
    output = capsys.readouterr().out
    assert all(each in output for each in api.ids[:2])
    assert "ended early" in output
    assert "POST /process" in output
    if as_json:
        assert not json.loads(output)["held"]


def unwritten(*_: object, **__: object) -> None:
    raise Unwritten(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def test_what_was_posted_is_told_on_the_other_output_when_the_first_has_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Api()
    monkeypatch.setattr(checks, "as_document", unwritten)
    with pytest.raises(Unwritten):
        run(monkeypatch, api, UnreadableError(""))
    told = capsys.readouterr().err.splitlines()
    assert [line for line in told if line.startswith("posted: ")] == [
        f"posted: {each}" for each in api.ids[:2]
    ]


@pytest.mark.parametrize("as_json", [True, False], ids=["JSON", "people"])
def test_nothing_is_posted_when_it_could_not_be_told(
    monkeypatch: pytest.MonkeyPatch, *, as_json: bool
) -> None:
    api = Api()
    monkeypatch.setattr(typer, "echo", unwritten)
    monkeypatch.setattr(Console, "print", unwritten)
    with pytest.raises(Unwritten):
        run(monkeypatch, api, UnreadableError(""), as_json=as_json)
    assert not api.asked


def test_what_was_posted_before_the_api_failed_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Api(failing_at=2)
    with pytest.raises(RuntimeError, match="nonsense"):
        run(monkeypatch, api, UnreadableError(""))
    document = json.loads(capsys.readouterr().out)
    assert document["transaction_ids"] == api.ids
    assert len(api.ids) == 1
    assert not document["held"]
    assert document["not_posted"] == api.asked[-1:]


@pytest.mark.parametrize("as_json", [True, False], ids=["JSON", "people"])
def test_what_was_queued_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    api = Api(queueing=True)
    with pytest.raises(typer.Exit) as ended:
        run(monkeypatch, api, UnreadableError(""), as_json=as_json)
    assert ended.value.exit_code == 1
    queued, output = api.asked[:2], capsys.readouterr().out
    if as_json:
        document = json.loads(output)
        assert (document["transaction_ids"], document["not_posted"]) == ([], queued)
        unseen = [each["what"] for each in document["checks"] if each["verdict"] == "not seen"]
        assert unseen == [LEDGER, HISTORY, TRAIL]
    else:
        assert all(f"approved, not (yet) posted: {each}" in output for each in queued)
