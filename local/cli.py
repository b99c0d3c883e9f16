"""`python -m local`: the embedded environment's command line."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import psutil  # type: ignore[import-untyped]
import typer
from rich.text import Text

from config import PRODUCTION
from local import aws
from local.deployed import Deployment, payment_request
from local.deployment import PROJECT, Cdk, DeploymentError, cdk_environment
from local.emulator import HOST, Emulator, EmulatorError
from local.emulator_internals import VersionError
from local.postgres import PostgresError, free_port
from ops.console import checks, ending, files
from ops.console import terminal as consoles
from ops.console.checks import Check
from ops.console.ending import Stopped
from ops.console.environment import VARIABLE, choose, chosen, stack_name
from ops.console.settings import SettingsOption
from ops.console.terminal import escape, progress

DEFAULT_PORT = 4566
LINE_WIDTH = 90

# Of `cdk deploy --progress events`: the root's nested stacks, as they settle.
MILESTONE = re.compile(
    r"\w+ \|.*\| (?P<status>\w+_(?:COMPLETE|FAILED|COMPLET)) *\| AWS::CloudFormation::Stack *"
    r"\| (?P<resource>\w+)"
)

# Of the CDK's output, what it turns to next: minutes, on a busy machine, without another word.
STEPS = (
    ("Synthesis time", "synthesized; publishing templates and packages"),
    ("creating CloudFormation changeset", "published; CloudFormation makes the resources"),
)

app = typer.Typer(
    help="PaymentsProd on this machine, without AWS: an AWS emulator with enforced IAM and a real "
    "PostgreSQL, on 127.0.0.1 only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = consoles.out()

Port = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=65535,
        show_default=False,
        help=f"Port of the emulator. Without it: {DEFAULT_PORT}, or a free one if that is taken.",
    ),
]
StateDirectory = Annotated[
    Path,
    typer.Option(
        "--state-dir",
        file_okay=False,
        help="Where everything is kept: databases, logs, `env`. Emptied at the next start.",
    ),
]
Keeps = Annotated[
    bool,
    typer.Option(
        "--rollback-keeps",
        help="Let the rollback of a first deployment keep what nested stacks retain that were "
        "complete. AWS does not tell whether it does. Without: it is deleted.",
    ),
]
DEFAULT_STATE = PROJECT / ".local"


class UserError(Exception):
    """Told to the user as one line."""


@app.command()
def up(
    once: Annotated[
        bool, typer.Option("--once", help="Stop after the demonstration; 0 if all of it held.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Stay up after a failure too, to look into it.")
    ] = False,
    port: Port = None,
    state_dir: StateDirectory = DEFAULT_STATE,
    keeps: Keeps = False,
    context: SettingsOption = None,
) -> None:
    """Start the emulator, deploy PaymentsProd with the CDK, send a payment through it, stay up.

    With -c environment=staging it deploys PaymentsStaging.

    Stays until Ctrl-C, and leaves no process behind.
    """
    user_environment = dict(os.environ)
    with _running(state_dir, port, keeps=keeps) as emulator:
        posted, held = None, False
        try:
            _deploy(emulator, user_environment, context or [])
            posted, held = _demonstrate(emulator)
        except DeploymentError as error:
            _show_failure(error)
            if not keep:
                raise UserError(
                    "the deployment failed (`--keep` stays up to look into it)"
                ) from error
        if once:
            raise typer.Exit(0 if held else 1)
        if not held and not keep:
            raise UserError("the demonstration failed (`--keep` stays up to look into it)")
        _show_hints(emulator, posted)
        _wait(emulator)


@app.command()
def serve(
    port: Port = None, state_dir: StateDirectory = DEFAULT_STATE, keeps: Keeps = False
) -> None:
    """Start the emulator only. Deploy from another terminal with `npx cdk`.

    Stays until Ctrl-C, and leaves no process behind.
    """
    with _running(state_dir, port, keeps=keeps) as emulator:
        _show_hints(emulator, None)
        _wait(emulator)


def main() -> int:
    """Run the command line; the exit code."""
    return ending.run(partial(app, prog_name="python -m local"), explain=_explained, interrupted="")


def _explained(error: Exception) -> str:
    if isinstance(error, UserError | EmulatorError | VersionError | PostgresError | OSError):
        return str(error)
    # Into the emulator's log, once it is open.
    logging.getLogger(__name__).error("unexpected", exc_info=error)
    return ending.unexpected(error)


# -- steps -------------------------------------------------------------------------------


@contextlib.contextmanager
def _running(state_dir: Path, port: int | None, *, keeps: bool) -> Iterator[Emulator]:
    """An emulator that is stopped at the end, however the end comes."""
    state_dir.mkdir(parents=True, exist_ok=True)
    with _exclusive(state_dir):
        emulator = Emulator(state_dir, _choose_port(port), keeps=keeps)
        env_file, environment = emulator.directory / "env", chosen()
        try:
            with console.status("starting the emulator"):
                emulator.start()
            choose(environment)  # The emulator has cleared this process's variables.
            files.write(env_file, _exports(emulator))
            console.print(
                f"[green]✔[/] emulator at {emulator.endpoint}, "
                f"log {escape(_short(emulator.log_file))}"
            )
            yield emulator
        finally:
            ending.ignore_signals()
            # Before anything is printed, which nobody may read, or wait for.
            try:
                emulator.stop()
            finally:
                env_file.unlink(missing_ok=True)
            console.print("stopped", style="dim")


def _deploy(emulator: Emulator, user_environment: dict[str, str], context: list[str]) -> None:
    stack, context = stack_name(), [*context, f"environment={chosen()}"]
    cdk = Cdk(emulator.endpoint, emulator.directory, user_environment)
    cdk.log_file.unlink(missing_ok=True)
    try:
        _timed("cdk bootstrap", lambda tell: cdk.bootstrap(tell, stack))
        _timed(f"cdk deploy {stack}", lambda tell: cdk.deploy(tell, stack, context))
    finally:
        cdk.stop()


class _Doing:
    """What is being done, and for how long: the seconds go on between two lines of output."""

    def __init__(self, begin: float, what: str) -> None:
        self._begin, self._what = begin, what

    def __rich__(self) -> Text:
        seconds = time.monotonic() - self._begin
        return progress(f"[dim]{seconds:3.0f} s[/] {escape(self._what)}")


def _timed(title: str, step: Callable[[Callable[[str], None]], None]) -> None:
    """Run a step under a line that tells what it is doing and for how long; its milestones stay
    on the screen, all of its output is in cdk.log."""
    begin = time.monotonic()
    console.print(f"  {title} …")
    with console.status(_Doing(begin, title)) as status:

        def tell(line: str) -> None:
            took = f"{time.monotonic() - begin:3.0f} s"
            status.update(_Doing(begin, line.strip()[:LINE_WIDTH]))
            if step_ := next((told for mark, told in STEPS if mark in line), ""):
                console.print(f"  [dim]{took}[/] {step_}")
            if milestone := MILESTONE.match(line):
                console.print(f"  [dim]{took}[/] {milestone['status']:<20} {milestone['resource']}")

        step(tell)
    console.print(f"[green]✔[/] {title} ({time.monotonic() - begin:.0f} s)")


def _demonstrate(emulator: Emulator) -> tuple[str, bool]:
    """Send a payment and show what it left, by the operator's tool: its id, whether all held."""

    def ops(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        variables = {
            **cdk_environment(os.environ, emulator.endpoint, emulator.directory),
            VARIABLE: chosen(),
        }
        command = [sys.executable, "-m", "ops", *arguments]
        return subprocess.run(
            command, cwd=PROJECT, env=variables, encoding="utf-8", check=False, **options
        )

    with console.status("sending a payment"):
        sent = ops("smoke", "--payments", "1", "--json", stdout=subprocess.PIPE)
    if not sent.stdout.strip():
        return "", False
    document = json.loads(sent.stdout)
    checks.show(console, [Check(**each) for each in document["checks"]])
    posted = next(iter(document["transaction_ids"]), "")
    is_told = bool(posted) and ops("payment", posted).returncode == 0
    return posted, is_told and sent.returncode == 0


def _show_failure(error: DeploymentError) -> None:
    console.print(f"\n[red]✘ {escape(str(error))}[/]")
    if not error.failures:
        for line in error.last_lines:
            console.print(escape(f"  {line}"))
        return
    console.print("What failed, the first cause first:")
    for failure in error.failures[:8]:
        where = f"{failure.stack} / {failure.resource} ({failure.resource_type})"
        console.print(f"  [bold]{escape(where)}[/]\n    {escape(failure.reason)}")


def _show_hints(emulator: Emulator, posted: str | None) -> None:
    """
    Args:
        posted: a payment's transaction id; none: nothing is deployed.
    """
    directory = shlex.quote(_short(emulator.directory))
    console.print(
        "\n[bold]In another terminal[/]; the first line sets address, region and credentials "
        "(test/test: administrator)",
        soft_wrap=True,
    )
    _print_plain(f"  source {directory}/env")
    if posted is None:
        _print_plain(f"  npx cdk bootstrap aws://{aws.ACCOUNT}/{aws.REGION}")
        setting = f" -c environment={chosen()}" if chosen() != PRODUCTION else ""
        _print_plain(f"  npx cdk deploy {stack_name()}{setting} --require-approval never")
        _print_plain("  python -m ops smoke")
    else:
        _show_api(Deployment.find(emulator.endpoint, emulator.ca_file, stack_name()), posted)
    console.print("\nCtrl-C stops everything.")


def _show_api(deployment: Deployment, posted: str) -> None:
    request = json.dumps(payment_request())
    transaction = json.dumps({"transaction_id": posted})
    curl = "  curl -sS -w '\\n' -H \"x-api-key: $KEY\" -H 'content-type: application/json'"
    console.print("\n[bold]The API[/], its key, and calls to paste into that terminal")
    _print_plain(f"  export API={deployment.api_url}")
    # Read when it is needed: a key is not for the screen.
    _print_plain("  export KEY=$(python -m ops api-key show --force)")
    _print_plain(f'{curl} "$API/status"')
    _print_plain(f"{curl} -d '{request}' \"$API/validate\"")
    _print_plain(f"{curl} -d '{transaction}' \"$API/process\"")


def _print_plain(line: str) -> None:
    """Unwrapped, so that it can be pasted."""
    console.print(escape(line), soft_wrap=True)


def _wait(emulator: Emulator) -> None:
    try:
        while emulator.alive:
            time.sleep(0.5)
    except Stopped:
        raise typer.Exit(0) from None
    raise UserError(f"the emulator ended unexpectedly: see {_short(emulator.log_file)}")


# -- ports, locks, signals -----------------------------------------------------------------


def _choose_port(asked: int | None) -> int:
    port = asked or DEFAULT_PORT
    if _is_free(port):
        return port
    taken = f"port {port} is taken{_by_whom(port)}"
    if asked is not None:
        raise UserError(f"{taken}; choose another with --port, or leave --port out")
    port = free_port()
    console.print(f"[yellow]{escape(taken)}[/]; using {port}")
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the emulator's own socket: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _by_whom(port: int) -> str:
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            local_port: Any = connection.laddr and connection.laddr.port
            if local_port == port and connection.status == psutil.CONN_LISTEN and connection.pid:
                command = " ".join(psutil.Process(connection.pid).cmdline())
                return f" by process {connection.pid} ({command[:60]})"
    return ""


@contextlib.contextmanager
def _exclusive(state_dir: Path) -> Iterator[None]:
    """One launcher a state directory; the lock ends with the process, however it ends."""
    with (state_dir / "lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "another process"
            raise UserError(
                f"{_short(state_dir)} is in use by process {owner}: stop that, "
                "or give this one a directory of its own with --state-dir"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _exports(emulator: Emulator) -> str:
    variables = {
        **aws.environment(emulator.endpoint),
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "LEDGER_CA_FILE": str(emulator.ca_file),
        **({VARIABLE: chosen()} if chosen() != PRODUCTION else {}),
    }
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    # fish, whose own command `string` is, knows no `unset`; and the others must not read `set -e`.
    names, is_fish = "AWS_PROFILE AWS_SESSION_TOKEN", "string length --quiet fish 2>/dev/null"
    lines += [f"{is_fish} && set -e {names}\n", f"{is_fish} || unset {names}\n"]
    # The project's Python, Node.js and CDK, for the commands of the hints.
    tools = shlex.quote(str(Path(sys.executable).parent))
    return "".join([*lines, f'export PATH={tools}:"$PATH"\n'])


def _short(path: Path) -> str:
    """Relative to the working directory, if it lies there."""
    with contextlib.suppress(ValueError):
        return str(path.absolute().relative_to(Path.cwd()))
    return str(path.absolute())
