"""What the pages and our commands give to be pasted, runs in bash and in zsh.

An interactive zsh takes no comments: `source .local/env   # to practise` fails there, and what is
pasted after it goes to the account of the user's own credentials.
"""

from __future__ import annotations

import ast
import io
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local import cli
from local.deployed import Deployment
from ops.console.terminal import out
from tests.environment import PROJECT

PAGES = sorted(
    page
    for page in PROJECT.rglob("*.md")
    if not {"node_modules", ".venv", ".build", ".local"} & set(page.relative_to(PROJECT).parts)
)
_BLOCK = re.compile(r"^( *)(```+|~~~+) *(\w*)[^\n]*\n(.*?)^\1\2", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:aws|make|npx|source|export|python|\.venv/\S+) [^`]+)`")
_SHELLS = {"sh", "bash", "zsh", "shell", "console"}
_HEREDOC = re.compile(r"(<<-?\s*(['\"]?)(\w+)\2[^\n]*\n).*?^\s*\3$", re.MULTILINE | re.DOTALL)
_INNERMOST = re.compile(r"\$\(([^()]*(?:'[^']*'[^()]*)*)\)")
_TEST_WORDS = {"[", "]", "[[", "]]"}


def words(script: str) -> Iterator[tuple[str, str]]:
    """Of a script, without what stands in here-documents: each word as it is written, and the part
    of it that is in no quotes. A comment is one word. Those in substitutions come too."""
    script = _HEREDOC.sub(r"\1", script).replace("\\\n", "  ")
    script = re.sub(r"\$\(\(.*?\)\)", "1", script)
    while inner := _INNERMOST.search(script):
        yield from _words(inner[1])
        script = f"{script[: inner.start()]}1{script[inner.end() :]}"
    yield from _words(script)


def _words(script: str) -> Iterator[tuple[str, str]]:
    word = bare = quote = ""
    for place, character in enumerate(script + "\n"):
        if quote:
            word += character
            if character == quote and (quote == "'" or script[place - 1] != "\\"):
                quote = ""
        elif not word and character == "#":
            yield script[place:].partition("\n")[0], "#"
        elif character in " \t\n;|&()<>":
            if word:
                yield word, bare
            word = bare = ""
        else:
            word += character
            bare += character
            quote = character if character in "'\"" and script[place - 1] != "\\" else ""
    assert not quote, f"quotes are not closed: {script}"


def objections(script: str) -> list[str]:
    """What an interactive zsh refuses, and bash does not."""
    found = [f"a comment: {word}" for word, bare in words(script) if bare == "#"]
    return found + [
        f"a pattern that is in no quotes: {word}"
        for word, bare in words(script)
        if bare != "#" and word not in _TEST_WORDS and re.search(r"[*?\[]|^=|^~[^/]", bare)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_a_page_gives_nothing_to_paste_that_zsh_refuses(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for _indent, _fence, language, script in _BLOCK.findall(text):
        if language in _SHELLS:
            assert objections(script) == [], script
    for code in _INLINE.findall(_BLOCK.sub("", text)):
        assert not [word for word, bare in words(code) if bare == "#"], code


_ASKS = re.compile(
    r"-m ops (?:deploy|smoke|api-key (?:detach|revoke|rotate .*--no-overlap)|leftovers .*--remove)"
    r"|make (?:deploy|smoke)|cdk destroy"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_what_asks_is_the_last_of_what_is_pasted(page: Path) -> None:
    """Else the line after it is taken for the answer."""
    for _indent, _fence, language, script in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if language in _SHELLS:
            *lines, _last = script.replace("\\\n", " ").strip().splitlines()
            assert [line for line in lines if _ASKS.search(line) and "--yes" not in line] == []


def test_no_runbook_takes_the_names_of_the_address_and_the_key_for_something_else() -> None:
    """The index sets them for the whole shell: what calls the API later would be refused."""
    taken = re.compile(r"(?:^|[\s;])(?:read (?:-\w+ )?)?(?:KEY|API)(?:=\S.*|; do.*)", re.MULTILINE)
    folder = PROJECT / "docs" / "runbooks"
    for page in {*folder.glob("*.md")} - {folder / "README.md"}:
        for *_, script in _BLOCK.findall(page.read_text(encoding="utf-8")):
            for line in taken.findall(script):
                assert "api-key show" in line or "cloudformation" in line, f"{page.name}: {line}"


def test_there_are_blocks_to_look_at() -> None:
    found = [
        language for page in PAGES for *_, language, _ in _BLOCK.findall(page.read_text("utf-8"))
    ]
    assert sum(language in _SHELLS for language in found) > 80


@pytest.mark.parametrize(
    "script",
    [
        "source .local/env   # points at it",
        "# first\nmake local",
        "make local; # it",
        "aws x \\\n  --y z # it",
        "python - <<'END'\nx\nEND\nls # it",
        "A=$(ls) # it",
        "aws x --query Stacks[0]",
        "ls *.md",
    ],
)
def test_what_zsh_refuses_is_found(script: str) -> None:
    assert objections(script)


@pytest.mark.parametrize(
    "script",
    [
        "aws x --query 'A[?b==`#`]' | grep \"it # is\"",
        "echo $# a#b",
        "python - <<'END'\n# it\nEND\nls",
        "[ -z \"$A\" ] && echo 'it''s'",
        "A=${A%/} B=$((1800 * 1000))",
    ],
)
def test_what_zsh_takes_is_let_through(script: str) -> None:
    assert objections(script) == []


def _hints(monkeypatch: pytest.MonkeyPatch, posted: str | None) -> str:
    output = io.StringIO()
    monkeypatch.setattr(cli, "console", out(file=output, width=80))
    deployment = SimpleNamespace(api_url="http://127.0.0.1:1/x", outputs={"ApiKeyId": "key"})
    monkeypatch.setattr(Deployment, "find", lambda *_: deployment)
    emulator: Any = SimpleNamespace(
        directory=PROJECT / ".local", endpoint="http://127.0.0.1:1", ca_file=PROJECT / "ca.pem"
    )
    cli._show_hints(emulator, posted)
    return output.getvalue()


@pytest.mark.parametrize("deployed", [True, False])
def test_the_hints_of_the_embedded_environment_can_be_pasted(
    monkeypatch: pytest.MonkeyPatch, deployed: bool
) -> None:
    hints = _hints(monkeypatch, "it" if deployed else None)
    lines = [line for line in hints.splitlines() if line.startswith("  ")]
    assert lines[0] == "  source .local/env"
    assert len(lines) >= 4
    for line in lines:
        assert objections(line) == [], line
        assert re.match(r"  (source|export \w+=|curl|npx|python) ?", line), line


def test_no_command_in_our_texts_has_a_comment_after_it() -> None:
    commands = re.compile(
        r"\b(source|export|aws|npx|make|python -m|curl|cdk) [^\n]*\s#\s(?!noqa|type:)", re.MULTILINE
    )
    for folder in ("ops", "local", "assurance"):
        for file in (PROJECT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    assert not commands.search(node.value), f"{file}:{node.lineno}"


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish"])
def test_the_environment_can_be_read_by_every_shell(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    ca_file = tmp_path / "it's a $.pem"
    emulator: Any = SimpleNamespace(endpoint="http://127.0.0.1:1", ca_file=ca_file)
    file = tmp_path / "env"
    file.write_text(cli._exports(emulator), encoding="utf-8")
    strict = "" if shell == "fish" else "set -eu; "
    done = subprocess.run(
        [shell, "-c", f"{strict}. {file}; env"],
        env={"PATH": os.environ["PATH"], "AWS_PROFILE": "mine", "AWS_SESSION_TOKEN": "mine"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    variables = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert variables["LEDGER_CA_FILE"] == str(ca_file)
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN"} & set(variables)
    assert variables["PATH"].endswith(os.environ["PATH"].rpartition(":")[2])
