"""What all our commands write: text as UTF-8, files whole, and foreign text as it is.

How they end: tests/integration/test_command_endings.py.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from rich.table import Table

from local.drills.report import Drill, Step
from local.drills.report import show as show_drill
from ops.audit_trail import command as audit_trail
from ops.console import checks, confirmation, files
from ops.console.checks import Check, Verdict
from ops.console.terminal import escape, out, progress
from ops.dlq import command as dlq
from ops.plan import presentation
from ops.plan.model import Action, Change, Report, Source
from ops.smoke import command as smoke
from tests.environment import PROJECT

COMMANDS = ("ops", "local")
GENERATORS = (
    "alerting/__main__.py",
    "api_docs/__main__.py",
    "compliance/__main__.py",
    "permissions/__main__.py",
    "settings.py",
)

# -- characters ----------------------------------------------------------------------------


def _calls() -> Iterator[tuple[Path, ast.Call]]:
    ours = json.loads(
        subprocess.run(
            [sys.executable, "-c", "import json, tomllib; print(json.dumps(tomllib.load(open("
             "'pyproject.toml', 'rb'))['tool']['mypy']['files']))"],
            cwd=PROJECT, capture_output=True, text=True, check=True,
        ).stdout
    )  # fmt: skip
    for place in (PROJECT / name for name in ours if name != "tests"):
        for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield file, node


def _is_text(call: ast.Call, name: str) -> bool:
    """Whether a call opens, reads or writes text."""
    given = {each.arg: ast.unparse(each.value) for each in call.keywords}
    if name in ("read_text", "write_text"):
        return True
    if given.get("text") == "True" or given.get("universal_newlines") == "True":
        return True
    if name in ("basicConfig", "FileHandler"):
        return "filename" in given or name == "FileHandler"
    if name not in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile"):
        return False
    places = {"open": 0 if isinstance(call.func, ast.Attribute) else 1, "fdopen": 1}
    place = places.get(name, 0)
    mode = given.get("mode") or (ast.unparse(call.args[place]) if len(call.args) > place else "'r'")
    return mode.strip("'") != "" and set(mode.strip("'")) <= set("rwxat+")


def test_all_text_is_read_and_written_as_utf_8_whatever_the_language() -> None:
    seen, lacking = 0, []
    for file, call in _calls():
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
        encoding = [each for each in call.keywords if each.arg == "encoding"]
        if _is_text(call, name):
            seen += 1
            if not encoding:
                lacking.append(f"{file.relative_to(PROJECT)}:{call.lineno}: {ast.unparse(call)}")
    assert seen > 30
    assert not lacking, "\n".join(lacking)


@pytest.mark.parametrize("generator", GENERATORS)
def test_generated_files_are_replaced_whole(generator: str) -> None:
    text = (PROJECT / "assurance" / generator).read_text(encoding="utf-8")
    assert "files.write(" in text
    assert "write_text" not in text


# -- files ---------------------------------------------------------------------------------


def test_a_file_that_cannot_be_written_to_its_end_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("as it was", encoding="utf-8")
    with pytest.raises(UnicodeEncodeError):
        files.write(file, "half of it\ud800")
    with contextlib.suppress(ZeroDivisionError), files.replaced(file) as scratch:
        scratch.write_text("half of it", encoding="utf-8")
        raise ZeroDivisionError
    assert file.read_text(encoding="utf-8") == "as it was"
    assert list(tmp_path.iterdir()) == [file]


def test_whoever_reads_a_file_that_is_written_finds_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("as it was", encoding="utf-8")
    with file.open(encoding="utf-8") as reader:
        files.write(file, "as it is")
        assert reader.read() == "as it was"
    assert file.read_text(encoding="utf-8") == "as it is"


def test_a_file_keeps_its_rights_and_a_link_stays_one(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("old", encoding="utf-8")
    file.chmod(0o640)
    link.symlink_to(file)
    files.write(link, "new …\r\n")
    assert link.is_symlink()
    assert file.read_bytes() == "new …\r\n".encode()
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_device_is_written_to_and_not_replaced() -> None:
    files.write(Path(os.devnull), "gone")
    assert Path(os.devnull).is_char_device()
    with pytest.raises(OSError, match="No space left"):
        files.write(Path("/dev/full"), "never there")
    assert Path("/dev/full").is_char_device()


# -- foreign text --------------------------------------------------------------------------

FOREIGN = ("Order:x:4711", "[red]x[/]", "[/]", ":smile: [link=https://x]y[/link]", "a\\", "\\[b]")


def shown(width: int = 300) -> tuple[Console, io.StringIO]:
    output = io.StringIO()
    return out(file=output, width=width, force_terminal=False), output


@pytest.mark.parametrize("text", FOREIGN)
def test_foreign_text_shows_as_it_is(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    console, output = shown()
    monkeypatch.setattr("ops.console.terminal.out", lambda: console)
    monkeypatch.setattr(audit_trail, "out", lambda **_: console)
    told: list[str] = []

    def printed() -> str:
        told.append(output.getvalue())
        output.seek(0)
        output.truncate()
        return told[-1]

    console.print(escape(text), f"[bold]{escape(text)}[/]")
    assert printed() == f"{text} {text}\n"
    assert progress(f"[dim]1 s[/] {escape(text)}").plain == f"1 s {text}"
    checks.show(console, [Check(what=text, found=text, verdict=Verdict.PROBLEM, mend=text)])
    assert printed().count(text) == 4
    change = Change(
        stack=text,
        logical_id=text,
        resource_type=text,
        action=Action.REMOVED,
        properties=(text,),
        source=Source.CHANGE_SET,
    )
    presentation.show(console, Report(stack="Shop", changes=[change]))
    assert printed().count(text) == 4
    presentation.show_objections(console, [change])
    assert printed().count(text) == 3
    step = Step(name=text, expected=text, held=True, states={text: text}, seen=text)
    drill = Drill(name="it", title="It", run=lambda _: iter(()), releases=())
    show_drill(console, drill, [step], 1)
    assert printed().count(text) == 5
    last = {"objects": 1, "records": 1, "archived": 0, "last_key": text, "last_sha256": "0"}
    trail = {"bucket": "b", **last, "followed_by": text, "to_restore": [text]}
    missing = {"fault": "missing", "key": text, "detail": text, "intact": "", "tell": "us"}
    audit_trail._show("broken", {**trail, "faults": [missing], "forged": []})
    assert printed().count(text) == 3
    forged = {**missing, "fault": "forged"}
    audit_trail._show("broken", {**trail, "faults": [], "forged": [forged]})
    audit_trail._show("unknown", {"error": text})
    assert printed().count(text) == 6
    smoked = smoke.Smoke(api=None, approved=[text])  # type: ignore[arg-type]
    smoke._show(smoked, [], as_json=False)
    assert printed().count(text) == 1
    outcome = {
        "action": "redrive",
        "queue": "retry",
        "done": True,
        "record": text,
        "messages": [{"id": text, "transaction_id": text}],
        "missing": [],
    }
    with pytest.raises(typer.Exit):
        dlq._report(outcome, as_json=False)
    assert printed().count(text) == 3


@pytest.mark.parametrize(
    "text", ["\x1b[31mred", "\x9b2J", "a\rb", "bell\x07", "left\u202eright", "\u2066x", "\ud800"]
)
def test_foreign_text_gives_the_terminal_no_orders(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    console, output = shown()
    console.print(escape(text))
    visible = output.getvalue().rstrip("\n")
    assert visible == text.encode("unicode_escape", "surrogatepass").decode("ascii")
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)

    def agree(question: str, **_: Any) -> bool:
        asked.append(question)
        return True

    monkeypatch.setattr(typer, "confirm", agree)
    confirmation.confirm(text, yes=False)
    assert asked == [visible]


def test_what_is_piped_has_its_lines_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    table = Table()
    table.add_row("a" * 70, "b" * 70)
    out().print(table)
    assert f"{'a' * 70} │ {'b' * 70}" in capsys.readouterr().out


def test_there_is_no_other_way_to_print_than_ours() -> None:
    """Rich's own console knows emoji, and its escape knows neither them nor control characters."""
    for file, call in _calls():
        if file.parent != PROJECT / "ops" / "console":
            assert ast.unparse(call.func) not in ("Console", "rich.print", "markup.escape"), file
    for folder in COMMANDS:
        for file in (PROJECT / folder).rglob("*.py"):
            assert "rich.markup" not in file.read_text(encoding="utf-8"), file
