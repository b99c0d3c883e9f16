"""`api-key`: the keys with which clients call the API, from the first to the last day of each."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from ops.console import terminal
from ops.console.confirmation import confirm
from ops.console.failure import OpsError
from ops.console.settings import JsonOption, NotAskedOption
from ops.console.terminal import escape
from ops.production.api_keys import ApiKey, Plan, names
from ops.production.stack import Production

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")


@app.callback()
def group() -> None:
    """Show, create, rotate and revoke the keys of the API's clients.

    All of them are on the stack's usage plan, and have its throttle and quota each, but for those
    that were created with limits of their own. A value comes
    out of `show` only, and only on a terminal; no other command prints or keeps one. CloudTrail
    records each change, without values.

    The stack's own key belongs to CloudFormation: it can be disabled here, but not deleted, or
    the next deployment that touches it fails.
    """


_KeyId = Annotated[str | None, typer.Argument(metavar="ID", show_default=False)]


@app.command("list")
def list_keys(as_json: JsonOption = False) -> None:
    """List the keys, without values, what each may send, and what it sent since yesterday (UTC)."""
    plan = Plan.find(Production.find())
    with terminal.told().status("asking API Gateway"):
        keys = plan.api_keys()
        requests = plan.requests(keys)
    rows = [
        {**key.described(), "requests": None if requests is None else requests.get(key.id, 0)}
        for key in keys
    ]
    if as_json:
        typer.echo(json.dumps({"keys": rows}))
        return
    table = terminal.grid("id", "name", "state", "created", "owner", "limits", "requests")
    for key, row in zip(keys, rows, strict=True):
        sent = "not seen" if row["requests"] is None else str(row["requests"])
        state = "enabled" if key.enabled else "disabled"
        created, owner = f"{key.created:%Y-%m-%d %H:%M}", str(row["owner"])
        cells = (key.id, key.name, state, created, owner, str(key.limits), sent)
        table.add_row(*map(escape, cells))
    terminal.out().print(table)


@app.command()
def show(
    key_id: _KeyId = None,
    force: Annotated[
        bool, typer.Option("--force", help="Print it even where that is no terminal.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print a key's value on the terminal; without ID, that of a key that is enabled.

    That is the stack's own until it is revoked, and then the oldest of the others. It is a secret:
    whoever has it can send payments. It is refused where the output is a file or a pipe, which
    would keep it.
    """
    if not sys.stdout.isatty() and not force:
        raise OpsError("the output is no terminal, where a key would be kept: --force if it must")
    plan = Plan.find(Production.find())
    key = plan.usable_key() if key_id is None else plan.key(key_id)
    value = plan.value(key)
    if not key.enabled:
        told = f"{key.id} ({key.name}) is disabled: whoever calls with it is refused with 403"
        terminal.told().print(escape(told), soft_wrap=True)
    # Not rich's console, which may keep what it prints.
    typer.echo(json.dumps({**key.described(), "value": value}) if as_json else value)


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as the client's.")],
    rate: Annotated[
        float | None, typer.Option(min=0.1, show_default=False, help="Requests a second.")
    ] = None,
    burst: Annotated[
        int | None, typer.Option(min=1, show_default=False, help="Requests at once.")
    ] = None,
    quota: Annotated[
        int | None, typer.Option(min=1, show_default=False, help="Requests a day (UTC).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Create another key; it is valid at once.

    With a limit it gets a usage plan of its own, and what is not given is as in the stack's.
    Without, it is on the stack's plan. Its limits never go beyond the API's, which all clients
    share.
    """
    given = {"rate": rate, "burst": burst, "quota": quota}
    limits = {limit: value for limit, value in given.items() if value is not None}
    created = Plan.find(Production.find()).create(name, limits)
    _tell({"created": created.described()}, [_hand_over(created)], as_json)


@app.command()
def rotate(
    key_id: _KeyId = None,
    name: Annotated[
        str | None, typer.Option(show_default=False, help="Of the new key. Without: with a date.")
    ] = None,
    overlap: Annotated[
        bool,
        typer.Option(help="Both are valid until the old one is revoked; without: only the new."),
    ] = True,
    yes: NotAskedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Replace a key: create a new one, let both be valid, and revoke the old one later.

    Without ID, the only enabled key. --no-overlap disables the old key at once, for one that has
    leaked: its client is locked out until it has the new one.
    """
    plan = Plan.find(Production.find())
    old = _to_rotate(plan, key_id)
    if not overlap:
        confirm(f"Lock out whoever uses {old.id} ({old.name}) until they have the new key?", yes)
    if name is None:
        name = f"payments-{datetime.now(UTC):%Y-%m-%d-%H%M%S-%f}"
    new = plan.create(name, instead_of=old)
    told = [_hand_over(new)]
    if overlap:
        told.append(
            f"Both keys are valid. When `api-key list` shows that nobody uses {old.id} any more: "
            f".venv/bin/python -m ops api-key revoke {old.id}"
        )
    else:
        plan.disable(old)
        told.append(
            f"{old.id} ({old.name}) is disabled. If it has leaked, it stays so: `api-key show` and "
            "`smoke` take another from now on, and `verify` does not ask for it"
        )
    _tell({"created": new.described(), "old": old.id, "overlap": overlap}, told, as_json)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete it too, which cannot be undone.")
    ] = False,
    yes: NotAskedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Disable a key: its client is refused with 403. The last enabled key is never revoked.

    The stack's own key can be disabled, but not deleted. A deployment enables it again only if
    it changes the key itself: look with `api-key list` after one.
    """
    plan = Plan.find(Production.find())
    keys = plan.api_keys()
    key = plan.key(key_id)
    if not any(other.enabled for other in keys if other.id != key.id):
        raise OpsError(
            f"{key.id} is the last enabled key: `api-key rotate` creates its successor first"
        )
    if delete and key.of_stack:
        raise OpsError(
            f"CloudFormation owns {key.id}, and fails where it is gone: revoke it without "
            "--delete, which locks its client out just as well; to be rid of it, take it out of "
            "nested/compute/api.py and deploy"
        )
    requests = plan.requests([key])
    used = "" if requests is None else f", {requests.get(key.id, 0)} requests since yesterday"
    confirm(f"Lock out whoever uses {key.id} ({key.name}{used})?", yes)
    plan.disable(key)
    told = [
        f"{key.id} ({key.name}) is disabled. To take that back: aws apigateway update-api-key "
        f"--api-key {key.id} --patch-operations op=replace,path=/enabled,value=true"
    ]
    if delete:
        plan.delete(key)
        told = [f"{key.id} ({key.name}) is deleted, with its plan if that was its own."]
    _tell({"revoked": key.id, "deleted": delete}, told, as_json)


@app.command()
def detach(yes: NotAskedOption = False, as_json: JsonOption = False) -> None:
    """Take the clients' own usage plans off the API, before it is deleted or replaced.

    CloudFormation does not know them, and AWS deletes no API that is on a plan. Their keys are
    refused with 403 until `attach`.
    """
    plan = Plan.find(Production.find())
    confirm("Lock out all clients with limits of their own?", yes)
    taken = plan.detach()
    _tell({"detached": taken}, [f"taken off the API: {', '.join(taken) or 'none'}"], as_json)


@app.command()
def attach(as_json: JsonOption = False) -> None:
    """Put the clients' own usage plans on the API as it is now, after it was replaced."""
    put = Plan.find(Production.find()).attach()
    _tell({"attached": put}, [f"put on the API: {', '.join(put) or 'all were'}"], as_json)


def _to_rotate(plan: Plan, identifier: str | None) -> ApiKey:
    if identifier is not None:
        key = plan.key(identifier)
        if not key.enabled:
            raise OpsError(
                f"{key.id} ({key.name}) is disabled, so nobody needs an overlap with it: "
                "`api-key create NAME` creates a key for its client"
            )
        return key
    enabled = [key for key in plan.api_keys() if key.enabled]
    if len(enabled) != 1:
        raise OpsError(f"say which key: enabled are {names(enabled) or 'none'}")
    return enabled[0]


def _hand_over(key: ApiKey) -> str:
    return (
        f"{key.id} ({key.name}) is created. Read its value on a terminal, and hand it over by a "
        f"channel for secrets: .venv/bin/python -m ops api-key show {key.id}"
    )


def _tell(document: dict[str, Any], lines: Sequence[str], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(document))
    else:
        for line in lines:
            terminal.out().print(escape(line), soft_wrap=True)
