"""The functions' tests on the Python that Lambda has, with the packages that Lambda gets.

What it proves, and what it does not: docs/local.md.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from building_blocks.bundle import PYTHON_VERSION
from tests import runtimes
from tests.acceptance.conftest import Tell


@pytest.fixture(scope="module")
def expected() -> dict[str, int]:
    """How many tests there are that need no operating system, and how many others."""
    collected = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "tests/functions", "--collect-only", "--quiet"),
            *runtimes.WITHOUT_AN_OPERATING_SYSTEM,
        ],
        cwd=runtimes.ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.search(r"(\d+)/\d+ tests collected \((\d+) deselected\)", collected)
    assert found, collected
    return {"passed": int(found[1]), "deselected": int(found[2])}


def test_functions_pass_their_tests_on_lambdas_python(
    tmp_path: Path, expected: dict[str, int], tell: Tell
) -> None:
    outcome = runtimes.on_webassembly(tmp_path)
    tell(f"{outcome.python}: {_in_words(outcome.counts)}; these need threads or processes")
    assert outcome.python.startswith(f"emscripten Python {PYTHON_VERSION}."), outcome.output
    assert (outcome.code, outcome.counts) == (0, expected), outcome.output


def test_functions_pass_their_tests_on_the_python_before_it(
    tmp_path: Path, expected: dict[str, int], tell: Tell
) -> None:
    python = runtimes.find(runtimes.SECOND)
    if python is None:
        pytest.skip(f"this machine has no Python {runtimes.SECOND}")
    outcome = runtimes.on_interpreter(python, tmp_path)
    tell(f"{outcome.python}: {_in_words(outcome.counts)}")
    assert f"Python {runtimes.SECOND}." in outcome.python, outcome.output
    assert (outcome.code, outcome.counts) == (0, {"passed": sum(expected.values())}), outcome.output


def _in_words(counts: dict[str, int]) -> str:
    named = {"passed": "passed", "deselected": "left out"}
    return ", ".join(f"{number} {named.get(name, name)}" for name, number in counts.items())
