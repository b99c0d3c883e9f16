"""The command line.

Exit codes: 0 fine, 1 found a problem, 2 could not do it, or not tell of it, 130 interrupted, 141
nobody read on.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from config import PRODUCTION, STACKS, Name
from ops.alert_drill import command as alert_drill
from ops.alerts import command as alerts
from ops.api_key import command as api_key
from ops.audit_trail import command as audit_trail
from ops.console import ending
from ops.console.environment import VARIABLE, choose
from ops.console.failure import OpsError, explain
from ops.dashboard import command as dashboard
from ops.dlq import command as dlq
from ops.leftovers import command as leftovers
from ops.migration import command as migration
from ops.payment import command as payment
from ops.plan import command as plan
from ops.preflight import command as preflight
from ops.production.stack import REGION
from ops.reconcile import command as reconcile
from ops.replay_history import command as replay_history
from ops.report import command as report
from ops.restore import command as restore_drill
from ops.smoke import command as smoke
from ops.verify import command as verify
from reconciliation.stores import UnreadableError

app = typer.Typer(
    help=f"The operator's tool for {STACKS[PRODUCTION]} in {REGION}, or with --environment for "
    "another. Credentials are those of any AWS tool; AWS_ENDPOINT_URL is honoured: after "
    "`source .local/env` it works on the embedded environment."
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
app.command("deploy")(plan.deploy)
app.command("leftovers")(leftovers.command)
app.command("migration")(migration.command)
app.command("payment")(payment.command)
app.command("plan")(plan.plan)
app.command("preflight")(preflight.command)
app.command("reconcile")(reconcile.command)
app.command("replay-history")(replay_history.command)
app.command("report")(report.command)
app.command("restore-drill")(restore_drill.command)
app.command("smoke")(smoke.command)
app.command("verify")(verify.command)
app.add_typer(alerts.app, name="alerts")
app.add_typer(audit_trail.app, name="audit-trail")
app.add_typer(dlq.app, name="dlq")
app.add_typer(api_key.app, name="api-key")


@app.callback()
def _environment(
    name: Annotated[
        Name | None,
        typer.Option(
            "--environment",
            envvar=VARIABLE,
            show_default=False,
            help=f"Whose stack is meant, where it is not {PRODUCTION}'s.",
        ),
    ] = None,
) -> None:
    if name:
        choose(name)


def main() -> int:
    """Run the command line; the exit code."""
    return ending.run(partial(app, prog_name=".venv/bin/python -m ops"), explain=_explained)


def _explained(error: Exception) -> str:
    match error:
        case BotoCoreError() | ClientError():
            return explain(error)
        case OpsError() | UnreadableError() | OSError():
            return str(error)
    return ending.unexpected(error)
