"""What the tests stand on: made once, and its failure told once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.set_up import SetUpError, made_once, tell_once


def test_whoever_comes_first_makes_it_and_the_others_wait(tmp_path: Path) -> None:
    made = []

    def make(folder: Path) -> str:
        made.append(folder)
        return ""

    with ThreadPoolExecutor(8) as workers:
        asked = [workers.submit(made_once, tmp_path / "thing", make) for _ in range(8)]
    assert {each.result() for each in asked} == {tmp_path / "thing"} == set(made)
    assert len(made) == 1


def test_a_failure_is_one_error_and_all_other_tests_are_skipped(tmp_path: Path) -> None:
    reports: list[Any] = []
    for _ in range(3):
        with pytest.raises(SetUpError) as failure:
            made_once(tmp_path / "thing", lambda _: "it broke")
        reports.append(SimpleNamespace(outcome="failed", longrepr="a traceback"))
        tell_once(reports[-1], failure.value)
    assert [report.outcome for report in reports] == ["failed", "skipped", "skipped"]
    assert reports[0].longrepr == "it broke"
    assert "needs the thing" in reports[1].longrepr[2]
