"""A function gets what was locked with its hash, and nothing else: the same wherever it is made."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from building_blocks import bundle
from building_blocks.bundle import BundleError, FunctionCode
from tests.packages import interpreter


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
        # Where it is installed, its first line and the list of files name the interpreter.
        script = "ours-1.0.data/scripts/ours"
        archive.writestr(script, "#!python\n")
        archive.writestr(f"{info}/RECORD", f"{script},sha256=as-it-was,9\n")
    monkeypatch.setattr(bundle, "ROOT", tmp_path)
    monkeypatch.setattr(bundle, "SOURCES", tmp_path)
    monkeypatch.setattr(bundle, "BUILD", tmp_path / "build")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    yield package, hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert not list((tmp_path / "build" / "wheels").glob("*.*"))  # nothing half done is left


def test_dependency_with_its_locked_hash_is_installed(dependency: tuple[Path, str]) -> None:
    package, digest = dependency
    (package / "requirements.txt").write_text(f"ours==1.0 --hash=sha256:{digest}\n")
    with zipfile.ZipFile(FunctionCode(package="one_function").archive()) as archive:
        assert "ours.py" in archive.namelist()


def test_a_longer_lock_makes_the_same_package(dependency: tuple[Path, str]) -> None:
    package, digest = dependency
    lock, code = package / "requirements.txt", FunctionCode(package="one_function")
    lock.write_text(f"ours==1.0 --hash=sha256:{digest}\n")
    shorter = code.archive()
    lock.write_text(f"ours==1.0 \\\n    --hash=sha256:{digest} \\\n    --hash=sha256:{'0' * 64}\n")
    assert code.archive() == shorter


def test_an_interpreter_elsewhere_makes_the_same_package(
    dependency: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, digest = dependency
    (package / "requirements.txt").write_text(f"ours==1.0 --hash=sha256:{digest}\n")
    code = FunctionCode(package="one_function")
    expected = code.archive()
    monkeypatch.setattr(bundle, "BUILD", tmp_path / "other" / "build")
    monkeypatch.setattr(sys, "executable", interpreter(tmp_path / "a longer path" / "of another"))
    other = code.archive()
    assert other != expected
    assert other.parent.name == expected.parent.name
    assert other.read_bytes() == expected.read_bytes()


def test_dependency_with_another_hash_is_refused(dependency: tuple[Path, str]) -> None:
    package, digest = dependency
    (package / "requirements.txt").write_text(f"ours==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(BundleError, match=rf"(?s)not the one that was locked.*{digest}"):
        FunctionCode(package="one_function").archive()


def test_dependency_without_a_hash_is_refused(dependency: tuple[Path, str]) -> None:
    package, _ = dependency
    (package / "requirements.txt").write_text("ours==1.0\n")
    with pytest.raises(BundleError, match=r"has no hash; run `make lock`"):
        FunctionCode(package="one_function").archive()


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
        FunctionCode(package="one_function").archive()
    assert not list((tmp_path / "build" / "wheels").iterdir())
