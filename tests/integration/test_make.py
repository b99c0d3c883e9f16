"""`make` sets up in checkouts, and for users, that are not as usual; tried without installing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.environment import PROJECT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")

# What each tool of the set-up would do; it only tells.
TOOL = """#!/bin/sh
echo "$(basename "$0") $* HOME=$HOME PIP_USER=$PIP_USER TARGET=$PIP_TARGET" \
    "CACHE=$NPM_CONFIG_CACHE CDK=$CDK_HOME" >> "$LOG"
"""


def script(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """One that is set up, as far as make can tell: its commands are of no use."""
    folder = tmp_path / "checkout"
    sources = [PROJECT / name for name in ("Makefile", "package.json", "package-lock.json")]
    sources += [*PROJECT.glob("requirements*.txt"), PROJECT / "building_blocks" / "bundle.py"]
    for source in [*sources, *(PROJECT / "lambda_code").glob("*/requirements.*")]:
        target = folder / source.relative_to(PROJECT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    commands = folder / ".venv" / "bin"
    script(commands / "pip", f"#!{commands}/python\n")
    (commands / "python").symlink_to(sys.executable)
    for place in (".venv", "node_modules", ".build"):
        (folder / place).mkdir(exist_ok=True)
        (folder / place / ".ready").touch()
    return folder


def make(
    folder: Path, *arguments: str, home: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    inherited = {"PATH": os.environ["PATH"]} | ({"HOME": str(home)} if home else {})
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env={**inherited, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_set_up_is_not_set_up_again(checkout: Path) -> None:
    done = make(checkout, "--dry-run", "setup")
    assert (done.returncode, done.stderr) == (0, "")
    assert "venv" not in done.stdout


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_checkout_that_was_moved_or_copied_is_set_up_anew(checkout: Path, how: str) -> None:
    elsewhere = checkout.parent / "elsewhere"
    if how == "moved":
        checkout.rename(elsewhere)
    else:
        shutil.copytree(checkout, elsewhere, symlinks=True)
    done = make(elsewhere, "--dry-run", "setup")
    assert "rm -rf .venv; echo" in done.stdout
    assert "-m venv .venv" in done.stdout
    assert "npm ci" in done.stdout


def test_packages_for_a_python_that_is_gone_are_set_up_anew(checkout: Path) -> None:
    python = checkout / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    assert "rm -rf .venv; echo" in make(checkout, "--dry-run", "setup").stdout


def test_a_link_to_the_packages_of_another_checkout_is_left_alone(checkout: Path) -> None:
    other = checkout.parent / "other"
    shutil.copytree(checkout, other, symlinks=True)
    shutil.rmtree(other / ".venv")
    (other / ".venv").symlink_to(checkout / ".venv")
    assert "rm -rf" not in make(other, "--dry-run", "setup").stdout


@pytest.fixture
def telling(checkout: Path) -> Path:
    """One that is to be set up, with tools that only tell."""
    shutil.rmtree(checkout / ".venv")
    (checkout / ".venv").mkdir()
    for name in ("npm", "python", "python3"):
        script(checkout / "tools" / name, TOOL)
    return checkout


def set_up(checkout: Path, home: Path | None, **variables: str) -> str:
    """What the tools told."""
    log = checkout / "log"
    path = f"{checkout / 'tools'}:{os.environ['PATH']}"
    done = make(checkout, "setup", home=home, PATH=path, LOG=str(log), **variables)
    assert done.returncode == 0, done.stderr
    return log.read_text(encoding="utf-8")


def test_settings_for_other_projects_do_not_matter(telling: Path, tmp_path: Path) -> None:
    log = set_up(
        telling,
        tmp_path,
        NODE_ENV="production",
        NPM_CONFIG_OMIT="dev",
        PIP_USER="1",
        PIP_TARGET=str(tmp_path / "elsewhere"),
    )
    assert "npm ci --include=dev" in log
    assert "pip install" in log
    assert "PIP_USER=1" not in log
    assert "elsewhere" not in log
    assert f"HOME={tmp_path} " in log
    assert "CACHE= CDK=\n" in log


@pytest.mark.parametrize("home", ["none", "gone"])
def test_without_a_home_what_is_kept_goes_into_the_checkout(telling: Path, home: str) -> None:
    log = set_up(telling, telling / "gone" if home == "gone" else None)
    cache = telling / ".build" / "cache"
    assert f"HOME={cache}/home " in log
    assert f"CACHE={cache}/npm CDK={cache}/cdk" in log


def test_a_home_that_cannot_be_written_to_still_has_its_settings(telling: Path) -> None:
    home = telling / "home"
    home.mkdir()
    home.chmod(0o500)
    if os.access(home, os.W_OK):
        home = Path("/proc/self")  # where not even root writes
    if os.access(home, os.W_OK):
        pytest.skip("this user may write everywhere")
    log = set_up(telling, home)
    assert f"HOME={home} " in log
    assert f"CACHE={telling}/.build/cache/npm" in log


def test_settings_of_pip_that_lead_elsewhere_are_told(checkout: Path, tmp_path: Path) -> None:
    settings = tmp_path / "pip.conf"
    settings.write_text("[install]\ntarget = /elsewhere\n", encoding="utf-8")
    shutil.rmtree(checkout / ".venv")
    script(
        checkout / "tools" / "python",
        f'#!/bin/sh\n[ "$2" = venv ] && exit 0\nexec {sys.executable} "$@"\n',
    )
    path = f"{checkout / 'tools'}:{os.environ['PATH']}"
    variables = {"PATH": path, "PIP_CONFIG_FILE": str(settings)}
    done = make(checkout, ".venv/.ready", "PYTHON=python", home=tmp_path, **variables)
    assert done.returncode == 2
    assert "install.target='/elsewhere'" in done.stdout
    assert "PIP_CONFIG_FILE=/dev/null make setup" in done.stdout
