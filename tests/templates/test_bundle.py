"""The functions' packages hold what the functions need, and are the same wherever they are made."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import ssl
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.loaders import Loader
from botocore.session import Session
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from building_blocks import bundle
from building_blocks.bundle import PYTHON_VERSION, SOURCES, FunctionCode
from building_blocks.sdk_models import sdk_models
from nested.data import ledger_schema
from tests import packages
from tests.packages import FUNCTIONS, unpack
from tests.synthesis import Synthesized

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
    return packages.code(request.param)


@pytest.fixture(scope="module")
def built(code: FunctionCode, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(code, tmp_path_factory.mktemp(code.package))


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


def test_package_holds_nothing_of_the_machine_that_built_it(built: Path) -> None:
    for file in built.rglob("*"):
        assert file.suffix != ".pyc"
        assert file.name not in {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
        if file.is_file():
            assert str(bundle.ROOT).encode() not in file.read_bytes(), file
    assert not {"bin", "Scripts"} & {file.name for file in built.iterdir()}


def test_libraries_find_their_version_and_people_their_licences(built: Path) -> None:
    for info in built.glob("*.dist-info"):
        assert metadata.PathDistribution(info).version
        assert list(info.rglob("LICENSE*")), info


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


def test_changed_source_makes_another_package(handler: Path, tmp_path: Path) -> None:
    code = FunctionCode(package="one_function")
    first = code.archive()
    handler.write_text("def handle(event, context): return 1\n", encoding="utf-8")
    second = code.archive()
    assert first.parent.name != second.parent.name
    unpacked = unpack(code, tmp_path / "unpacked") / "one_function" / "handler.py"
    assert unpacked.read_text(encoding="utf-8") == handler.read_text(encoding="utf-8")


def test_package_is_named_by_the_hash_of_exactly_what_is_packed(handler: Path) -> None:
    archive = FunctionCode(package="one_function").archive()
    digest = hashlib.sha256()
    with zipfile.ZipFile(archive) as packed:
        for name in packed.namelist():
            digest.update(f"{name}\0".encode() + hashlib.sha256(packed.read(name)).digest())
    assert archive.parent.name == f"one_function-{digest.hexdigest()}"


def _other_ends_of_lines(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))


def _comment(file: Path) -> None:
    if file.name.startswith("requirements."):
        file.write_bytes(b"# What a colleague wrote.\n\n" + file.read_bytes() + b"\n  # More.\n")


def _time_and_rights(file: Path) -> None:
    os.utime(file, (0, 1_000_000_000))
    file.chmod(0o600)


def _what_tools_leave(file: Path) -> None:
    for name in ("__pycache__/module.pyc", ".DS_Store", f".{file.name}.swp"):
        left = file.parent / name
        left.parent.mkdir(exist_ok=True)
        left.write_bytes(b"\x00")


@pytest.mark.parametrize(
    "change", [_other_ends_of_lines, _comment, _time_and_rights, _what_tools_leave]
)
def test_another_checkout_makes_the_same_package(
    change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code = packages.code("ledger_schema")
    checkout = tmp_path / "checkout"
    shutil.copytree(SOURCES, checkout, ignore=shutil.ignore_patterns("__pycache__"))
    for file in [file for file in checkout.rglob("*") if file.is_file()]:
        change(file)
    expected = code.archive()
    fetched = tmp_path / "build"
    fetched.mkdir()
    for part in [bundle.BUILD / "wheels", *bundle.BUILD.glob("rds-ca-*")]:
        (fetched / part.name).symlink_to(part)
    with monkeypatch.context() as patched:
        patched.setenv("PIP_NO_INDEX", "1")  # nothing needs to be fetched again
        patched.setattr(bundle, "SOURCES", checkout)
        patched.setattr(bundle, "BUILD", fetched)
        other = code.archive()
    assert other != expected
    assert other.parent.name == expected.parent.name
    assert other.read_bytes() == expected.read_bytes()


def test_another_compressor_makes_the_same_package(
    handler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler.write_text("def handle(event, context): ...\n" * 100, encoding="utf-8")
    code = FunctionCode(package="one_function")
    archive = code.archive()
    ours = archive.read_bytes()
    shutil.rmtree(archive.parent)
    other = partial(zlib.compressobj, zlib.Z_BEST_SPEED, zlib.DEFLATED, -15)
    with monkeypatch.context() as patched:
        patched.setattr(zipfile, "_get_compressor", lambda *_: other())
        assert code.archive() == archive
    assert archive.read_bytes() != ours


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


def test_other_pythons_have_what_ships_and_the_tools_of_these_tests() -> None:
    elsewhere = bundle.ROOT / "tests" / "functions" / "requirements.txt"
    tools = _pins(elsewhere.with_suffix(".in"))
    del tools["boto3"], tools["botocore"]  # of Lambda's runtime
    here = [_pins(bundle.ROOT / f"requirements{kind}.txt") for kind in ("", "-dev")]
    assert tools.items() <= (here[0] | here[1]).items()
    for name in FUNCTIONS:
        ships = _pins(SOURCES / name / "requirements.txt")
        assert all(ships.get(pin, version) == version for pin, version in _pins(elsewhere).items())


def test_the_sdk_is_described_as_the_runtime_has_it() -> None:
    lock = SOURCES / "payments" / "requirements.txt"
    runtime = _pins(bundle.ROOT / "tests" / "functions" / "requirements.txt")
    assert _pins(lock) == _pins(lock.with_suffix(".in")) == {"botocore": runtime["botocore"]}
    told = (bundle.ROOT / "docs" / "supply-chain.md").read_text()
    assert f"botocore {runtime['botocore']} " in told


def test_what_ships_is_told_in_the_documentation() -> None:
    text = (bundle.ROOT / "docs" / "supply-chain.md").read_text()
    told = re.findall(r"^\| ([a-z0-9-]+) \| (\d\S*) \|", text, re.MULTILINE)
    locked = [_pins(SOURCES / name / "requirements.txt").items() for name in FUNCTIONS]
    assert len(told) == len(set(told))
    assert set(told) == {pin for pins in locked for pin in pins}


# --- What the SDK has to know of the services (building_blocks/sdk_models.py) ---

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "dynamodb": ("put_item", {"TableName": "payments", "Item": {"id": {"S": "1"}}}),
    "lambda": ("invoke", {"FunctionName": "payments:live", "Payload": b"{}"}),
    "s3": ("list_objects_v2", {"Bucket": "payments-audit", "Prefix": "2026/"}),
    "sqs": ("send_message", {"QueueUrl": "https://sqs.test/1/retries", "MessageBody": "{}"}),
}


class _SentError(Exception):
    """Raised instead of sending."""


def _request(service: str, path: Path) -> tuple[object, ...]:
    """What a client sends that looks there first, but for its moment and signature."""
    made = Session()
    made.register_component("data_loader", Loader(extra_search_paths=[str(path)]))
    client = made.create_client(
        service, "us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )

    def send(request: Any, **_: Any) -> None:
        raise _SentError(request.method, request.url, request.body, sorted(request.headers))

    client.meta.events.register("before-send", send)
    operation, arguments = CALLS[service]
    with pytest.raises(_SentError) as sent:
        getattr(client, operation)(**arguments)
    return (*sent.value.args, client.meta.service_model.operation_names)


@pytest.mark.parametrize("service", CALLS)
def test_without_its_texts_the_sdk_sends_the_same(service: str, tmp_path: Path) -> None:
    (wheel,) = bundle._wheels(SOURCES / "payments" / "requirements.txt").glob("botocore-*.whl")
    for name, data in sdk_models(wheel, [service]).items():
        (tmp_path / "ours" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "ours" / name).write_bytes(data)
    with zipfile.ZipFile(wheel) as archive:
        files = archive.namelist()
        wanted = [f"botocore/data/{service}/", "botocore/data/endpoints.json"]
        archive.extractall(tmp_path, [name for name in files if name.startswith(tuple(wanted))])
    assert _request(service, tmp_path / "ours") == _request(service, tmp_path / "botocore" / "data")


def _told(program: str, built: Path, variables: Mapping[str, str]) -> str:
    """What a program prints that has a function's package before all else."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", program],
        env={**variables, "PYTHONPATH": str(built)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("code", ["payment_processor"], indirect=True)
def test_the_functions_clients_read_what_their_package_brings(built: Path) -> None:
    program = (
        "from payments.clients import session; made = session()\n"
        "loader = made.get_component('data_loader')\n"
        "for service in loader.list_available_services('service-2'):\n"
        "    version = loader.determine_latest_version(service, 'service-2')\n"
        "    for kind in ('service-2', 'endpoint-rule-set-1'):\n"
        "        print(loader.load_data_with_path(f'{service}/{version}/{kind}')[1])\n"
        "print(loader.load_data_with_path('endpoints')[1])\n"
        "assert made.get_component('endpoint_resolver').uses_builtin_data\n"
    )
    lines = _told(program, built, {}).split()
    read = {str(Path(line).relative_to(built / "sdk_models")) for line in lines}
    assert len(read) == 2 * len(CALLS) + 1


@pytest.mark.parametrize(
    "code", ["payment_validator", "payment_processor", "audit_logger"], indirect=True
)
def test_no_garbage_is_looked_for_while_a_sandbox_starts(code: FunctionCode, built: Path) -> None:
    variables = ("TRANSACTIONS_TABLE", "RETRY_QUEUE_URL", "AUDIT_BUCKET", "AUDIT_KEY_ARN")
    ledger = {"LEDGER_HOST": "ledger.test", "LEDGER_PORT": "5432", "LEDGER_USER": "processor"}
    program = (
        "import gc; before = gc.get_stats()\n"
        f"import {code.package}.handler\n"
        "searched = [now['collections'] - then['collections']\n"
        "            for now, then in zip(gc.get_stats(), before)]\n"
        "print(sum(searched) < 5, gc.isenabled(), gc.get_freeze_count() > 10_000)"
    )
    given = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_LAMBDA_FUNCTION_NAME": code.package}
    told = _told(program, built, given | dict.fromkeys(variables, "https://test") | ledger)
    assert told == "True True True\n"


def test_ledgers_clients_trust_the_authorities_of_rds_in_us_east_1_only(tmp_path: Path) -> None:
    built = unpack(packages.code("payment_processor"), tmp_path)
    context = ssl.create_default_context(cafile=str(built / "rds-ca.pem"))
    subjects = [str(authority["subject"]) for authority in context.get_ca_certs()]
    assert len(subjects) == 3
    assert all("Amazon RDS us-east-1 Root CA" in subject for subject in subjects)


def test_deployed_code_is_the_built_package_under_its_hash(synthesized: Synthesized) -> None:
    archives = {name: packages.code(name).archive() for name in FUNCTIONS}
    deployed = {
        function["Handler"].partition(".")[0]: function["Code"]["S3Key"]
        for function in synthesized.properties("AWS::Lambda::Function")
    }
    assert deployed.keys() == archives.keys()
    for name, archive in archives.items():
        # The CDK makes a hash of whatever it is given as a hash.
        key = hashlib.sha256(archive.parent.name.encode()).hexdigest() + ".zip"
        assert deployed[name] == key
        assert (synthesized.folder / f"asset.{key}").read_bytes() == archive.read_bytes()
