"""What AWS says of the deployed stack, to stand beside what the templates say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ops.console.checks import Verdict
from ops.console.environment import PROJECT
from ops.production import drift as drifts
from ops.production import subscriptions
from ops.production.questions import Clients
from ops.production.stack import REGION, Production, Resource, all_alarms
from ops.production.subscriptions import Subscription
from ops.production.templates import stacks

_WHOLE: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})
_NOT_CHECKED: Final = "NOT_CHECKED"


@dataclass(frozen=True, kw_only=True)
class StackState:
    """
    Attributes:
        drift: as CloudFormation last detected it.
        checked: when that was; empty if never.
    """

    name: str
    status: str
    drift: str
    checked: str


@dataclass(frozen=True, kw_only=True)
class Seen:
    """
    Attributes:
        names: physical ids by logical ids.
        alarms: states by the alarms' logical ids.
        checks: what `verify` found, as its JSON has it.
        unverified: why there is none of that.
    """

    account: str
    place: str
    asked: datetime
    stacks: tuple[StackState, ...]
    outputs: Mapping[str, str]
    names: Mapping[str, str]
    alarms: Mapping[str, str]
    subscriptions: tuple[Subscription, ...]
    checks: tuple[Mapping[str, str], ...]
    unverified: str

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(self._problems())

    @property
    def unseen(self) -> int:
        """How many values `verify` could not see where the stack stands."""
        return sum(check["verdict"] == Verdict.UNSEEN for check in self.checks)

    def _problems(self) -> Iterator[str]:
        for stack in self.stacks:
            if stack.status not in _WHOLE:
                yield f"live: {stack.name} is {stack.status}"
            if stack.drift == "DRIFTED":
                yield f"live: {stack.name} is not as deployed any more (drift)"
        for alarm, state in self.alarms.items():
            if state in ("ALARM", "missing"):
                yield f"live: the alarm {self.names[alarm]} is {state}"
        if not any(each.confirmed for each in self.subscriptions):
            yield "live: the alerts topic has no confirmed subscription"
        for check in self.checks:
            if check["verdict"] in (Verdict.PROBLEM, Verdict.UNANSWERED):
                needed = f", needed {check['needed']}" if check.get("needed") else ""
                number = f"{check['requirement']} " if "requirement" in check else ""
                yield f"live, {number}{check['what']}: {check['found']}{needed}"
        if self.unverified:
            yield f"live: verify could not do its work: {self.unverified}"


def look(production: Production) -> Seen:
    """
    Raises:
        BotoCoreError, ClientError: AWS could not be asked.
    """
    resources = list(production.resources())
    alarms = [each for each in resources if each.type.endswith("Alarm")]
    states = {
        alarm["AlarmName"]: alarm["StateValue"]
        for alarm in all_alarms(production.client("cloudwatch"))
    }
    clients = Clients(production.session)
    checks, unverified = _verified()
    return Seen(
        account=production.client("sts").get_caller_identity()["Account"],
        place="the embedded environment" if production.emulated else REGION,
        asked=datetime.now(UTC),
        stacks=tuple(
            _stack(clients, name, stack_id, resources)
            for name, stack_id in stacks(resources).items()
        ),
        outputs=production.outputs,
        names={each.logical_id: each.name for each in resources},
        alarms={each.logical_id: states.get(each.name, "missing") for each in alarms},
        subscriptions=tuple(
            subscriptions.of_topic(production.client("sns"), production.output("AlertsTopicArn"))
        ),
        checks=checks,
        unverified=unverified,
    )


def _stack(clients: Clients, name: str, stack_id: str, resources: Sequence[Resource]) -> StackState:
    (stack,) = clients("cloudformation").describe_stacks(StackName=stack_id)["Stacks"]
    drift: Mapping[str, Any] = stack.get("DriftInformation", {})
    checked = drift.get("LastCheckTimestamp")
    state = drift.get("StackDriftStatus", _NOT_CHECKED)
    if state == "DRIFTED" and drifts.is_none(clients, resources, name, stack_id):
        state = "IN_SYNC, but for what is no drift"
    return StackState(
        name=name,
        status=stack["StackStatus"],
        drift=state,
        checked=f"{checked:%Y-%m-%d %H:%M} UTC" if checked else "",
    )


def _verified() -> tuple[tuple[Mapping[str, str], ...], str]:
    """What `verify` finds, without having drift detected, which takes minutes."""
    done = subprocess.run(
        [sys.executable, "-m", "ops", "verify", "--no-drift", "--json"],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    try:
        return tuple(json.loads(done.stdout)["checks"]), ""
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return (), last.removeprefix("error: ")
