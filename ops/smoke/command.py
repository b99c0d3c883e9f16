"""`smoke`: real payments through the deployed API, and what they left in each store."""

from __future__ import annotations

import json
import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from ops.console import checks, terminal
from ops.console.checks import Check, Verdict, judged, problem
from ops.console.confirmation import confirm
from ops.console.failure import OpsError, explain, is_busy, is_denied
from ops.console.settings import JsonOption, NotAskedOption
from ops.console.terminal import escape
from ops.production.payments_api import Answer, PaymentsApi
from ops.production.stack import Production
from payments.states import APPROVED, POSTED
from reconciliation.audit_records import AuditRecords
from reconciliation.history import PaymentHistory
from reconciliation.ledger import Ledger
from reconciliation.stores import UnreadableError

MERCHANT: Final = "smoke-test"
AMOUNT: Final = 1
CURRENCY: Final = "USD"
_NO_CURRENCY: Final = "XTS"
"""ISO 4217 keeps it for tests: a payment in it is declined, however small."""
_LEDGER: Final = "ledger: the same entries"
_HISTORY: Final = "history: approved, posted"
_TRAIL: Final = "audit trail: approved, posted"
_POLL_SECONDS: Final = 2.0
_CLOCKS: Final = timedelta(minutes=1)
"""How far S3's clock and this machine's may be apart."""

Json = dict[str, Any]


def command(
    payments: Annotated[int, typer.Option(min=1, max=20, help="How many payments are posted.")] = 3,
    wait: Annotated[
        int,
        typer.Option(
            min=0, metavar="SECONDS", help="How long history and audit may take to follow."
        ),
    ] = 90,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be sent, and send nothing.")
    ] = False,
    yes: NotAskedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Send real payments through the deployed API, and read back what they left.

    **It posts to production's ledger, for good**: payments of 1 cent (USD) to the merchant
    `smoke-test`, who is nobody. One more is declined, for its currency (XTS). Asks before it
    sends, unless it is given --yes or runs on the embedded environment.

    Tried are: approved, the same once more, the same key with another amount, declined, malformed,
    without a key, posted, posted once more, and the status; then the ledger, the history and the
    audit trail are read, as far as your credentials may ("not seen" where they may not).

    Latencies are as seen from here, with a new connection for each call. A quarter of an hour
    later, `verify` tells whether the metrics behind the alarms have seen the payments. Exit code
    1: something was not as it should be.
    """
    production = Production.find()
    if dry_run:
        _show_plan(production, payments, as_json)
        return
    if not production.emulated:
        account = production.client("sts").get_caller_identity()["Account"]
        confirm(
            f"Post {payments} real payments of {AMOUNT} cent ({CURRENCY}) to the ledger of account "
            f"{account}, for good?",
            yes,
        )
    told = terminal.told()
    with told.status("looking for the API's key"):
        smoke = Smoke(api=PaymentsApi.find(production))
    # Before anything is posted: what cannot be written to, would not tell what was.
    if as_json:
        typer.echo(" ", nl=False)
    else:
        terminal.out().print(f"Posting {payments} payments of {AMOUNT} cent ({CURRENCY}).")
    found: list[Check] = []
    try:
        with told.status("sending payments") as status:
            for check in smoke.send(payments):
                found.append(check)
            status.update("reading back")
            for check in read_back(production, smoke.posted, wait):
                found.append(check)
    except BaseException:  # an interruption too: what was posted stays, and is told
        mend = "what was posted is told here; `python -m ops payment ID` tells where each stands"
        found.append(problem("all of it", "ended early", mend))
        raise
    finally:
        try:
            _show(smoke, found, as_json)
        except BaseException:  # such as a disk that has filled up meanwhile
            told.print(*map(escape, _sent(smoke)), sep="\n", soft_wrap=True)
            raise
    raise typer.Exit(checks.exit_code(found))


def _show(smoke: Smoke, found: Sequence[Check], as_json: bool) -> None:
    if as_json:
        document = {
            "api": smoke.api.public_url,
            "merchant": MERCHANT,
            "transaction_ids": [each.transaction_id for each in smoke.posted],
            "not_posted": smoke.not_posted,
            "latencies": {name: _summary(times) for name, times in smoke.seconds.items()},
        }
        typer.echo(json.dumps({**document, **checks.as_document(found)}))
    else:
        out = terminal.out()
        checks.show(out, found)
        _show_latencies(out, smoke.seconds)
        for line in _sent(smoke):
            out.print(escape(line), soft_wrap=True)


def _sent(smoke: Smoke) -> list[str]:
    return [
        *(f"posted: {each.transaction_id}" for each in smoke.posted),
        *(f"approved, not (yet) posted: {each}" for each in smoke.not_posted),
    ]


def payment_request(**changes: object) -> Json:
    """A request that is approved, with an idempotency key of its own."""
    return {
        "merchant_id": MERCHANT,
        "amount": AMOUNT,
        "currency": CURRENCY,
        "payment_method_token": "smoke-test",  # names nothing
        "reference": "Smoke test",
        "idempotency_key": str(uuid.uuid4()),
        **changes,
    }


@dataclass(frozen=True, kw_only=True)
class Posted:
    """A payment that the API says is in the ledger, with the entry that /process answered."""

    transaction_id: str
    entry: Mapping[str, Any]
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Smoke:
    """The calls.

    Attributes:
        approved: transaction ids, of which /process is asked; filled as it goes on.
        posted: those of them that it answered to be in the ledger.
        seconds: of each method and path's calls that were answered with 200.
    """

    api: PaymentsApi
    approved: list[str] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    @property
    def not_posted(self) -> list[str]:
        """Transaction ids of what may be queued, or answered too late: it can be posted yet."""
        posted = {each.transaction_id for each in self.posted}
        return [each for each in self.approved if each not in posted]

    def send(self, payments: int) -> Iterator[Check]:
        yield from self._refused()
        for number in range(payments):
            yield self._status(number)
            yield from self._pay(number)
        yield from self._declined()

    def _refused(self) -> Iterator[Check]:
        answer = self.api.call("POST", "/validate", payment_request(), with_key=False)
        yield self._expect("without a key: refused", answer, 403, "code", "api_key_required")
        answer = self.api.call("POST", "/validate", b'{"merchant_id": ')
        yield self._expect("malformed: refused", answer, 400, "code", "invalid_request")

    def _status(self, number: int) -> Check:
        answer = self._call("GET", "/status")
        return self._expect(_nth("status", number), answer, 200, "status", "operational")

    def _pay(self, number: int) -> Iterator[Check]:
        """One payment; the first one is asked for again, in each way."""
        since = datetime.now(UTC)
        request = payment_request()
        approved = self._call("POST", "/validate", request)
        yield self._expect(_nth("approved", number), approved, 200, "decision", "approved")
        transaction_id = str(approved.body.get("transaction_id", ""))
        if not transaction_id:
            return
        if number == 0:
            again = self._call("POST", "/validate", request)
            yield _same("validated again: the same answer", again, approved)
            other = self._call("POST", "/validate", {**request, "amount": AMOUNT + 1})
            name = "its key with another amount: refused"
            yield self._expect(name, other, 409, "code", "idempotency_key_reused")
        self.approved.append(transaction_id)
        payment = {"transaction_id": transaction_id}
        processed = self._call("POST", "/process", payment)
        yield self._expect(_nth("posted", number), processed, 200, "status", "posted")
        if processed.status != 200:
            return
        entry = processed.body.get("entry", {})
        self.posted.append(Posted(transaction_id=transaction_id, entry=entry, since=since))
        if number == 0:
            again = self._call("POST", "/process", payment)
            yield _same("processed again: the same entry", again, processed)

    def _declined(self) -> Iterator[Check]:
        request = payment_request(currency=_NO_CURRENCY)
        declined = self._call("POST", "/validate", request)
        yield self._expect(f"in {_NO_CURRENCY}: declined", declined, 200, "decision", "declined")
        if transaction_id := declined.body.get("transaction_id"):
            processed = self._call("POST", "/process", {"transaction_id": transaction_id})
            yield self._expect("declined: not posted", processed, 409, "code", "payment_declined")

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        answer = self.api.call(method, path, body)
        if answer.status == 200:
            self.seconds.setdefault(f"{method} {path}", []).append(answer.seconds)
        return answer

    @staticmethod
    def _expect(what: str, answer: Answer, status: int, name: str, value: str) -> Check:
        held = answer.status == status and answer.body.get(name) == value
        return judged(
            what,
            found=answer.told(),
            needed="" if held else f"{status} · {value}",
            held=held,
            mend="docs/runbooks/api.md, and `/status` tells which part is down",
        )


def read_back(production: Production, posted: Sequence[Posted], wait: int) -> Iterator[Check]:
    """What the stores know of the payments, after so many seconds of waiting at most in all."""
    if not posted:
        for what in (_LEDGER, _HISTORY, _TRAIL):
            yield Check(what=what, found="nothing was posted", verdict=Verdict.UNSEEN)
        return
    deadline = time.monotonic() + wait
    ids = [each.transaction_id for each in posted]
    history, trail = PaymentHistory.of(production), AuditRecords.of(production)

    def of_history() -> dict[str, list[Json]]:
        return {each: history.of_payment(each) for each in ids}

    def of_trail() -> dict[str, list[Json]]:
        found: dict[str, list[Json]] = {}
        now = datetime.now(UTC) + _CLOCKS
        for each in trail.stored_between(posted[0].since - _CLOCKS, now):
            item = each.record.get("item", {})
            found.setdefault(item.get("transaction_id"), []).append(item)
        return found

    def told_by(read: Callable[[], dict[str, list[Json]]]) -> int:
        while True:
            items = read()
            complete = all(len(items.get(each, [])) >= 2 for each in ids)
            if complete or time.monotonic() > deadline:
                return sum(_is_told(items.get(each, [])) for each in ids)
            time.sleep(_POLL_SECONDS)

    yield _seen(_LEDGER, len(posted), lambda: _in_ledger(production, posted))
    for what, read in ((_HISTORY, of_history), (_TRAIL, of_trail)):
        yield _seen(what, len(posted), partial(told_by, read))


def _seen(what: str, needed: int, count: Callable[[], int]) -> Check:
    """How many payments are as they should be, or that these credentials may not look."""
    mend = "`python -m ops payment ID` tells where each stands"
    try:
        right = count()
    except (OpsError, UnreadableError, BotoCoreError, ClientError) as error:
        if isinstance(error, ClientError) and is_denied(error):
            found = f"not for these credentials ({error.operation_name})"
            return Check(what=what, found=found, verdict=Verdict.UNSEEN)
        verdict = Verdict.UNANSWERED if is_busy(error) else Verdict.PROBLEM
        return Check(what=what, found=explain(error), verdict=verdict, mend=mend)
    return judged(what, found=f"{right} of {needed} payments", held=right == needed, mend=mend)


def _in_ledger(production: Production, posted: Sequence[Posted]) -> int:
    """How many payments have the entry that the API answered, of the right amount."""
    ledger = Ledger.of(production)
    entries = ((each.entry, ledger.payment(each.transaction_id) or {}) for each in posted)
    return sum(
        told.get("entry_id") == found.get("entry_id")
        and told.get("postings") == found.get("postings")
        and _is_balanced(found)
        for told, found in entries
    )


def _is_balanced(entry: Mapping[str, Any]) -> bool:
    sides = {
        (each["direction"], each["amount"], each["currency"]) for each in entry.get("postings", [])
    }
    return sides == {("debit", AMOUNT, CURRENCY), ("credit", AMOUNT, CURRENCY)}


def _is_told(items: Sequence[Json]) -> bool:
    return [item.get("state") for item in items] == [APPROVED, POSTED] and all(
        (item.get("amount"), item.get("currency")) == (AMOUNT, CURRENCY) for item in items
    )


def _same(what: str, again: Answer, first: Answer) -> Check:
    held = (again.status, again.body) == (first.status, first.body)
    return judged(
        what,
        found=again.told(),
        needed="" if held else first.told(),
        held=held,
        mend="stop clients' retries, and call the payments lead: it is not idempotent",
    )


def _nth(what: str, number: int) -> str:
    return f"{what} #{number + 1}"


def _summary(seconds: Sequence[float]) -> Json:
    return {
        "calls": len(seconds),
        "min_ms": round(min(seconds) * 1000),
        "median_ms": round(statistics.median(seconds) * 1000),
        "max_ms": round(max(seconds) * 1000),
    }


def _show_latencies(out: Console, seconds: Mapping[str, Sequence[float]]) -> None:
    numbers = ("calls", "min", "median", "max")
    table = terminal.grid("latency, ms", *numbers, right=numbers)
    for name, times in seconds.items():
        table.add_row(name, *map(str, _summary(times).values()))
    out.print(table)


def _show_plan(production: Production, payments: int, as_json: bool) -> None:
    plan: Json = {
        "api": production.output("ApiUrl"),
        "payments": payments,
        "request": payment_request(),
        "would": [
            f"post {payments} payments like the request, for good",
            f"decline one in {_NO_CURRENCY}",
            "send what is refused: without a key, malformed, one key with two amounts",
            "read the ledger, the history and the audit trail",
        ],
    }
    if as_json:
        typer.echo(json.dumps(plan))
        return
    out = terminal.out()
    out.print(f"Would, through {escape(plan['api'])}:")
    for line in plan["would"]:
        out.print(f"  - {line}")
    out.print_json(json.dumps(plan["request"]))
