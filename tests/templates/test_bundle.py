"""The functions' packages hold what the functions need, and are the same wherever they are made."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import boto3
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from building_blocks import bundle
from building_blocks.bundle import PYTHON_VERSION, SOURCES, FunctionCode
from nested.data import ledger_schema
from tests.synthesis import Synthesized

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

# Imports a handler as Lambda does: from its package, with the runtime's boto3 and nothing else.
IMPORT_ALONE = """
import importlib, importlib.machinery, sys
package, runtime, module = sys.argv[1:]
FROM_RUNTIME = {"boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3"}
class Runtime:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in FROM_RUNTIME:
            return importlib.machinery.PathFinder.find_spec(name, path or [runtime])
sys.path.insert(0, package)
sys.meta_path.append(Runtime)
assert callable(importlib.import_module(module).handle)
"""


@pytest.fixture(params=sorted(FUNCTIONS), scope="module")
def code(request: pytest.FixtureRequest) -> FunctionCode:
    return FunctionCode(package=request.param, shared_packages=FUNCTIONS[request.param])


@pytest.fixture(scope="module")
def built(code: FunctionCode) -> Path:
    return code.build()


def test_handler_can_be_imported_from_its_package_alone(code: FunctionCode, built: Path) -> None:
    module, _, function = code.handler.rpartition(".")
    assert function == "handle"
    done = subprocess.run(
        [
            *(sys.executable, "-I", "-S", "-B", "-c", IMPORT_ALONE),
            *(str(built), str(Path(boto3.__file__).parents[1]), module),
        ],
        env={"AWS_DEFAULT_REGION": "us-east-1", "LAMBDA_TASK_ROOT": str(built)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_package_is_pure_python_so_that_every_platform_runs_the_same(built: Path) -> None:
    compiled = [str(file) for file in built.rglob("*.so*")]
    assert not compiled


def test_package_names_no_path_of_the_machine_that_built_it(built: Path) -> None:
    for file in built.rglob("*"):
        assert file.suffix != ".pyc"
        if file.is_file() and file.suffix in {".txt", ".json", "", ".py"}:
            assert str(bundle.ROOT).encode() not in file.read_bytes(), file


def test_same_sources_make_the_same_package(code: FunctionCode) -> None:
    assert code.build() == code.build()


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The source of the one function that there is."""
    package = tmp_path / "one_function"
    package.mkdir()
    (package / "requirements.txt").write_text("")
    monkeypatch.setattr(bundle, "SOURCES", tmp_path)
    monkeypatch.setattr(bundle, "BUILD", tmp_path / "build")
    handler = package / "handler.py"
    handler.write_text("def handle(event, context): ...\n")
    return handler


def test_changed_source_makes_another_package(handler: Path) -> None:
    code = FunctionCode(package="one_function")
    first = code.build()
    handler.write_text("def handle(event, context): return 1\n", encoding="utf-8")
    second = code.build()
    assert first != second
    assert (second / "one_function" / "handler.py").read_text() == handler.read_text(
        encoding="utf-8"
    )
    assert code.archive().parent.name == second.name


def test_a_checkout_with_other_ends_of_lines_makes_the_same_package(
    code: FunctionCode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(SOURCES, checkout, ignore=shutil.ignore_patterns("__pycache__"))
    for file in checkout.rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    expected = code.archive()
    fetched = tmp_path / "build"
    fetched.mkdir()
    for part in [bundle.BUILD / "dependencies", *bundle.BUILD.glob("rds-ca-*")]:
        (fetched / part.name).symlink_to(part)
    with monkeypatch.context() as patched:
        patched.setattr(bundle, "SOURCES", checkout)
        patched.setattr(bundle, "BUILD", fetched)
        other = code.archive()
    assert other.parent.name == expected.parent.name
    assert other.read_bytes() == expected.read_bytes()


def test_migrations_are_no_others_in_a_checkout_with_other_ends_of_lines(tmp_path: Path) -> None:
    for file in ledger_schema.MIGRATIONS.glob("*.sql"):
        other = tmp_path / file.name
        other.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
        assert ledger_schema._fingerprint(other) == ledger_schema._fingerprint(file)


def test_git_gives_every_checkout_the_ends_of_lines_of_the_repository(tmp_path: Path) -> None:
    shutil.copy(bundle.ROOT / ".gitattributes", tmp_path)
    text, picture = tmp_path / "0001_it.sql", tmp_path / "picture.png"
    text.write_bytes(b"SELECT 1\r\n")
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")

    def git(*arguments: str) -> bytes:
        return subprocess.run(
            ["git", "-c", "core.autocrlf=true", "-c", "core.eol=crlf", *arguments],
            cwd=tmp_path,
            env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
            capture_output=True,
            check=True,
        ).stdout

    git("init", "--quiet")
    git("add", ".")
    assert git("show", f":{text.name}") == b"SELECT 1\n"
    text.unlink()
    picture.unlink()
    git("checkout-index", "--all", "--force")
    assert text.read_bytes() == b"SELECT 1\n"
    assert picture.read_bytes() == b"\x89PNG\r\n\x1a\n"


def test_archive_does_not_tell_when_and_with_which_rights_it_was_made(
    handler: Path,
) -> None:
    code = FunctionCode(package="one_function")
    archive = code.archive()
    first = archive.read_bytes()
    for made in (archive.parent, code.build()):
        shutil.rmtree(made)
    os.utime(handler, (0, 1_000_000_000))
    handler.chmod(0o600)
    assert code.archive() == archive
    assert archive.read_bytes() == first


# --- What is locked (docs/supply-chain.md) ---

PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


def _pins(file: Path) -> dict[str, str]:
    return dict(PIN.findall(file.read_text(encoding="utf-8")))


def _installed(built: Path) -> list[metadata.PathDistribution]:
    return [metadata.PathDistribution(info) for info in sorted(built.glob("*.dist-info"))]


def test_everything_installed_is_locked_with_a_hash(code: FunctionCode, built: Path) -> None:
    lock = SOURCES / code.package / "requirements.txt"
    installed = {canonicalize_name(found.name): found.version for found in _installed(built)}
    assert installed == _pins(lock)
    for requirement in lock.read_text().replace("\\\n", " ").splitlines():
        assert requirement.startswith("#") or " --hash=sha256:" in requirement, requirement


def test_everything_that_a_dependency_needs_is_locked(code: FunctionCode, built: Path) -> None:
    lambda_ = {"python_version": PYTHON_VERSION, "sys_platform": "linux", "extra": ""}
    needed = {
        canonicalize_name(requirement.name)
        for found in _installed(built)
        for requirement in map(Requirement, found.requires or ())
        if requirement.marker is None or requirement.marker.evaluate(lambda_)
    }
    assert needed <= set(_pins(SOURCES / code.package / "requirements.txt"))


def test_the_lock_is_of_what_people_wrote_and_names_no_index(code: FunctionCode) -> None:
    lock = SOURCES / code.package / "requirements.txt"
    assert _pins(lock) == _pins(lock.with_suffix(".in"))
    assert not [line for line in lock.read_text().splitlines() if "index" in line or "://" in line]


def test_what_ships_is_told_in_the_documentation() -> None:
    text = (bundle.ROOT / "docs" / "supply-chain.md").read_text()
    told = re.findall(r"^\| ([a-z0-9-]+) \| (\d\S*) \|", text, re.MULTILINE)
    locked = [_pins(SOURCES / name / "requirements.txt").items() for name in FUNCTIONS]
    assert len(told) == len(set(told))
    assert set(told) == {pin for pins in locked for pin in pins}


def test_ledgers_clients_trust_the_authorities_of_rds_in_us_east_1_only() -> None:
    built = FunctionCode(
        package="payment_processor", shared_packages=FUNCTIONS["payment_processor"]
    ).build()
    context = ssl.create_default_context(cafile=str(built / "rds-ca.pem"))
    subjects = [str(authority["subject"]) for authority in context.get_ca_certs()]
    assert len(subjects) == 3
    assert all("Amazon RDS us-east-1 Root CA" in subject for subject in subjects)


def test_deployed_code_is_the_built_package(synthesized: Synthesized) -> None:
    deployed = []
    for asset in synthesized.folder.glob("asset.*.zip"):
        with zipfile.ZipFile(asset) as archive:
            content = {name: archive.read(name) for name in archive.namelist()}
        (name,) = (name for name in FUNCTIONS if f"{name}/handler.py" in content)
        built = FunctionCode(package=name, shared_packages=FUNCTIONS[name]).build()
        assert content == {
            str(file.relative_to(built)): file.read_bytes()
            for file in built.rglob("*")
            if file.is_file()
        }
        deployed.append(name)
    assert sorted(deployed) == sorted(FUNCTIONS)
