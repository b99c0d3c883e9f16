"""`dlq`: what the dead-letter queues hold, back to work with it, or out of the way with a reason.

Nothing is lost on the way, however a command ends. A message is sent, or stored, before it is
deleted; whoever stops in between leaves it in two places, which is harmless: a payment is posted
exactly once, and a second copy of a record adds nothing.

Quarantined messages go to the audit bucket, into the record of the action itself, rather than to a
queue of their own: SQS forgets after 14 days, the bucket keeps for years, and it shows who put them
there and why.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError

from ops.console import terminal
from ops.console.failure import OpsError, explain
from ops.console.settings import JsonOption, YesOption
from ops.console.terminal import escape
from ops.production import letters
from ops.production import queues as dlq_queues
from ops.production.action_record import recorded
from ops.production.letters import Case
from ops.production.queues import DeadLetterQueue, Held, Message, Name
from ops.production.stack import Production
from payments.card_numbers import contains_card_number
from reconciliation.history import PaymentHistory

_LOOK_SECONDS: Final = 30
_HOLD_SECONDS: Final = 300
_MOST: Final = 100
"""Messages moved one by one, so that the slowest rate is done before they show again."""
_POLL_SECONDS: Final = 1.0
_LISTED_SECONDS: Final = 60
"""By when SQS lists a move that it has begun."""
_NOT_LISTED: Final = "NOT_LISTED"
_UNDER_WAY: Final = ("RUNNING", "CANCELLING", _NOT_LISTED)

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")


@app.callback()
def group() -> None:
    """List, look into, redrive and quarantine what failed for good.

    The queues: `retry` (payments given up), `audit` (stream records not audited), `invocations`
    (failed sweeps and events), `alerts` (alerts that reached nobody). `redrive` and `quarantine`
    only tell what they would do, until they are given --yes; then they record in the audit bucket,
    under operations/, who did what with which message and why.
    """


_QueueArgument = Annotated[Name, typer.Argument(show_choices=False, help="One of the four.")]
_Identifiers = Annotated[
    list[str] | None,
    typer.Option(
        "--id",
        metavar="ID",
        show_default=False,
        help="A message, by its id or by the payment's transaction_id; may be repeated.",
    ),
]


@app.command("list")
def list_queues(as_json: JsonOption = False) -> None:
    """Tell how many messages each queue holds, and how old the oldest is.

    The age is CloudWatch's, and unknown where it has none. Exit code 1: there are messages.
    """
    production = Production.find()
    rows: list[dict[str, Any]] = []
    with terminal.told().status("asking the queues"):
        for queue in dlq_queues.find(production):
            attributes = queue.attributes()
            age = dlq_queues.age_of_oldest(production, queue.url)
            rows.append(
                {
                    "queue": queue.name.value,
                    "holds": queue.purpose.holds,
                    "messages": int(attributes["ApproximateNumberOfMessages"]),
                    "being_received": int(attributes["ApproximateNumberOfMessagesNotVisible"]),
                    "oldest_seconds": None if age is None else age.total_seconds(),
                    "runbook": f"docs/runbooks/{queue.purpose.runbook}",
                }
            )
    waiting = [row for row in rows if row["messages"] or row["being_received"]]
    if as_json:
        typer.echo(json.dumps({"empty": not waiting, "queues": rows}))
    else:
        right = ("messages", "hidden", "oldest")
        table = terminal.grid("queue", "holds", *right, right=right)
        for row in rows:
            counts = (str(row["messages"]), str(row["being_received"]))
            oldest = row["oldest_seconds"]
            told = str(timedelta(seconds=oldest)) if oldest is not None else "unknown"
            table.add_row(row["queue"], row["holds"], *counts, told if row in waiting else "")
        terminal.out().print(table)
        for row in waiting:
            terminal.out().print(f"{row['queue']}: `dlq show {row['queue']}`; {row['runbook']}")
    raise typer.Exit(1 if waiting else 0)


@app.command()
def show(
    queue: _QueueArgument,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Messages at most.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Show messages without taking them off the queue; payment-method tokens are masked.

    Of a payment it tells the case (payable, posted, declined, expired, unknown, unreadable), what
    to do in it, and why each of its tries failed, by payment-processor's log.

    While they are read they are hidden from others, for half a minute at the most.
    """
    production = Production.find()
    found = dlq_queues.one(production, queue)
    with terminal.told().status("receiving"), found.held(_LOOK_SECONDS) as held:
        messages = list(held.messages(limit))
    attributes = found.attributes()
    retention = timedelta(seconds=int(attributes["MessageRetentionPeriod"]))
    with terminal.told().status("looking for reasons"):
        stories = [_story(production, each) if queue is Name.RETRY else {} for each in messages]
    if as_json:
        shown = [
            {
                **message.described(),
                "body": dlq_queues.masked(message.body),
                "kept_until": (message.first_sent + retention).isoformat(),
                **story,
            }
            for message, story in zip(messages, stories, strict=True)
        ]
        typer.echo(json.dumps({"queue": queue.value, "messages": shown}))
        return
    for message, story in zip(messages, stories, strict=True):
        _print_message(message, retention)
        _print_story(story)
    terminal.out().print(f"{len(messages)} shown of {queue.value}: {found.purpose.holds}")


@app.command()
def redrive(
    queue: _QueueArgument,
    ids: _Identifiers = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, max=_MOST, show_default=False, help="So many, whichever come."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    rate: Annotated[int, typer.Option(min=1, max=500, help="Messages a second.")] = 10,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Send payments that were given up back to the retry queue.

    First mend the cause, or they come back: `/status` should be operational. A payment that is
    posted already is not posted twice, so a redrive may be interrupted and repeated at will.
    With --all, SQS itself moves them, at the rate; Ctrl-C cancels the rest.

    What can never be posted (declined, expired, unknown, unreadable) stays where it is, to be
    quarantined; with --all nothing is moved as long as such a message is among the first 100.

    Exit code 1: a message that was named is not in the queue, or can never be posted.
    """
    if sum([bool(ids), count is not None, everything]) != 1:
        raise typer.BadParameter("give one of --id, --count and --all")
    production = Production.find()
    found = dlq_queues.one(production, queue)
    if queue is not Name.RETRY:
        raise OpsError(
            f"only payments can be redriven: {found.purpose.mend} "
            f"(docs/runbooks/{found.purpose.runbook}); `dlq quarantine` sets aside what is done"
        )
    if everything:
        _refuse_final_ones(production, found)
        _report(_redrive_all(production, found, rate, yes), as_json)
    else:
        action = _Action(
            name="redrive",
            production=production,
            queue=found,
            ids=ids or (),
            count=count,
            before_deletion=_Resend(production, rate),
            details={"rate": rate},
            final=_Final(production),
        )
        _report(action.perform(yes), as_json)


@app.command()
def quarantine(
    queue: _QueueArgument,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why, for those who read the audit trail.")
    ],
    ids: _Identifiers = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take messages off a queue for good, kept in the audit bucket with the reason.

    For what must never be tried again, or has been dealt with otherwise. The whole message is in
    the record, under operations/, for as long as the bucket locks it: from there it can be sent to
    its queue again by hand. The client of a payment was told that it is accepted: tell them first.

    Exit code 1: a message that was named is not in the queue.
    """
    if not ids:
        raise typer.BadParameter("name the messages with --id")
    if not reason.strip():
        raise typer.BadParameter("a reason is needed", param_hint="--reason")
    if contains_card_number(reason):
        raise typer.BadParameter("it holds what may be a card number", param_hint="--reason")
    production = Production.find()
    action = _Action(
        name="quarantine",
        production=production,
        queue=dlq_queues.one(production, queue),
        ids=ids,
        before_deletion=lambda _message: None,  # the record holds all of it
        details={"reason": reason.strip()},
    )
    _report(action.perform(yes), as_json)


@dataclass(frozen=True, kw_only=True)
class _Action:
    """Takes messages off a queue, one by one, after something else was done with each.

    Attributes:
        ids: of the messages; without any, `count` messages, whichever come.
        details: for the record.
        final: the case of a message that is left where it is, or None.
    """

    name: str
    production: Production
    queue: DeadLetterQueue
    ids: Sequence[str] = ()
    count: int | None = None
    before_deletion: Callable[[Message], None]
    details: dict[str, Any]
    final: Callable[[Message], Case | None] = lambda _message: None

    def perform(self, yes: bool) -> dict[str, Any]:
        """What was done, or would be."""
        with self.queue.held(_HOLD_SECONDS) as held:
            with terminal.told().status("looking for the messages"):
                named = list(_chosen(held.messages(self.count), self.ids))
                left = {each.id: case for each in named if (case := self.final(each))}
            chosen = [each for each in named if each.id not in left]
            outcome: dict[str, Any] = {
                "action": self.name,
                "queue": self.queue.name.value,
                "done": yes,
                "messages": [
                    {"id": each.id, "transaction_id": each.transaction_id} for each in chosen
                ],
                "left": [
                    {"id": id_, "case": case.value, "todo": letters.what_to_do(case, id_)}
                    for id_, case in left.items()
                ],
                "missing": [
                    each for each in self.ids if not any(found.is_named(each) for found in named)
                ],
            }
            if yes and chosen:
                outcome["record"] = self._perform(held, chosen)
        return outcome

    def _perform(self, held: Held, chosen: Sequence[Message]) -> str:
        with recorded(
            self.production,
            f"dlq {self.name}",
            queue=self.queue.url,
            messages=[each.described() for each in chosen],
            **self.details,
        ) as record:
            moved: list[str] = record.outcome.setdefault("moved", [])
            try:
                with terminal.told().status(f"{self.name}: {len(chosen)} messages"):
                    for message in chosen:
                        self.before_deletion(message)
                        held.delete(message)
                        moved.append(message.id)
            except BaseException:
                _tell_of_end(f"{len(moved)} of {len(chosen)}", record.key)
                raise
        return record.key


def _chosen(messages: Iterator[Message], ids: Sequence[str]) -> Iterator[Message]:
    """Those that are named, until all are found; without names, all."""
    left = set(ids)
    for message in messages:
        names = {each for each in left if message.is_named(each)}
        if names or not ids:
            yield message
        # A payment may be there twice; a message is there once.
        left -= names & {message.id}
        if ids and not left:
            return


class _Final:
    """Whether a payment can never be posted: then its case."""

    def __init__(self, production: Production) -> None:
        self._history = PaymentHistory.of(production)

    def __call__(self, message: Message) -> Case | None:
        case = letters.judged(message, self._history, datetime.now(UTC))
        return case if case.is_final else None


def _refuse_final_ones(production: Production, queue: DeadLetterQueue) -> None:
    """
    Raises:
        OpsError: a message would come back at once, and for ever.
    """
    final = _Final(production)
    with terminal.told().status("judging the messages"), queue.held(_LOOK_SECONDS) as held:
        found = {each.id: case for each in held.messages(_MOST) if (case := final(each))}
    if found:
        told = "; ".join(f"{id_} ({case})" for id_, case in found.items())
        raise OpsError(
            f"nothing was done: these can never be posted: {told}. `dlq show retry` says why; "
            "quarantine them first (`dlq quarantine retry --id ID --reason TEXT --yes`), or "
            "redrive the others by --id or --count"
        )


class _Resend:
    """Sends a message to the retry queue, not faster than the rate."""

    def __init__(self, production: Production, rate: int) -> None:
        self._sqs = production.client("sqs")
        self._url = production.output("RetryQueueUrl")
        self._pause = 1 / rate

    def __call__(self, message: Message) -> None:
        self._sqs.send_message(
            QueueUrl=self._url, MessageBody=message.body, MessageAttributes=message.attributes
        )
        time.sleep(self._pause)


def _redrive_all(
    production: Production, queue: DeadLetterQueue, rate: int, yes: bool
) -> dict[str, Any]:
    attributes = queue.attributes()
    waiting = int(attributes["ApproximateNumberOfMessages"])
    outcome: dict[str, Any] = {
        "action": "redrive",
        "queue": queue.name.value,
        "done": yes,
        "count": waiting,
        "missing": [],
    }
    if not yes or not waiting:
        return outcome
    source = attributes["QueueArn"]
    with recorded(
        production, "dlq redrive", queue=queue.url, messages="all", about=waiting, rate=rate
    ) as record:
        outcome["record"] = record.key
        move = _Move.start(queue, source, rate)
        try:
            with terminal.told().status("starting") as status:
                while (seen := move.seen())["Status"] in _UNDER_WAY:
                    move.expect_it_listed(seen)
                    moved = seen.get("ApproximateNumberOfMessagesMoved", 0)
                    status.update(f"SQS has moved {moved} of about {waiting}")
                    time.sleep(_POLL_SECONDS)
        except BaseException:
            with contextlib.suppress(queue.sqs.exceptions.ClientError):  # it has just ended
                queue.sqs.cancel_message_move_task(TaskHandle=move.handle)
            moved = move.seen().get("ApproximateNumberOfMessagesMoved", 0)
            record.outcome["moved_about"] = moved
            _tell_of_end(f"about {moved} of about {waiting}", record.key)
            raise
        outcome["count"] = seen.get("ApproximateNumberOfMessagesMoved", 0)
        record.outcome["moved_about"] = outcome["count"]
        if seen["Status"] != "COMPLETED":
            raise OpsError(
                f"SQS ended the move as {seen['Status']} after {outcome['count']} messages: "
                f"{seen.get('FailureReason', 'no reason given')}; the rest is where it was"
            )
    return outcome


def _tell_of_end(moved: str, record: str) -> None:
    """What was done before something ended it; why is told by whoever ends the command."""
    terminal.told().print(
        f"{moved} messages moved, the rest is where it was; recorded in the audit bucket: {record}",
        soft_wrap=True,
    )


@dataclass(frozen=True, kw_only=True)
class _Move:
    """A move of a queue's messages by SQS, which lists it late: for some seconds there may be no
    move at all, or only the one before it.

    Attributes:
        handle: SQS tells it of a move that runs; of one that has ended, no more.
        before: when the moves began that were listed before this one.
        begun: when it began, by SQS's clock; other moves that it lists late began before.
        deadline: by when it is listed, by ``time.monotonic``.
    """

    queue: DeadLetterQueue
    source: str
    handle: str
    before: frozenset[int]
    begun: float
    deadline: float

    @classmethod
    def start(cls, queue: DeadLetterQueue, source: str, rate: int) -> _Move:
        before = frozenset(each.get("StartedTimestamp", 0) for each in _listed(queue, source))
        begun = queue.sqs.start_message_move_task(
            SourceArn=source, MaxNumberOfMessagesPerSecond=rate
        )
        date = begun["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
        return cls(
            queue=queue,
            source=source,
            handle=begun["TaskHandle"],
            before=before,
            # In whole seconds, and of the answer.
            begun=(parsedate_to_datetime(date).timestamp() - 5) * 1000 if date else 0,
            deadline=time.monotonic() + _LISTED_SECONDS,
        )

    def seen(self) -> dict[str, Any]:
        """What SQS says of it."""
        listed = _listed(self.queue, self.source)
        for each in listed:
            if each.get("TaskHandle") == self.handle:
                return each
        for each in listed:
            started = each.get("StartedTimestamp", 0)
            if "TaskHandle" not in each and started not in self.before and started >= self.begun:
                return each
        return {"Status": _NOT_LISTED}

    def expect_it_listed(self, seen: dict[str, Any]) -> None:
        """
        Raises:
            OpsError: SQS has not listed it for so long that it never will.
        """
        if seen["Status"] == _NOT_LISTED and time.monotonic() > self.deadline:
            raise OpsError(
                "SQS began the move, and does not list it, so it was cancelled; what it has done: "
                f"aws sqs list-message-move-tasks --max-results 10 --source-arn {self.source}"
            )


def _listed(queue: DeadLetterQueue, source: str) -> list[dict[str, Any]]:
    """The moves of a queue's messages, newest first."""
    results: list[dict[str, Any]] = queue.sqs.list_message_move_tasks(
        SourceArn=source,
        MaxResults=10,  # SQS's most
    ).get("Results", [])
    return results


def _report(outcome: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(outcome))
    else:
        out, messages = terminal.out(), outcome.get("messages", [])
        count = outcome.get("count", len(messages))
        for message in messages:
            payment = message["transaction_id"]
            told = f"{message['id']}  {f'payment {payment}' if payment else ''}"
            out.print(escape(told), soft_wrap=True)
        what = f"{outcome['action']}, queue {outcome['queue']}: {count} messages"
        if outcome["done"]:
            out.print(f"{what}, done")
            if "record" in outcome:
                out.print(
                    f"recorded in the audit bucket: {escape(outcome['record'])}", soft_wrap=True
                )
        else:
            out.print(f"{what}; nothing was done: give --yes to do it")
        for each in outcome.get("left", ()):
            told = f"{each['id']} is left where it is: {each['case']}: {each['todo']}"
            out.print(f"[red]{escape(told)}[/]", soft_wrap=True)
        for name in outcome["missing"]:
            out.print(f"[red]not in the queue:[/] {escape(name)}", soft_wrap=True)
    raise typer.Exit(1 if outcome["missing"] or outcome.get("left") else 0)


def _print_message(message: Message, retention: timedelta) -> None:
    out = terminal.out()
    out.print(f"[bold]{escape(message.id)}[/]")
    moment = "%Y-%m-%d %H:%M:%S UTC"
    kept = message.first_sent + retention
    out.print(f"  first sent {message.first_sent:{moment}}, kept until {kept:{moment}}")
    out.print(f"  {escape(dlq_queues.masked(message.body))}", soft_wrap=True)
    for name, value in message.attributes.items():
        out.print(f"  {escape(name)}: {escape(str(value.get('StringValue', '(binary)')))}")


def _story(production: Production, message: Message) -> dict[str, Any]:
    """A payment's case, what to do, and why its tries failed."""
    story: dict[str, Any] = {"case": None, "todo": "", "tries": []}
    try:
        case = letters.judged(message, PaymentHistory.of(production), datetime.now(UTC))
        story |= {"case": case.value, "todo": letters.what_to_do(case, message.id)}
    except (BotoCoreError, ClientError) as error:
        story["todo"] = f"the history could not be read: {explain(error)}"
    try:
        story["tries"] = [
            {**asdict(each), "at": each.at.isoformat()}
            for each in letters.tries(production, message)
        ]
    except (BotoCoreError, ClientError) as error:
        story["unread"] = f"the log could not be read: {explain(error)}"
    return story


def _print_story(story: dict[str, Any]) -> None:
    out = terminal.out()
    for each in story.get("tries", ()):
        told = f"  try {each['number']}, {each['at']}: {each['reason']}"
        out.print(escape(told), soft_wrap=True)
    if "unread" in story:
        out.print(f"  {escape(story['unread'])}", soft_wrap=True)
    elif story and not story["tries"]:
        out.print("  no try of it is in the log")
    if story:
        case = story["case"] or "not judged"
        out.print(f"  [bold]{case}[/]: {escape(story['todo'])}", soft_wrap=True)
