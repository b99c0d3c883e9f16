"""tests/functions on other Pythons than .venv's.

They get the functions' packages as Lambda gets them, and beside these only what tests/functions has
locked: the SDK of Lambda's runtime, and pytest. `python -m tests.runtimes` fetches that; it is kept
under .build/.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from building_blocks.bundle import BUILD, PYTHON_VERSION, once
from tests.packages import FUNCTIONS, code, unpack

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "tests" / "functions" / "requirements.txt"
PYODIDE = ROOT / "node_modules" / "pyodide"

WITHOUT_AN_OPERATING_SYSTEM = ("-m", "not operating_system")
_ARGUMENTS = ("tests/functions", "-p", "no:cacheprovider", "-o", "pythonpath=.", "--tb=short")

_STACK_KILOBYTES = 32_000
"""Room for Python's own limit of recursion, which Node.js's usual stack of 1 MB has not."""


# Node.js is the project's own.
_PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


class RuntimeMissingError(Exception):
    """What the tests need there could not be had; the text says why."""


@dataclass(frozen=True)
class Outcome:
    """What pytest told.

    Attributes:
        python: as in "emscripten Python 3.14.2".
        counts: tests by what became of them ("passed", "deselected", "failed" ...).
    """

    code: int
    python: str
    counts: dict[str, int]
    output: str

    @classmethod
    def read(cls, done: subprocess.CompletedProcess[str]) -> Outcome:
        output = done.stdout + done.stderr
        python = re.search(r"^platform (\S+) -- (Python [0-9.]+)", output, re.MULTILINE)
        last = re.findall(r"^=+ (.* in .*) =+$", output, re.MULTILINE)
        counts = re.findall(r"(\d+) ([a-z]+)", last[-1].partition(" in ")[0]) if last else []
        return cls(
            done.returncode,
            " ".join(python.groups()) if python else "",
            {name: int(number) for number, name in counts},
            output,
        )


def on_webassembly(folder: Path) -> Outcome:
    """On the release of Python that Lambda has, in Node.js.

    Args:
        folder: empty; for the packages.
    """
    given = {
        "project": str(ROOT),
        "path": [str(_packages(folder)), str(_webassembly_site())],
        "arguments": [*_ARGUMENTS, *WITHOUT_AN_OPERATING_SYSTEM],
    }
    script = (
        f'ulimit -s {_STACK_KILOBYTES} && exec node --stack-size={_STACK_KILOBYTES - 1000} "$@"'
    )
    command = ["sh", "-c", script, "sh", str(ROOT / "tests" / "pyodide.mjs"), json.dumps(given)]
    return Outcome.read(_run(command))


def on_interpreter(python: str, folder: Path) -> Outcome:
    """On a Python of this machine."""
    path = [str(_packages(folder)), str(_site_of(python))]
    return Outcome.read(
        _run([python, "-m", "pytest", *_ARGUMENTS], PYTHONPATH=os.pathsep.join(path))
    )


def find(version: str) -> str | None:
    """An interpreter of this machine, also one of pyenv that is not on the path."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [shutil.which(f"python{version}"), *sorted(pyenv.glob(f"{version}.*/bin/python"))]
    return next((str(python) for python in found if python and _is(str(python), version)), None)


def _is(python: str, version: str) -> bool:
    """It may be pyenv's stand-in for one that is not chosen here."""
    asked = _run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
    return asked.stdout.strip() == version


def _run(command: Sequence[str], **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": _PATH, "PYTHONUTF8": "1", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def _packages(folder: Path) -> Path:
    """All functions' packages in one folder: what two of them have is the same."""
    for function in FUNCTIONS:
        unpack(code(function), folder)
    return folder


def _webassembly_site() -> Path:
    told = json.loads((PYODIDE / "pyodide-lock.json").read_text(encoding="utf-8"))["info"]
    version = ".".join(told["python"].split(".")[:2])
    if version != PYTHON_VERSION:
        raise RuntimeMissingError(f"pyodide is Python {version}, Lambda's is {PYTHON_VERSION}")
    platform = f"pyemscripten_{told['abi_version']}_wasm32"
    wanted = ["--platform", platform, "--python-version", version, "--implementation", "cp"]
    return _site(platform, [sys.executable, "-m", "pip"], wanted)


def _site_of(python: str) -> Path:
    about = _run([python, "-VV"]).stdout
    name = hashlib.sha256(f"{python} {about}".encode()).hexdigest()[:16]
    return _site(name, [sys.executable, "-m", "pip", "--python", python], [])


def _site(name: str, pip: Sequence[str], wanted: Sequence[str]) -> Path:
    """A folder with what is locked, for one Python."""

    def install(target: Path) -> None:
        done = subprocess.run(
            [
                *(*pip, "install", "--quiet", "--disable-pip-version-check", "--no-deps"),
                *("--only-binary", ":all:", "--target", str(target), *wanted),
                *("--require-hashes", "--requirement", str(LOCK)),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeMissingError(f"what {LOCK.name} locks cannot be had:\n{done.stderr}")

    key = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    return once(BUILD / "runtimes" / f"{name}-{key}", install)


SECOND = "3.13"
"""The Python before Lambda's, which more machines have."""

if __name__ == "__main__":
    _webassembly_site()
    if second := find(SECOND):
        _site_of(second)
