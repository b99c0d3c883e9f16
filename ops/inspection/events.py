"""R5, R11 and R13: what wakes the functions, and tells the operators of events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ops.inspection.compute import is_of
from ops.inspection.findings import Finding, judged, problem
from ops.inspection.subjects import Subjects
from ops.production.questions import Clients
from ops.production.stack import every

_RULE: Final = "AWS::Events::Rule"
_FORMER_STREAM: Final = (
    "it reads the stream that the table had before it was restored: docs/runbooks/table-lost.md, "
    "*Its stream*"
)
_ON_THE_WAY: Final = ("Creating", "Enabling", "Updating")


def mappings(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """R5 and R11: audit-logger reads the table's stream, payment-processor the retry queue."""
    # Another one after a restore. That there is none is told of the table.
    stream = ""
    if subjects.table:
        table = clients("dynamodb").describe_table(TableName=subjects.table)["Table"]
        stream = table.get("LatestStreamArn", "")
    listed = [*every(clients("lambda"), "list_event_source_mappings")]
    queue = subjects.queue.rsplit("/", 1)[-1]
    for requirement, function, subject, source, what in (
        ("R5", "audit-logger", subjects.table if stream else "", f"{stream}/", "stream"),
        ("R11", "payment-processor", queue, f":{queue}/", "retry queue"),
    ):
        name = subjects.functions.get(function)
        if not (name and subject):
            continue  # what is missing is told by itself
        own = [each for each in listed if is_of(each.get("FunctionArn", ""), name)]
        states = {
            each["UUID"]: _state(each) for each in own if source in f"{each.get('EventSourceArn')}/"
        }
        former = [each for each in own if f":table/{subject}/stream/" in str(each)]
        yield judged(
            requirement, f"{name} reads the {what} {subject}",
            found=[f"{state} ({uuid})" for uuid, state in states.items()] or "no mapping",
            needed="Enabled", held=bool(states) and {*states.values()} == {"Enabled"},
            mend=_FORMER_STREAM if former and not states else _mend([*states.values()], name),
        )  # fmt: skip


def rules(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """The stack's: R5 those that call on a schedule, R13 those that tell of an event."""
    listed = {each["Name"]: each for each in every(clients("events"), "list_rules")}
    names = [each.name for each in subjects.stack if each.type == _RULE]
    for name in names:
        rule = listed.get(name)
        if rule is None:
            yield problem(
                "R13", f"event rule {name}", found="deleted", needed="ENABLED",
                mend="put it as the template says: aws events put-rule, then put-targets",
            )  # fmt: skip
            continue
        yield judged(
            "R5" if "ScheduleExpression" in rule else "R13", f"event rule {name}",
            found=rule["State"], needed="ENABLED", held=rule["State"].startswith("ENABLED"),
            mend=f"aws events enable-rule --name {name}",
        )  # fmt: skip


def _state(mapping: Mapping[str, Any]) -> str:
    """Also what became of its last batch: a mapping that gets nowhere is enabled all the same."""
    state, result = str(mapping["State"]), str(mapping.get("LastProcessingResult", ""))
    return f"{state}, but {result}" if result.startswith("PROBLEM") else state


def _mend(states: Sequence[str], function: str) -> str:
    if any("PROBLEM" in state for state in states):
        return (
            f"it is stalled: mend what the result names (the role of {function}, its key, the "
            "function itself); docs/runbooks/functions.md#stream-age and queues.md tell how"
        )
    if any(state in _ON_THE_WAY for state in states):
        return "wait a minute, and verify again"
    return (
        "aws lambda update-event-source-mapping --enabled --uuid UUID; if there is none, "
        "create-event-source-mapping"
    )
