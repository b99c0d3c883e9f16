"""`alerts`: puts back alarms that somebody muted, altered or deleted.

A deployment does not: CloudFormation compares templates with templates, and finds no change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

import typer
from botocore.exceptions import ClientError

from ops.console import terminal
from ops.console.environment import stack_name
from ops.console.failure import OpsError, code
from ops.console.settings import JsonOption, YesOption
from ops.console.terminal import escape
from ops.production.action_record import recorded
from ops.production.alarms import Declared, Difference, declared, differences, named
from ops.production.questions import UNKNOWN, Clients
from ops.production.stack import Production, all_alarms, every

_AT_ONCE: Final = 100
"""Names that DescribeAlarms takes."""
_DELETED: Final = Difference(setting="", found="deleted", needed="there")
_MUTING: Final = ["ACTIVE", "SCHEDULED"]
"""States of mute rules that keep an alarm silent now, or will."""

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")


@app.callback()
def group() -> None:
    """Put alarms back as the deployed template has them.

    An alarm that was muted, altered or deleted stays so whatever is deployed, as long as the
    template does not change. `verify` tells which differ.
    """


@app.command()
def restore(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", show_default=False, help="Alarms, or one.")
    ],
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put alarms back: settings, actions, and whether they are switched on.

    From the template that CloudFormation deployed, with the values that it resolved. The state of
    an alarm stays as it is. What is as the template has it is left alone, so it may be repeated at
    will. With --yes it is recorded in the audit bucket, under operations/, with the alarms as they
    were. Alarm mute rules, which are in no template, are told, and left to those who made them.

    Exit code 1: an alarm differs afterwards, or a rule mutes it; 2: there is no such alarm.
    """
    production = Production.find()
    if production.changing:
        raise OpsError(
            f"{stack_name()} is {production.status}: a deployment puts alarms itself; wait"
        )
    with terminal.told().status("comparing with the deployed templates"):
        clients = Clients(production.session)
        known = declared(clients, list(production.resources()))
        wanted = {name: named(known, name) for name in dict.fromkeys(names)}
        found = _looked_at(clients, wanted)
    differing = [each for each in found if each.differences]
    record = None
    if yes and differing:
        found, record = _restored(production, clients, differing, found)
    left = [each for each in found if each.muted_by or (yes and each.differences)]
    if as_json:
        document = {"done": yes, "alarms": [each.described() for each in found], "record": record}
        typer.echo(json.dumps(document, default=str))
    else:
        _tell(found, differing, yes=yes, record=record)
    raise typer.Exit(1 if left else 0)


@dataclass(frozen=True, kw_only=True)
class _Alarm:
    """
    Attributes:
        live: as DescribeAlarms tells it; None if it was deleted.
        muted_by: ARNs of mute rules.
    """

    name: str
    wanted: Declared
    live: Mapping[str, Any] | None
    differences: Sequence[Difference]
    muted_by: Sequence[str]

    def described(self) -> dict[str, Any]:
        parts = [asdict(each) for each in self.differences]
        return {"alarm": self.name, "differences": parts, "muted_by": list(self.muted_by)}


def _looked_at(clients: Clients, wanted: Mapping[str, Declared]) -> list[_Alarm]:
    """Metric alarms first: composite ones may hang on them, and are refused without."""
    cloudwatch, names = clients("cloudwatch"), list(wanted)
    live = {
        each["AlarmName"]: each
        for start in range(0, len(names), _AT_ONCE)
        for each in all_alarms(cloudwatch, AlarmNames=names[start : start + _AT_ONCE])
    }
    return [
        _Alarm(
            name=name,
            wanted=alarm,
            live=live.get(name),
            differences=list(differences(live[name], alarm)) if name in live else [_DELETED],
            muted_by=_mute_rules(clients, name),
        )
        for name, alarm in sorted(wanted.items(), key=lambda item: item[1].composite)
    ]


def _mute_rules(clients: Clients, name: str) -> list[str]:
    try:
        rules = every(
            clients("cloudwatch"), "list_alarm_mute_rules", AlarmName=name, Statuses=_MUTING
        )
        return [rule["AlarmMuteRuleArn"] for rule in rules]
    except ClientError as error:
        if clients.emulated and code(error) in UNKNOWN:
            return []
        raise


def _restored(
    production: Production, clients: Clients, differing: Sequence[_Alarm], found: Sequence[_Alarm]
) -> tuple[list[_Alarm], str]:
    """All that were looked at as they are afterwards, and the record's key."""
    alarms = [{**each.described(), "before": each.live} for each in differing]
    told = json.loads(json.dumps(alarms, default=str))  # of moments
    with recorded(production, "alerts restore", alarms=told) as record:
        done: list[str] = record.outcome.setdefault("restored", [])
        for each in differing:
            each.wanted.put(clients("cloudwatch"), anew=each.live is None)
            done.append(each.name)
        after = _looked_at(clients, {each.name: each.wanted for each in found})
        record.outcome["differing"] = [each.described() for each in after if each.differences]
    return after, record.key


def _tell(
    found: Sequence[_Alarm], differing: Sequence[_Alarm], *, yes: bool, record: str | None
) -> None:
    out = terminal.out()
    before = {each.name: each for each in differing}
    for each in found:
        if each.name not in before:
            out.print(f"{escape(each.name)} is as the template has it", soft_wrap=True)
        for part in before[each.name].differences if each.name in before else ():
            told = f"{each.name}: {part.setting} is {part.found}, the template has {part.needed}"
            out.print(escape(told if part.setting else f"{each.name} is deleted"), soft_wrap=True)
        for part in each.differences if yes else ():
            told = f"{each.name}: {part.setting} still is {part.found}"
            out.print(f"[red]{escape(told)}[/]", soft_wrap=True)
        for arn in each.muted_by:
            rule = arn.rpartition(":")[2]
            told = (
                f"{each.name} is muted by the rule {rule}, which is in no template and may mute "
                "others too. Ask whose it is; to lift it: aws cloudwatch delete-alarm-mute-rule "
                f"--alarm-mute-rule-name {rule}"
            )
            out.print(f"[red]{escape(told)}[/]", soft_wrap=True)
    if record:
        out.print(f"{len(differing)} put back", soft_wrap=True)
        out.print(f"recorded in the audit bucket: {escape(record)}", soft_wrap=True)
    elif differing:
        out.print(f"{len(differing)} to be put back; nothing was done: give --yes to do it")
