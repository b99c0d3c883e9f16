"""The functions' packages, as Lambda gets them."""

from __future__ import annotations

import zipfile
from pathlib import Path

from building_blocks.bundle import FunctionCode

FUNCTIONS = {
    "payment_validator": ("payments",),
    "payment_processor": ("payments", "ledger"),
    "audit_logger": ("payments",),
    "ledger_reader": ("payments", "ledger"),
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
