"""What many tests stand on is made once, by whoever needs it first, and its failure told once.

A fixture that cannot be made raises `SetUpError`. The first test that needs it reports the text;
the others are skipped, in every worker, so that one cause is one error.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


class SetUpError(Exception):
    """What tests stand on could not be made.

    Attributes:
        place: where it should have been; a file beside it says that the reason was told.
        reason: all that there is to tell, without a traceback.
    """

    def __init__(self, place: Path, reason: str) -> None:
        super().__init__(reason)
        self.place = place
        self.reason = reason


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Nobody else, in whatever process or thread, is in such a block of this file."""
    with file.open("w", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def made_once(folder: Path, make: Callable[[Path], str]) -> Path:
    """A folder that all workers share, made by the first that asks; the others wait.

    Args:
        make: fills the folder; answers what went wrong, or nothing.

    Raises:
        SetUpError: `make` said what went wrong, now or to whom asked before.
    """
    outcome = folder.with_suffix(".json")
    with locked(folder.with_suffix(".lock")):
        if not outcome.exists():
            folder.mkdir()
            outcome.write_text(json.dumps(make(folder)))
    if reason := json.loads(outcome.read_text()):
        raise SetUpError(folder, reason)
    return folder


def shared_folder(config: pytest.Config, factory: pytest.TempPathFactory) -> Path:
    """A folder of this run that all its workers see."""
    base = factory.getbasetemp()
    return base.parent if hasattr(config, "workerinput") else base


def tell_once(report: pytest.TestReport, error: SetUpError) -> None:
    """Have the first report of an error tell its reason, and all others be of a skipped test."""
    try:
        error.place.with_suffix(".told").touch(exist_ok=False)
    except FileExistsError:
        report.outcome = "skipped"
        # Of one place, so that pytest sums them up in a line.
        reason = f"needs the {error.place.name}, which failed: told once, as an error"
        report.longrepr = (__file__, 0, reason)
    else:
        report.longrepr = error.reason
