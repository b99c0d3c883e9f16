"""The five templates, as last reviewed.

A change shows up as a readable diff of ``snapshots/*.json``; accept it with ``make snapshots``.
What differs from machine to machine or with every line of function code (the hashes that name
uploaded files and published versions) is masked.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation
from syrupy.types import SerializableData

from tests.synthesis import LAYERS, ROOT, Synthesized

_ASSET = re.compile(r"\b[0-9a-f]{64}\.(json|zip)\b")
_VERSION = re.compile(r"(FunctionCurrentVersion[0-9A-F]{8})[0-9a-f]{32}\b")


class TemplateSnapshot(SingleFileSnapshotExtension):
    """One JSON file a template, in ``snapshots/`` at the top level."""

    _write_mode = WriteMode.TEXT
    file_extension = "json"

    def serialize(self, data: SerializableData, **_: Any) -> str:
        text = json.dumps(data, indent=2, ensure_ascii=False)
        text = _VERSION.sub(r"\1<content hash>", text)
        return _ASSET.sub(r"<content hash>.\1", text) + "\n"

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        return str(ROOT / "snapshots")

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: Any = 0) -> str:
        return str(index)


@pytest.mark.filterwarnings("ignore:.*Can not relate snapshot:UserWarning")
@pytest.mark.parametrize("layer", ["root", *LAYERS])
def test_template_is_as_last_reviewed(
    synthesized: Synthesized, snapshot: SnapshotAssertion, layer: str
) -> None:
    templates = snapshot.use_extension(TemplateSnapshot)
    made = synthesized.templates()[layer]
    assert made == templates(name=layer), "run `make snapshots`, and review the diff"


def test_snapshots_hold_no_content_hash_and_no_path_of_a_machine() -> None:
    for file in Path(ROOT, "snapshots").glob("*.json"):
        text = file.read_text()
        assert not _ASSET.search(text)
        assert not _VERSION.search(text)
        assert str(ROOT) not in text
