"""A cloud assembly: synthesized once, published, reported on, and deployed as it is.

The work is done by the project's CDK command line; credentials and endpoint are those of any AWS
tool, the region is the assembly's.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from assurance.assembly import StackTemplate, synthesized
from config import STACKS
from ops.console.environment import PROJECT, VARIABLE, chosen, stack_name
from ops.console.failure import OpsError

_LAST_LINES: Final = 25
_PATIENCE_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Assembly:
    """A folder with one stack, its nested stacks and their assets."""

    folder: Path
    stack: str
    region: str
    _properties: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Assembly:
        """
        Raises:
            OpsError: when the folder is no assembly with exactly one stack.
        """
        try:
            artifacts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))[
                "artifacts"
            ]
        except (OSError, ValueError, KeyError) as error:
            raise OpsError(f"{folder} is no cloud assembly: {error}") from error
        stacks = {
            name: artifact
            for name, artifact in artifacts.items()
            if artifact["type"] == "aws:cloudformation:stack"
        }
        if len(stacks) != 1:
            raise OpsError(f"{folder} has {len(stacks)} stacks instead of one")
        ((name, artifact),) = stacks.items()
        properties = artifact["properties"]
        found = properties.get("stackName", name)
        if found in STACKS.values() and found != stack_name():
            raise OpsError(
                f"{folder} is of {found}, but {stack_name()} is meant: name the environment with "
                f"--environment or {VARIABLE}, and in the settings (-c, cdk.json)"
            )
        region = artifact["environment"].rsplit("/", 1)[1]
        return cls(folder, found, region, properties)

    @property
    def template(self) -> StackTemplate:
        return synthesized(self.folder / self._properties["templateFile"])

    @property
    def tags(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self._properties.get("tags", {})
        return found

    def package(self, key: str) -> Path | None:
        """The file that is uploaded, as it is, under an object key; None if there is none."""
        for manifest in self.folder.glob("*.assets.json"):
            for file in json.loads(manifest.read_text(encoding="utf-8"))["files"].values():
                keys = {each["objectKey"] for each in file["destinations"].values()}
                source = file["source"]
                if key in keys and source.get("packaging") == "file":
                    return self.folder / str(source["path"])
        return None

    def template_url(self, account: str) -> str:
        """Where `publish` puts the root's template."""
        address = self._properties["stackTemplateAssetObjectUrl"].removeprefix("s3://")
        address = address.replace("${AWS::AccountId}", account)
        return f"https://s3.{self.region}.amazonaws.com/{address}"

    def execution_role(self, account: str) -> str:
        """The role with which CloudFormation works on the stack."""
        arn: str = self._properties["cloudFormationExecutionRoleArn"]
        return arn.replace("${AWS::Partition}", "aws").replace("${AWS::AccountId}", account)

    def publish(self) -> None:
        """Upload templates and packages, where they are not there yet (raises OpsError)."""
        arguments = ["publish-assets", self.stack, "--unstable", "publish-assets"]
        _run_quietly(*arguments, "--app", str(self.folder))

    def deploy(self) -> None:
        """Deploy; the progress goes to this process's output (raises OpsError)."""
        arguments = ["deploy", self.stack, "--require-approval", "never"]
        code, _ = _run([*arguments, "--app", str(self.folder)], quietly=False)
        if code != 0:
            raise OpsError(
                f"the deployment of {self.stack} failed: see above, and README.md, Rolling back"
            )


@contextlib.contextmanager
def at_hand(folder: Path | None, context: Sequence[str] = ()) -> Iterator[Assembly]:
    """An assembly that was made already; without a folder, one that is synthesized now, as
    `synthesize` does, and is gone at the end of the block."""
    if folder is not None:
        yield Assembly.read(folder)
        return
    with tempfile.TemporaryDirectory(prefix="payments-production-") as temporary:
        yield synthesize(Path(temporary), context)


def synthesize(folder: Path, context: Sequence[str] = ()) -> Assembly:
    """Make the app's assembly.

    Args:
        folder: for the assembly, and for temporary files, which an interruption leaves.
        context: settings of config.py, as `key=value`.

    Raises:
        OpsError: with what the app says, when it cannot be synthesized.
    """
    if VARIABLE in os.environ:
        context = [*context, f"environment={chosen()}"]
    settings = [argument for setting in context for argument in ("--context", setting)]
    made = folder / "cdk.out"
    _run_quietly("synth", "--quiet", "--output", str(made), *settings, temporary_files=folder)
    return Assembly.read(made)


def _run_quietly(*arguments: str, temporary_files: Path | None = None) -> None:
    code, output = _run(arguments, quietly=True, temporary_files=temporary_files)
    if code != 0:
        lines = output.strip().splitlines()[-_LAST_LINES:]
        raise OpsError("\n".join([f"`cdk {arguments[0]}` failed:", *lines]))


def _run(
    arguments: Sequence[str], *, quietly: bool, temporary_files: Path | None = None
) -> tuple[int, str]:
    """Run the CDK command line; its exit code and, if quietly, what it said."""
    command = PROJECT / "node_modules" / ".bin" / "cdk"
    if not command.exists():
        raise OpsError("the CDK command line is not installed: run `make setup`")
    # With the project's Python and Node.js first.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    own = {"TMPDIR": str(temporary_files)} if temporary_files else {}
    process = subprocess.Popen(  # noqa: S603 - the project's own tool
        [str(command), *arguments, "--no-notices"],
        cwd=PROJECT,
        env={**os.environ, **own, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if quietly else None,
        stderr=subprocess.STDOUT if quietly else None,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # so that what it starts can be ended with it
    )
    try:
        output, _ = process.communicate()
    finally:
        if process.poll() is None:
            _end(process)
    return process.returncode, output or ""


def _end(process: subprocess.Popen[str]) -> None:
    """End a command with what it has started: as Ctrl-C does, and by force if that takes long."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            process.poll()
            os.killpg(process.pid, 0)  # until there is nobody left
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
