"""The command line.

Exit codes: 0 fine, 1 found a problem, 2 could not do it, 130 interrupted, 141 nobody read on.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.markup import escape

from change_report.assembly import STACK
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
    terminal,
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


class Stopped(BaseException):
    """The user (or the system) asked us to stop."""


def main() -> int:
    """Run the command line; the exit code."""
    _stop_on_signals()
    told = terminal.told()
    try:
        app(prog_name="python -m ops")
    except SystemExit as end:
        # Typer and rich end with 1 when nobody reads on, which here would be a problem found.
        if isinstance(end.__context__, BrokenPipeError):
            # Python writes once more what is left, and would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 128 + signal.SIGPIPE  # as a shell tells it of what SIGPIPE ended
        return end.code if isinstance(end.code, int) else 2
    except Stopped:
        told.print("Interrupted.")
        return 130
    except (BotoCoreError, ClientError) as error:
        reason = explain(error)
    except (OpsError, OSError) as error:
        reason = str(error)
    except Exception as error:
        reason = f"unexpected {type(error).__name__}: {error}"
    told.print(f"[red]error:[/] {escape(reason)}", soft_wrap=True)
    return 2


def _stop_on_signals() -> None:
    """Clean up at Ctrl-C, at a request to terminate, and when the terminal goes."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in signals:  # cleaning up has begun
            signal.signal(number, signal.SIG_IGN)
        raise Stopped

    for number in signals:
        signal.signal(number, stop)
