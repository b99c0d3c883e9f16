"""All our commands, as processes: how they end, and what they print where not all can be shown."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import pytest

from ops.console import ending
from tests.environment import NONE, PROJECT

COMMANDS = ("ops", "local")
GENERATORS = (
    "assurance.alerting",
    "assurance.api_docs",
    "assurance.compliance",
    "assurance.permissions",
    "assurance.settings",
)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# A command with a verdict, and more to say than a pipe takes at once.
VERDICT = """
import sys
from ops.console import ending
ending.prepare()
def command():
    print("one\\n" * {lines}, flush={flush})
    sys.exit(1)
sys.exit(ending.run(command))
"""


def python(
    *arguments: str, stdout: int | IO[Any] = subprocess.PIPE, variables: Mapping[str, str] = NONE
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )


@pytest.fixture
def closed_pipe() -> Iterator[IO[bytes]]:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        yield pipe


@pytest.fixture
def full() -> Iterator[IO[bytes]]:
    with Path("/dev/full").open("wb", buffering=0) as device:
        yield device


@pytest.mark.parametrize("command", COMMANDS)
def test_output_that_nobody_reads_is_no_verdict(command: str, closed_pipe: IO[bytes]) -> None:
    done = python("-m", command, "--help", stdout=closed_pipe)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("command", COMMANDS)
def test_output_that_cannot_be_written_is_no_verdict(command: str, full: IO[bytes]) -> None:
    done = python("-m", command, "--help", stdout=full)
    assert done.returncode == 2
    assert done.stderr == b"error: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("flush", [True, False])
@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_verdict_that_is_not_told_is_none(
    lines: int, flush: bool, closed_pipe: IO[bytes], full: IO[bytes]
) -> None:
    program = VERDICT.format(lines=lines, flush=flush)
    assert python("-c", program).returncode == 1
    assert python("-c", program, stdout=closed_pipe).returncode == 141
    assert python("-c", program, stdout=full).returncode == 2


def test_a_reader_that_has_seen_enough_is_no_verdict() -> None:
    program = VERDICT.format(lines=100_000, flush=True)
    done = subprocess.run(
        [
            "bash",
            "-c",
            '"$0" -c "$1" | grep -q one; echo "${PIPESTATUS[@]}"',
            sys.executable,
            program,
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("141 0\n", "")


def test_an_output_that_is_closed_cannot_be_written() -> None:
    done = subprocess.run(
        ["bash", "-c", '"$0" -m ops --help >&-', sys.executable],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


def test_a_verdict_does_not_depend_on_who_reads_the_errors(full: IO[bytes]) -> None:
    program = VERDICT.format(lines=1, flush=False).replace(
        "    sys.exit(1)", "    print('busy', file=sys.stderr, flush=True)\n    sys.exit(1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=full,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, b"one\n\n")


def test_what_cleans_up_may_print_after_the_output_has_failed(full: IO[bytes]) -> None:
    program = """
import sys
from ops.console import ending
ending.prepare()
def command():
    try:
        print("found", flush=True)
    finally:
        print("stopping", flush=True)
        print("cleaned up", file=sys.stderr)
sys.exit(ending.run(command))
"""
    done = python("-c", program, stdout=full)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == b"cleaned up"


def test_a_full_disk_elsewhere_is_no_verdict_either(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        with Path("/dev/full").open("w", encoding="utf-8") as file:
            file.write("evidence")

    try:
        assert ending.run(command) == 2
    finally:
        for number in SIGNALS:
            signal.signal(
                number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler
            )
    assert "No space left" in capsys.readouterr().err


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("command", COMMANDS)
def test_an_interruption_while_importing_prints_no_traceback(
    command: str, number: signal.Signals, tmp_path: Path
) -> None:
    slow = "import os, time\nos.write(1, b'importing')\ntime.sleep(60)\n"
    (tmp_path / "typer.py").write_text(slow, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", command, "--help"],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.read(9) == b"importing"
    begin = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, b"")
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("command", [*COMMANDS, *GENERATORS])
def test_every_command_is_prepared_before_anything_else_is_imported(command: str) -> None:
    place = PROJECT / command.replace(".", "/")
    file = place / "__main__.py" if place.is_dir() else place.with_suffix(".py")
    tree = ast.parse(file.read_text(encoding="utf-8"))
    before = []
    for statement in tree.body:
        if "ending.prepare()" in ast.unparse(statement):
            break
        if isinstance(statement, ast.Import | ast.ImportFrom):
            before.append(ast.unparse(statement))
    else:
        pytest.fail("it is never prepared")
    quick = {"os", "sys", "pathlib", "json", "tempfile", "typing", "__future__", "ops.console"}
    assert {line.split()[1] for line in before} <= quick


# -- characters ----------------------------------------------------------------------------

NARROW = {"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_what_a_terminal_cannot_show_is_replaced(encoding: str) -> None:
    program = """
import sys
from ops.console import ending
ending.prepare()
from ops.console.terminal import out, told
from ops.console import checks
from ops.console.checks import Check, Verdict
def command():
    found = [Check(what=w, found="Zoë · 東京 \\ud800", verdict=v) for w, v in
        zip(("kept", "lost", "dark"), Verdict)]
    checks.show(out(), found)
    told().print("⠋ looking …")
sys.exit(ending.run(command))
"""
    ascii_only = program.encode("ascii", "backslashreplace").decode()
    done = python("-c", ascii_only, variables={**NARROW, "PYTHONIOENCODING": f"{encoding}:strict"})
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode(encoding)
    marks = re.findall(r"^\W*([+xo✔✘○])\W* (?:kept|lost|dark)", shown, re.MULTILINE)
    assert marks == (["✔", "✘", "○"] if encoding == "utf-8" else ["+", "x", "o"])
    assert ("東京" if encoding == "utf-8" else r"\u6771\u4eac") in shown
    assert b"looking" in done.stderr


def test_the_pages_are_made_whole_in_a_language_without_their_characters(tmp_path: Path) -> None:
    page = PROJECT / "docs" / "permissions.md"
    program = f"""
import sys
from pathlib import Path
from assurance.permissions import document
document.PATH = Path({str(tmp_path / "page.md")!r})
from ops.console import ending
from ops.console import files
sys.exit(ending.run(lambda: files.write(document.PATH, document.text())))
"""
    done = python("-c", program, variables=NARROW)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "page.md").read_bytes() == page.read_bytes()
