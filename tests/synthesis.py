"""The app, synthesized once a run as the CDK command line does it: a process of its own, without
credentials or network. It begins when the tests are collected, beside those that do not need it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.set_up import SetUpError, made_once, shared_folder

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("network", "data", "compute", "observability")

Resource = dict[str, Any]


@dataclass(frozen=True)
class Synthesized:
    """The five templates, by layer, as CloudFormation would get them."""

    root: dict[str, Any]
    network: dict[str, Any]
    data: dict[str, Any]
    compute: dict[str, Any]
    observability: dict[str, Any]
    folder: Path

    @classmethod
    def read(cls, folder: Path, stack: str = "PaymentsProd") -> Synthesized:
        """A cloud assembly of the app."""

        def template(pattern: str) -> dict[str, Any]:
            (file,) = folder.glob(pattern)
            content: dict[str, Any] = json.loads(file.read_text())
            return content

        return cls(
            root=template(f"{stack}.template.json"),
            folder=folder,
            **{
                layer: template(f"{stack}{layer.capitalize()}NestedStack*.template.json")
                for layer in LAYERS
            },
        )

    def templates(self) -> dict[str, dict[str, Any]]:
        return {"root": self.root} | {layer: getattr(self, layer) for layer in LAYERS}

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.template.json"))

    def stacks(self) -> dict[str, dict[str, Any]]:
        """The stacks that can be deployed, by their names, as the assembly's manifest has them."""
        manifest = json.loads((self.folder / "manifest.json").read_text())
        return {
            name: artifact
            for name, artifact in manifest["artifacts"].items()
            if artifact["type"] == "aws:cloudformation:stack"
        }

    def resources(self, resource_type: str | None = None) -> Iterator[tuple[str, str, Resource]]:
        """Layer, logical id and definition of each resource, or of those of one type."""
        for layer, template in self.templates().items():
            for logical_id, resource in template["Resources"].items():
                if resource_type in (None, resource["Type"]):
                    yield layer, logical_id, resource

    def properties(self, resource_type: str) -> list[dict[str, Any]]:
        return [resource["Properties"] for _, _, resource in self.resources(resource_type)]

    def api_path(self, method: dict[str, Any]) -> str:
        """The whole path of one of the API's methods."""
        path, place = "", method["ResourceId"]
        while "Ref" in place:
            resource = self.compute["Resources"][place["Ref"]]["Properties"]
            path, place = f"/{resource['PathPart']}{path}", resource["ParentId"]
        return path

    def only(self, resource_type: str, **having: Any) -> dict[str, Any]:
        """The properties of the one resource of a type, or of the one that has given values."""
        found = [
            properties
            for properties in self.properties(resource_type)
            if all(properties.get(name) == value for name, value in having.items())
        ]
        assert len(found) == 1, f"{len(found)} resources of {resource_type} with {having}"
        return found[0]


def project_context(**overrides: Any) -> dict[str, Any]:
    """The context that the CDK CLI would hand over, with its own default settings."""
    context: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]
    return context | {"aws:cdk:enable-path-metadata": True} | overrides


def synthesize(
    folder: Path, checkout: Path = ROOT, python: str = sys.executable, **variables: str
) -> str:
    """Run the app into a folder; what it has to say if it fails."""
    done = subprocess.run(
        [python, str(checkout / "app.py")],
        cwd=checkout,
        env={
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath]),
            "CDK_OUTDIR": str(folder),
            "CDK_CONTEXT_JSON": json.dumps(project_context()),
            **variables,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return ""
    # The findings, or what the app says itself; the CDK's way through JavaScript helps nobody.
    told, *rest = done.stderr.split("jsii.errors.JavaScriptError:")
    own = told.strip() or (rest[-1].strip().splitlines() or [""])[-1] or done.stdout
    return f"the app does not synthesize:\n\n{own}"


class Synthesis:
    """The synthesis of a run, which all its workers share."""

    def __init__(self, shared: Path) -> None:
        self._folder = shared / "synthesis"

    def begin(self) -> None:
        """Synthesize beside what goes on here."""
        threading.Thread(target=self._attempt, daemon=True).start()

    def result(self) -> Synthesized:
        """Wait for it.

        Raises:
            SetUpError: the app does not synthesize.
        """
        return Synthesized.read(made_once(self._folder, synthesize))

    def _attempt(self) -> None:
        with contextlib.suppress(SetUpError):
            made_once(self._folder, synthesize)


@pytest.fixture(scope="session")
def synthesis(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Synthesis:
    return Synthesis(shared_folder(request.config, tmp_path_factory))


@pytest.fixture(scope="session", autouse=True)
def _begin_to_synthesize(request: pytest.FixtureRequest, synthesis: Synthesis) -> None:
    if any("synthesized" in getattr(item, "fixturenames", ()) for item in request.session.items):
        synthesis.begin()


@pytest.fixture(scope="session")
def synthesized(synthesis: Synthesis) -> Synthesized:
    return synthesis.result()
