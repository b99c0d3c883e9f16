"""`audit-trail verify`: 0 the trail is intact, 1 it is broken, 2 that cannot be told."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from audit_trail.link import hour_of
from ops.console.settings import JsonOption
from ops.console.terminal import escape, out
from reconciliation.verification import Report, Verifier

INTACT, BROKEN, CANNOT_TELL = 0, 1, 2
_SHOWN: Final = 20
_RUNBOOK: Final = "docs/runbooks/audit-trail.md"
_TIMES: Final = ["%Y-%m-%d", "%Y-%m-%dT%H", "%Y-%m-%dT%H:%M:%SZ"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


@app.callback()
def group() -> None:
    """The audit trail of PaymentsProd."""


@app.command()
def verify(
    bucket: Annotated[str, typer.Option(help="The stack's output AuditBucketName.")],
    first: Annotated[
        datetime | None, typer.Option("--from", formats=_TIMES, help="First hour (UTC).")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=_TIMES, help="Last hour (UTC).")
    ] = None,
    witness: Annotated[
        str,
        typer.Option(help="A link_sha256 that must occur: of an earlier verification, or a log."),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Walk the hash chain, and name every object that is missing, deleted, overwritten or altered,
    and those that are forged; each with the version to read, if one is intact, and whom to tell.

    payments-reconciliation does so by itself, every night for the day before.

    Credentials, region and endpoint are those of any AWS tool. Exit code 0: intact, 1: broken, or
    intact except for forged objects, 2: cannot be told.
    """
    if first and last and first > last:
        raise typer.BadParameter("it is before --from", param_hint="--to")
    hours = [hour_of(moment.replace(tzinfo=UTC)) if moment else "" for moment in (first, last)]
    outcome: dict[str, Any]
    try:
        report = Verifier(boto3.client("s3"), bucket).verify(
            first=hours[0], last=hours[1], witness=witness
        )
    except (BotoCoreError, ClientError) as error:
        code, outcome = CANNOT_TELL, {"error": str(error)}
    else:
        code, outcome = _exit_code(report), {"bucket": bucket, **asdict(report)}
    result = {INTACT: "intact", BROKEN: "broken", CANNOT_TELL: "unknown"}[code]
    if as_json:
        typer.echo(json.dumps({"result": result, **outcome}))
    else:
        _show(result, outcome)
    raise typer.Exit(code)


def _exit_code(report: Report) -> int:
    if report.finding:
        return BROKEN
    if report.to_restore:
        return CANNOT_TELL
    # Between two objects that name each other, there may be none.
    return INTACT if report.objects or report.followed_by else CANNOT_TELL


def _show(result: str, outcome: dict[str, Any]) -> None:
    console = out(soft_wrap=True)
    if "error" in outcome:
        console.print(f"[yellow]Cannot tell:[/] {escape(outcome['error'])}")
        return
    faults, forged = outcome["faults"], outcome["forged"]
    good = f"{outcome['objects']} objects, {outcome['records']} records" + (
        f", {outcome['archived']} of them in Glacier, judged by the SHA-256 that S3 keeps"
        if outcome["archived"]
        else ""
    )
    if faults:
        counts = Counter(each["fault"] for each in faults)
        counted = ", ".join(f"{count} {fault}" for fault, count in counts.items())
        console.print(f"[red]Broken:[/] {counted}. Good: {good}")
    elif result == "broken":
        console.print(f"[red]Intact except {len(forged)} forged:[/] {good}")
    elif result == "intact":
        console.print(f"[green]Intact:[/] {good}")
    elif not outcome["to_restore"]:
        console.print("[yellow]Cannot tell:[/] there is no object.")
    _show_to_restore(console, outcome["to_restore"])
    if result != "unknown" and not faults:
        _show_end(console, outcome)
    _show_findings(console, [*faults, *forged], outcome["bucket"])
    if faults or forged:
        console.print(f"What to do: {_RUNBOOK}")


def _show_to_restore(console: Console, keys: list[str]) -> None:
    if not keys:
        return
    console.print(
        f"[yellow]Cannot tell:[/] {len(keys)} objects are in Glacier, and S3 keeps no "
        "SHA-256 of them. Restore them first (aws s3api restore-object), and verify again:"
    )
    for key in keys[:_SHOWN]:
        console.print(f"  {escape(key)}")
    if len(keys) > _SHOWN:
        console.print(f"  and {len(keys) - _SHOWN} more: --json names all.")


def _show_findings(console: Console, findings: list[dict[str, str]], bucket: str) -> None:
    for one in findings[:_SHOWN]:
        console.print(f"  [red]{one['fault']}:[/] {escape(one['key'])}: {escape(one['detail'])}")
        if one["intact"]:
            which = {"bucket": bucket, "key": one["key"], "version-id": one["intact"]}
            options = " ".join(f"--{name} {shlex.quote(text)}" for name, text in which.items())
            console.print(f"    intact: aws s3api get-object {escape(options)} intact.ndjson.gz")
        elif one["fault"] != "forged":
            console.print("    intact: none in the bucket")
        console.print(f"    tell: {one['tell']}")
    if len(findings) > _SHOWN:
        console.print(f"  and {len(findings) - _SHOWN} more: --json names all.")


def _show_end(console: Console, outcome: dict[str, Any]) -> None:
    if outcome["last_key"]:
        console.print(f"  ends with {escape(outcome['last_key'])}")
        console.print(f"  link_sha256 {outcome['last_sha256']}")
    if outcome["followed_by"]:
        console.print(f"  which {escape(outcome['followed_by'])} follows: nothing is gone between.")
    elif outcome["last_key"]:
        console.print("  Nothing follows it: whether more was there, only --witness can tell.")
