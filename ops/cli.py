"""The command line.

Exit codes: 0 fine, 1 found a problem, 2 could not do it, or not tell of it, 130 interrupted, 141
nobody read on.
"""

from __future__ import annotations

from functools import partial

import typer
from botocore.exceptions import BotoCoreError, ClientError

from change_report.assembly import STACK
from command_line import ending
from ops import (
    alert_drill,
    api_key,
    dashboard,
    dlq,
    payment,
    preflight,
    reconcile,
    report,
    restore_drill,
    smoke,
    verify,
)
from ops.failure import OpsError, explain
from ops.production import REGION

app = typer.Typer(
    help=f"The operator's tool for {STACK} in {REGION}. Credentials are those of any AWS tool; "
    "AWS_ENDPOINT_URL is honoured: after `source .local/env` it works on the embedded environment."
    "\n\nExit code 0: all is well; 1: a problem was found; 2: the command could not do its work; "
    "130: interrupted; 141: nobody read the output to its end, as with `| head`.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",  # which fills the lines
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# A line each: `command` has its options and its help.
app.command("alert-drill")(alert_drill.command)
app.command("dashboard")(dashboard.command)
app.command("payment")(payment.command)
app.command("preflight")(preflight.command)
app.command("reconcile")(reconcile.command)
app.command("report")(report.command)
app.command("restore-drill")(restore_drill.command)
app.command("smoke")(smoke.command)
app.command("verify")(verify.command)
app.add_typer(dlq.app, name="dlq")
app.add_typer(api_key.app, name="api-key")


@app.callback()
def _several() -> None:
    """Keeps names of commands needed, however many there are."""


def main() -> int:
    """Run the command line; the exit code."""
    return ending.run(partial(app, prog_name="python -m ops"), explain=_explained)


def _explained(error: Exception) -> str:
    match error:
        case BotoCoreError() | ClientError():
            return explain(error)
        case OpsError() | OSError():
            return str(error)
    return ending.unexpected(error)
