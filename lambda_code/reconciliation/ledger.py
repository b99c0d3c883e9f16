"""The ledger, as payments-ledger-reader shows it: docs/decisions/0010-reading-the-ledger.md."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from reconciliation.stores import Deployed, UnreadableError

FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""payments-ledger-reader answers nothing about the time before."""

_PAGE: Final = 5000
"""Entries: the function's most."""
_PAGE_OF_COPY: Final = 500

_WAKING: Final = {
    "ENINotReadyException",
    "ResourceConflictException",
    "ResourceNotReadyException",
}
"""Lambda takes the network interfaces of functions that nobody invokes for weeks; the next
invocation is refused, and brings them back in a minute or two (AWS Lambda Developer Guide,
"Giving Lambda functions access to resources in an Amazon VPC")."""
_PATIENCE: Final = 300.0
_PAUSE: Final = 5.0
"""Seconds."""

_ADDED_AT_ONCE: Final = timedelta(hours=6)
"""A quarter of a million entries take a second; the server gives a question ten."""

_TOO_LONG: Final = re.compile(r"SQLSTATE 57014|(?!no connection).*timed out")
"""What an answer matches that took longer than the server's limit (query_canceled), or than the
function waits for it."""


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Questions to the function; the user needs lambda:InvokeFunction on it, and nothing of the
    database's. What the answers hold: lambda_code/ledger_reader/reading.py.

    Attributes:
        copy: host and port of a restored database, which is read in place of the live one.

    All methods raise UnreadableError if the ledger does not answer, and botocore's errors.
    """

    function: str
    client: Any
    copy: tuple[str, int] | None = None

    @classmethod
    def of(cls, production: Deployed, copy: tuple[str, int] | None = None) -> Ledger:
        return cls(
            function=production.output("LedgerReaderName"),
            client=production.client("lambda"),
            copy=copy,
        )

    def payment(self, transaction_id: str) -> dict[str, Any] | None:
        """The payment's entry, if it is posted."""
        answer = self._ask(action="payment", transaction_id=transaction_id)
        entry: dict[str, Any] | None = answer["entry"]
        return entry

    def entries(self, begin: datetime, end: datetime) -> Iterator[dict[str, Any]]:
        """Those that were posted in a period, page by page."""
        after, limit = None, _PAGE_OF_COPY if self.copy else _PAGE
        while True:
            page = self._ask(action="entries", **_period(begin, end), after=after, limit=limit)
            yield from page["entries"]
            after = page["next"]
            if after is None:
                return

    def totals(self, begin: datetime, end: datetime) -> list[dict[str, Any]]:
        """Entries, debits and credits of a period by currency, as the ledger adds them up."""
        found: dict[str, Counter[str]] = {}
        while begin < end:
            until = min(begin + _ADDED_AT_ONCE, end)
            for told in self._ask(action="totals", **_period(begin, until))["totals"]:
                found.setdefault(told.pop("currency"), Counter()).update(told)
            begin = until
        return [{"currency": currency, **found[currency]} for currency in sorted(found)]

    def _ask(self, **request: Any) -> dict[str, Any]:
        if self.copy:
            host, port = self.copy
            request["database"] = {"host": host, "port": port}
        began = time.monotonic()
        while True:
            answer = self._invoke(request)
            unavailable = answer and answer.get("error", {}).get("code") == "ledger_unavailable"
            # A copy is slow at first: RDS fetches its blocks from S3 as they are asked for.
            if answer and not (self.copy and unavailable):
                break
            if time.monotonic() - began > _PATIENCE:
                break
            time.sleep(_PAUSE)
        if not answer:
            raise UnreadableError(
                f"{self.function} does not get ready; its state: aws lambda get-function "
                f"--function-name {self.function} --query Configuration.State"
            )
        if "error" in answer:
            raise UnreadableError(f"{self.function}: {_error_text(request, **answer['error'])}")
        return answer

    def _invoke(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer; empty while the function wakes up."""
        try:
            invoked = self.client.invoke(FunctionName=self.function, Payload=json.dumps(request))
        except ClientError as error:
            if error.response["Error"]["Code"] in _WAKING:
                return {}
            raise
        answer: dict[str, Any] = json.loads(invoked["Payload"].read())
        if "FunctionError" in invoked:
            raise UnreadableError(
                f"{self.function} failed: {answer.get('errorMessage', 'see its log')}"
            )
        return answer


def _error_text(request: Mapping[str, Any], code: str, detail: str) -> str:
    """An answer that is none, with what to do."""
    if code != "ledger_unavailable":
        return f"{detail}. see its log"
    if _TOO_LONG.match(detail):
        longer = ": ask for a shorter period" if "from" in request else ""
        return f"{detail}. the question took too long{longer}"
    return f"{detail}. the ledger did not answer: is it up (`GET /status`)?"


def terms(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What the ledger has in common with the history; a list where its postings disagree."""
    postings = entry["postings"]
    # merchant-payable/<merchant_id>/<currency>
    payable = [each["account"].split("/") for each in postings if each["direction"] == "credit"]
    return {
        "amount": _only(each["amount"] for each in postings),
        "currency": _only(each["currency"] for each in postings),
        "merchant_id": _only("/".join(parts[1:-1]) for parts in payable),
        "entry_id": entry["entry_id"],
    }


def _only(values: Iterable[Any]) -> Any:
    found = sorted(set(values))
    return found[0] if len(found) == 1 else found


def _period(begin: datetime, end: datetime) -> dict[str, str]:
    return {"from": begin.isoformat(), "to": end.isoformat()}
