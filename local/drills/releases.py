"""What a drill deploys: PaymentsProd of this checkout, with a fault or a change."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from local.deployment import PROJECT

_NONE: Mapping[str, str] = MappingProxyType({})

LAYERS: Final = ("Network", "Data", "Compute", "Observability")

IN_FIRST_DEPLOYMENTS: Final = (*LAYERS, "Seal", "AfterSeal")
"""The faults (local.drills.app.FAULTS) that first deployments are tried with."""

# What a changed release shares with this checkout, and what it does without.
_LINKED = (".build", ".venv", "node_modules")
_LEFT_OUT = shutil.ignore_patterns(
    *_LINKED, ".*", "__pycache__", "cdk.out", "docs", "snapshots", "tests"
)


@dataclass(frozen=True, kw_only=True)
class Release:
    """A release of PaymentsProd.

    Attributes:
        name: names its cloud assembly.
        fault: of local.drills.app.FAULTS.
        context: settings of config.py.
        additions: what is written at the end of a file of the sources, which may be new; by the
            file's path in the project.
    """

    name: str
    fault: str = "none"
    context: Mapping[str, str] = field(default_factory=lambda: _NONE)
    additions: Mapping[str, str] = field(default_factory=lambda: _NONE)

    def sources(self, directory: Path) -> Path:
        """The folder to synthesize in: this checkout or, if files differ, a copy in `directory`."""
        if not self.additions:
            return PROJECT
        copy = directory / f"sources-{self.name}"
        shutil.copytree(PROJECT, copy, ignore=_LEFT_OUT)
        for name in _LINKED:
            os.symlink(PROJECT / name, copy / name)
        for path, text in self.additions.items():
            with (copy / path).open("a", encoding="utf-8") as file:
                file.write(text)
        return copy


def failing(fault: str) -> Release:
    """The release as it is, but for the fault."""
    return Release(name=f"fails-{fault.lower()}", fault=fault)


GOOD = Release(name="good")
"""The checkout as it is."""

RESTORED = Release(name="database-restored", context={"database_restored_at": "2026-01-31T09:00Z"})
"""After its database was restored under its name."""

QUICKER = Release(name="quicker", context={"approval_validity_seconds": "300"})
"""An update that succeeds."""
