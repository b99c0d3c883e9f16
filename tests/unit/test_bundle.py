"""The functions' packages hold what the functions need, and are the same wherever they are made."""

from __future__ import annotations

import ssl
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from building_blocks import bundle
from building_blocks.bundle import SOURCES, BundleError, FunctionCode
from tests.unit.conftest import Synthesized

FUNCTIONS = {
    "payment_validator": ("payments",),
    "payment_processor": ("payments", "ledger"),
    "audit_logger": ("payments",),
    "ledger_schema": ("ledger", "custom_resource"),
    "default_security_group": ("custom_resource",),
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


@pytest.fixture(params=sorted(FUNCTIONS))
def code(request: pytest.FixtureRequest) -> FunctionCode:
    return FunctionCode(package=request.param, shared_packages=FUNCTIONS[request.param])


def test_handler_can_be_imported_from_its_package_alone(code: FunctionCode) -> None:
    module, _, function = code.handler.rpartition(".")
    assert function == "handle"
    done = subprocess.run(
        [
            *(sys.executable, "-I", "-S", "-B", "-c", IMPORT_ALONE),
            *(str(code.build()), str(Path(boto3.__file__).parents[1]), module),
        ],
        env={"AWS_DEFAULT_REGION": "us-east-1", "LAMBDA_TASK_ROOT": str(code.build())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_package_is_pure_python_so_that_every_platform_runs_the_same(code: FunctionCode) -> None:
    compiled = [str(file) for file in code.build().rglob("*.so*")]
    assert not compiled


def test_package_names_no_path_of_the_machine_that_built_it(code: FunctionCode) -> None:
    built = code.build()
    for file in built.rglob("*"):
        assert file.suffix != ".pyc"
        if file.is_file() and file.suffix in {".txt", ".json", "", ".py"}:
            assert str(bundle.ROOT).encode() not in file.read_bytes(), file


def test_same_sources_make_the_same_package(code: FunctionCode) -> None:
    assert code.build() == code.build()


def test_changed_source_makes_another_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "one_function"
    package.mkdir()
    (package / "requirements.txt").write_text("")
    handler = package / "handler.py"
    monkeypatch.setattr(bundle, "SOURCES", tmp_path)
    monkeypatch.setattr(bundle, "BUILD", tmp_path / "build")
    code = FunctionCode(package="one_function")
    handler.write_text("def handle(event, context): ...\n")
    first = code.build()
    handler.write_text("def handle(event, context): return 1\n")
    second = code.build()
    assert first != second
    assert (second / "one_function" / "handler.py").read_text() == handler.read_text()


def test_dependency_that_cannot_be_had_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "one_function"
    package.mkdir()
    (package / "requirements.txt").write_text("no-such-package-of-ours==1.0\n")
    monkeypatch.setattr(bundle, "ROOT", tmp_path)
    monkeypatch.setattr(bundle, "SOURCES", tmp_path)
    monkeypatch.setattr(bundle, "BUILD", tmp_path / "build")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(BundleError, match=r"(?s)one_function/requirements.txt.*make setup"):
        FunctionCode(package="one_function").build()
    assert not list((tmp_path / "build" / "dependencies").iterdir())


def test_ledgers_clients_trust_the_authorities_of_rds_in_us_east_1_only() -> None:
    built = FunctionCode(
        package="payment_processor", shared_packages=FUNCTIONS["payment_processor"]
    ).build()
    context = ssl.create_default_context(cafile=str(built / "rds-ca.pem"))
    subjects = [str(authority["subject"]) for authority in context.get_ca_certs()]
    assert len(subjects) == 3
    assert all("Amazon RDS us-east-1 Root CA" in subject for subject in subjects)


def test_deployed_code_is_the_built_package(synthesized: Synthesized) -> None:
    folders = {
        folder.name
        for asset in synthesized.folder.glob("asset.*")
        for folder in asset.iterdir()
        if (SOURCES / folder.name / "handler.py").is_file()
    }
    assert folders == set(FUNCTIONS)
