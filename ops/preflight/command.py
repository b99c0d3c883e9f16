"""The command line of `preflight`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import boto3
import typer

from ops.console import checks, settings, terminal
from ops.console.checks import Check, judged
from ops.console.environment import stack_name
from ops.console.failure import OpsError
from ops.console.settings import JsonOption
from ops.preflight import account, offers, quotas, tools
from ops.production import names
from ops.production.address import certificate
from ops.production.existing import Existing, existing
from ops.production.needs import Needs, needed
from ops.production.questions import Clients, Question, answers
from ops.production.stack import REGION


def command(
    context: settings.SettingsOption = None,
    assembly: settings.AssemblyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell in seconds whether a deployment of half an hour would fail.

    Looks at this machine's tools, the credentials, the account's CDK bootstrap, its quotas, the
    names that are taken, what an earlier stack has left, what AWS offers in the chosen zones, RDS's
    own role, and the CloudTrail trail that alert rules need. What is needed is read from the
    synthesized templates. It only reads.

    Exit code 0: nothing is in the way; 1: something is, and how to mend it; 2: it could not be
    looked at (no credentials, no connection).
    """
    settings.not_both(assembly, context)
    told = terminal.told()
    clients = Clients(boto3.Session(region_name=REGION))
    found = [*tools.installed(), tools.aws_cli(clients.emulated)]
    owner = clients.account()
    with told.status("synthesizing the app, to see what it needs"):
        needs = _needs(assembly, context or [])
    if isinstance(needs, Check):
        found.append(needs)
    else:
        with told.status(f"asking account {owner}"):
            now = existing(clients)
            found += answers(_questions(clients, needs, now, owner), clients)
    if as_json:
        typer.echo(
            json.dumps({"account": owner, "stack": stack_name(), **checks.as_document(found)})
        )
    else:
        checks.show(terminal.out(), found)
        terminal.out().print(checks.counted(found, "in the way"))
    raise typer.Exit(checks.exit_code(found))


def _needs(assembly: Path | None, context: Sequence[str]) -> Needs | Check:
    """The needs; or, where there is nothing that could be deployed, why."""
    try:
        return needed(assembly, context)
    except OpsError as error:
        return judged(
            "synthesis", found=str(error), needed="templates", held=False,
            mend="correct what it says; settings stand in config.py and cdk.json",
        )  # fmt: skip


def _questions(clients: Clients, needs: Needs, now: Existing, owner: str) -> list[Question[Check]]:
    asked: list[tuple[str, Callable[[], Iterable[Check]]]] = [
        ("credentials", lambda: account.identity(clients)),
        ("CDK bootstrap", lambda: account.bootstrap(clients, needs, owner)),
        ("stacks of other environments", lambda: account.environment(clients)),
        (f"stack {stack_name()}", lambda: [account.stack_state(now)]),
        ("stores of the stack", lambda: account.stores(clients, now)),
        *(
            (quota.what, partial(quotas.counted, clients, type_, needs, now))
            for type_, quota in quotas.QUOTAS.items()
        ),
        ("NAT gateways in a zone", lambda: quotas.nat_gateways(clients, needs, now)),
        ("rules of a security group", lambda: quotas.rules(clients, needs)),
        ("Lambda concurrency", lambda: quotas.concurrency(clients, needs, now)),
        ("API keys", lambda: quotas.api_keys(clients, needs, now)),
        ("IAM roles and policies", lambda: quotas.roles(clients, needs, now)),
        *(
            (f"names: {what}", partial(names.taken, clients, type_, needs, now))
            for type_, (what, _, _) in names.TAKEN.items()
            if type_ in needs.names
        ),
        *(
            (f"certificate of {name}", partial(certificate, clients, name, arn))
            for name, arn in needs.certificates.items()
        ),
        ("left by an earlier stack", lambda: account.leftovers(clients, needs.tags)),
        ("availability zones", lambda: offers.zones(clients, needs)),
        ("database", lambda: offers.database(clients, needs)),
        ("RDS's service-linked role", lambda: account.rds_role(clients)),
        ("CloudTrail trail", lambda: account.trail(clients)),
        ("API Gateway's logging role", lambda: account.api_logging_role(clients, now)),
        ("alert address", lambda: account.alert_address(needs)),
    ]
    mend = "preflight and deploy with an administrator's credentials"
    return [
        Question(
            unanswered=judged(what, found="", needed="an answer", held=False, mend=mend), ask=ask
        )
        for what, ask in asked
    ]
