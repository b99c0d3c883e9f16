"""Whoever makes the templates makes the same."""

from __future__ import annotations

import shutil
from pathlib import Path

from building_blocks import bundle
from tests.packages import FUNCTIONS, interpreter
from tests.synthesis import ROOT, synthesize


def test_two_checkouts_make_the_same_templates(tmp_path: Path) -> None:
    """The other has another path, an interpreter elsewhere, other ends of lines, comments in its
    requirements, and has fetched what it packs itself."""
    checkout = tmp_path / "another checkout"
    left_out = shutil.ignore_patterns(".*", "__pycache__", "node_modules", "cdk.out", "tests")
    shutil.copytree(ROOT, checkout, ignore=left_out)
    (checkout / "node_modules").symlink_to(ROOT / "node_modules")
    for file in [*(checkout / "lambda_code").rglob("*.*"), *checkout.glob("*.*")]:
        if file.is_file() and file.suffix != ".html":
            comment = b"# Why this is here.\n" if file.name.startswith("requirements") else b""
            file.write_bytes((comment + file.read_bytes()).replace(b"\n", b"\r\n"))
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    assert synthesize(ours) == ""
    assert not synthesize(
        theirs,
        checkout,
        interpreter(tmp_path / "venv"),
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS=" ".join(str(folder) for folder in (bundle.BUILD / "wheels").iterdir()),
    )
    assert len(list(ours.glob("*.zip"))) == len(FUNCTIONS)
    assert len(list(ours.glob("*.template.json"))) == 5
    for file in [*ours.glob("*.zip"), *ours.glob("*.template.json")]:
        assert (theirs / file.name).read_bytes() == file.read_bytes(), file.name
