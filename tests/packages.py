"""The functions' packages, as Lambda gets them."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

from building_blocks.bundle import FunctionCode

FUNCTIONS = {
    "payment_validator": ("payments",),
    "payment_processor": ("payments", "ledger"),
    "audit_logger": ("payments", "audit_trail"),
    "ledger_reader": ("payments", "ledger"),
    "reconciliation": ("payments", "audit_trail"),
    "ledger_schema": ("ledger", "custom_resource"),
    "default_security_group": ("custom_resource",),
    "production_seal": ("custom_resource",),
    "termination_protection": ("custom_resource",),
    "shared_log_groups": ("custom_resource",),
    "release_test": (),
}


def code(package: str) -> FunctionCode:
    return FunctionCode(package=package, shared_packages=FUNCTIONS[package])


def unpack(function: FunctionCode, folder: Path) -> Path:
    """Unpack a package as Lambda does."""
    with zipfile.ZipFile(function.archive()) as archive:
        archive.extractall(folder)
    return folder


def interpreter(folder: Path) -> str:
    """This Python, with the packages that it has here, in a virtual environment elsewhere."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    (folder / "lib").symlink_to(Path(sys.prefix) / "lib")
    (folder / "pyvenv.cfg").write_text(f"home = {sys.base_prefix}/bin\n")
    return str(folder / "bin" / "python")
