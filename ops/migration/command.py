"""The command line of `migration`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import boto3
import botocore.session
import typer

from ops.console import settings, terminal
from ops.console.environment import stack_name
from ops.console.failure import OpsError, did_you_mean
from ops.console.settings import JsonOption
from ops.inspection.findings import is_answered
from ops.inspection.subjects import KINDS, Subjects, discovered, must_exist, named
from ops.inspection.survey import of_live
from ops.migration import functions, held, judgement, reach, switching_off
from ops.migration.todo import (
    Group,
    Importance,
    Todo,
    as_document,
    as_markdown,
    is_left,
    ordered,
    unanswered,
)
from ops.production.existing import Existing, existing
from ops.production.names import TAKEN
from ops.production.needs import Needs, needed
from ops.production.questions import Clients, Question, answers
from ops.production.stack import REGION


def command(
    prefix: Annotated[
        str,
        typer.Option(
            metavar="PREFIX",
            show_default=False,
            help="The environment is what has names that begin so.",
        ),
    ] = "",
    resources: Annotated[
        str,
        typer.Option(
            "--names",
            metavar="KIND=NAME,...",
            show_default=False,
            help=f"Names that the prefix does not tell. Kinds: "
            f"{', '.join(kind.name for kind in KINDS)}.",
        ),
    ] = "",
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="PROFILE",
            show_default=False,
            help="The AWS profile of that environment; without it, the ordinary credentials.",
        ),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            metavar="REGION",
            show_default=False,
            help=f"Its region; without it, the profile's, if one is given, else {REGION}.",
        ),
    ] = None,
    production_account: Annotated[
        str,
        typer.Option(
            metavar="NUMBER",
            show_default=False,
            help="The account that production is deployed in; without it, names that collide are "
            "looked for in the old environment's.",
        ),
    ] = "",
    context: settings.SettingsOption = None,
    assembly: settings.AssemblyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what is to be done on the way from an environment that was made by hand.

    Reads it as `verify --prefix` does, and prints a list in order of importance, in Markdown: what
    remains for you, with the command, what is to decide, and what deploying PaymentsProd solves.
    Also looks for secrets in plain environment variables (and prints no value), for runtimes that
    AWS no longer supports, for what the functions reach outside the environment, and for names that
    are in production's way. docs/migration.md leads through it.

    It only reads. Exit code 0: nothing is left for people; 1: something is; 2: it could not be
    looked at (a misspelled name, no credentials).
    """
    if not prefix and not resources:
        raise typer.BadParameter("--prefix or --names: which resources are the environment?")
    settings.not_both(assembly, context)
    told = terminal.told()
    wanted = named(resources)
    region = _known(region or _region_of(profile))
    clients = Clients(boto3.Session(profile_name=profile, region_name=region))
    account = clients.account()
    with told.status("looking for the resources"):
        subjects = discovered(clients, prefix, wanted)
    must_exist(subjects, prefix, wanted, f"account {account}, {region}")
    with told.status("asking for every value"):
        # Without a prefix, what was not named may be there under another name.
        missing = [each for each in subjects.missing if prefix or not is_answered(each)]
        findings = [*missing, *answers(of_live(clients, account, subjects), clients)]
        found = list(judgement.of_findings(findings, subjects))
        found += _of_functions(clients, account, subjects, prefix)
        found += answers(_held(clients, subjects), clients)
    if production_account in ("", account) and region == REGION:
        with told.status(f"synthesizing {stack_name()}, to see which names it needs"):
            found += _collisions(clients, subjects, prefix, assembly, context or [])
    if production_account in ("", account):
        found.append(_account_of_its_own(account))
    found = ordered(found)
    about = {
        "account": account, "region": region, "prefix": prefix, "names": resources,
        "production_account": production_account,
    }  # fmt: skip
    if as_json:
        typer.echo(json.dumps({**about, **as_document(found)}))
    else:
        typer.echo(_page(about, profile, found), nl=False)
    raise typer.Exit(1 if is_left(found) else 0)


def _region_of(profile: str | None) -> str:
    """The profile's own, whatever AWS_REGION says, which is production's."""
    if not profile:
        return REGION
    configured = botocore.session.Session(profile=profile).get_scoped_config()
    return str(configured.get("region", REGION))


def _known(region: str) -> str:
    """
    Raises:
        OpsError: AWS has no such region.
    """
    session = boto3.Session()
    known = [
        each
        for partition in session.get_available_partitions()
        for each in session.get_available_regions("ec2", partition)
    ]
    if region not in known:
        hint = did_you_mean(region, known)
        raise OpsError(f"no region {region}: {hint or 'misspelled?'}")
    return region


def _of_functions(clients: Clients, account: str, subjects: Subjects, prefix: str) -> list[Todo]:
    def ask() -> Iterable[Todo]:
        # One question, as the scanner of secrets is no matter for several threads.
        found = functions.configurations(clients, subjects)
        yield from functions.todos(found, subjects)
        inside, variables = _inside(subjects, prefix), functions.open_variables(found)
        yield from reach.todos(clients, account, subjects, inside, variables)

    return answers(
        [Question(unanswered=unanswered("functions: secrets, runtimes, reach"), ask=ask)], clients
    )


def _held(clients: Clients, subjects: Subjects) -> list[Question[Todo]]:
    parts = {
        "items of the table": held.in_table,
        "contents of the database": held.in_database,
        "objects of the bucket": held.in_bucket,
        "messages of the queue": held.in_queue,
        "clients of the API": held.of_clients,
        "what switches it off": switching_off.todos,
    }
    return [
        Question(unanswered=unanswered(what), ask=partial(ask, clients, subjects))
        for what, ask in parts.items()
    ]


def _collisions(
    clients: Clients, subjects: Subjects, prefix: str, assembly: Path | None, context: list[str]
) -> list[Todo]:
    needs, now = needed(assembly, context), existing(clients)
    inside = _inside(subjects, prefix)
    return answers(
        [
            Question(
                unanswered=unanswered(f"names: {what}"),
                ask=partial(_taken, clients, type_, needs, now, inside),
            )
            for type_, (what, _, _) in TAKEN.items()
        ],
        clients,
    )


def _taken(
    clients: Clients, type_: str, needs: Needs, now: Existing, is_inside: Callable[[str], bool]
) -> Iterator[Todo]:
    """
    Args:
        now: what of PaymentsProd stands: its own names are not in its way.
    """
    what, ask, mend = TAKEN[type_]
    names = [name for name in needs.names.get(type_, []) if not now.has(type_, name)]
    for name in sorted(set(ask(clients, names))) if names else []:
        whose = "this environment" if is_inside(name) else "something else in this account"
        before, found, command = mend.rpartition("aws ")
        yield Todo(
            group=Group.REMAINS,
            importance=Importance.CRITICAL,
            what=f"name of the {what} {name}",
            found=f"taken by {whose}",
            needed="free, where production is deployed",
            mend="deploy production in an account of its own, which is better, or free the name"
            + (f": {before.strip(' :')}" if before.strip(" :") else ""),
            command=f"{found}{command} {name}" if found else "",
        )


def _inside(subjects: Subjects, prefix: str) -> Callable[[str], bool]:
    """Whether a name is of the environment."""
    own = {*subjects.kinds.values(), *subjects.all_functions, *subjects.log_groups}

    def is_inside(name: str) -> bool:
        return name in own or (bool(prefix) and name.lstrip("/").startswith(prefix))

    return is_inside


def _account_of_its_own(account: str) -> Todo:
    return Todo(
        group=Group.DECIDE,
        importance=Importance.CRITICAL,
        requirement="R3",
        what="production's account",
        found=f"account {account} holds this environment",
        mend="one of its own keeps development's people, quotas and names away from production; "
        "then give it: --production-account NUMBER",
    )


def _page(about: dict[str, str], profile: str | None, found: list[Todo]) -> str:
    whose = " ".join(f"{each} {about[each]}" for each in ("prefix", "names") if about[each])
    exports = f"export AWS_REGION={about['region']}"
    exports += f" AWS_PROFILE={profile}" if profile else ""
    told = ("remain", "to decide", "not answered", "solved by the deployment")
    number = Counter(each.group for each in found)
    counts = ", ".join(f"{number[group]} {what}" for group, what in zip(Group, told, strict=True))
    return as_markdown(
        f"From {whose} to {stack_name()}",
        [
            f"Account {about['account']}, {about['region']}: {counts}.",
            "",
            "docs/migration.md leads through it. Before commands on the old one, in a shell of "
            f"its own: `{exports}`",
        ],
        found,
    )
