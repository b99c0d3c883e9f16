"""pip installs for a function what was locked with its hash, and nothing else."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from building_blocks import bundle
from building_blocks.bundle import BundleError, FunctionCode


@pytest.fixture
def dependency(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A wheel that pip finds, and nothing else: the function's folder, and the wheel's hash."""
    wheels, package = tmp_path / "wheels", tmp_path / "one_function"
    wheels.mkdir()
    package.mkdir()
    (package / "handler.py").write_text("def handle(event, context): ...\n")
    wheel = wheels / "ours-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        info = "ours-1.0.dist-info"
        archive.writestr("ours.py", "")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setattr(bundle, "ROOT", tmp_path)
    monkeypatch.setattr(bundle, "SOURCES", tmp_path)
    monkeypatch.setattr(bundle, "BUILD", tmp_path / "build")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    yield package, hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert not list((tmp_path / "build" / "dependencies").glob("*.*"))  # nothing half done is left


def test_dependency_with_its_locked_hash_is_installed(dependency: tuple[Path, str]) -> None:
    package, digest = dependency
    (package / "requirements.txt").write_text(f"ours==1.0 --hash=sha256:{digest}\n")
    assert (FunctionCode(package="one_function").build() / "ours.py").is_file()


def test_dependency_with_another_hash_is_refused(dependency: tuple[Path, str]) -> None:
    package, digest = dependency
    (package / "requirements.txt").write_text(f"ours==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(BundleError, match=rf"(?s)not the one that was locked.*{digest}"):
        FunctionCode(package="one_function").build()


def test_dependency_without_a_hash_is_refused(dependency: tuple[Path, str]) -> None:
    package, _ = dependency
    (package / "requirements.txt").write_text("ours==1.0\n")
    with pytest.raises(BundleError, match=r"has no hash; run `make lock`"):
        FunctionCode(package="one_function").build()


def test_dependency_that_cannot_be_had_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "one_function"
    package.mkdir()
    locked = f"no-such-package-of-ours==1.0 --hash=sha256:{'0' * 64}\n"
    (package / "requirements.txt").write_text(locked)
    monkeypatch.setattr(bundle, "ROOT", tmp_path)
    monkeypatch.setattr(bundle, "SOURCES", tmp_path)
    monkeypatch.setattr(bundle, "BUILD", tmp_path / "build")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(BundleError, match=r"(?s)one_function/requirements.txt.*make setup"):
        FunctionCode(package="one_function").build()
    assert not list((tmp_path / "build" / "dependencies").iterdir())
