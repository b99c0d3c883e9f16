"""The app, synthesized once a session without the CDK CLI, credentials or network."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App
from aws_cdk.cx_api import CloudAssembly

from app import build
from config import ProductionConfig
from permissions.matrix import MATRIX
from permissions.policies import Policies, read
from permissions.row import Decision
from permissions.simulation import decide
from permissions.templates import Templates
from root_stack import PaymentsProd

ROOT = Path(__file__).resolve().parents[2]
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
    stack: PaymentsProd
    assembly: CloudAssembly

    def templates(self) -> dict[str, dict[str, Any]]:
        return {"root": self.root} | {layer: getattr(self, layer) for layer in LAYERS}

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.template.json"))

    def resources(self, resource_type: str | None = None) -> Iterator[tuple[str, str, Resource]]:
        """Layer, logical id and definition of each resource, or of those of one type."""
        for layer, template in self.templates().items():
            for logical_id, resource in template["Resources"].items():
                if resource_type in (None, resource["Type"]):
                    yield layer, logical_id, resource

    def properties(self, resource_type: str) -> list[dict[str, Any]]:
        return [resource["Properties"] for _, _, resource in self.resources(resource_type)]

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


@pytest.fixture(scope="session", autouse=True)
def _begin_what_takes_longest(request: pytest.FixtureRequest) -> None:
    """The linter and the policy engine work from the beginning, beside the tests."""
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    for fixture in sorted(wanted & {"linting", "deciding"}):
        request.getfixturevalue(fixture)


@pytest.fixture(scope="session")
def policies(synthesized: Synthesized) -> Policies:
    return read(Templates.of(synthesized.folder))


@pytest.fixture(scope="session")
def deciding(policies: Policies) -> Iterator[Future[list[Decision]]]:
    """The policy engine at work on the permission matrix."""
    with ThreadPoolExecutor(max_workers=1) as executor:
        yield executor.submit(decide, policies, MATRIX)


@pytest.fixture(scope="session")
def linting(synthesized: Synthesized) -> Iterator[list[subprocess.Popen[str]]]:
    """cfn-lint at work on the templates, as two processes."""
    files = sorted(synthesized.files(), key=lambda file: file.stat().st_size)
    assert len(files) == 5
    # Beside the Python that runs the tests.
    linter = Path(sys.executable).with_name("cfn-lint")
    running = [
        subprocess.Popen(
            [linter, "--regions", "us-east-1", "--", *map(str, part)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for part in (files[::2], files[1::2])
    ]
    yield running
    for process in running:
        process.kill()
        process.wait()


def _synthesize(app: App, stack: PaymentsProd) -> Synthesized:
    assembly = app.synth()
    folder = Path(assembly.directory)

    def read(pattern: str) -> dict[str, Any]:
        (file,) = folder.glob(pattern)
        template: dict[str, Any] = json.loads(file.read_text())
        return template

    return Synthesized(
        root=read("PaymentsProd.template.json"),
        folder=folder,
        stack=stack,
        assembly=assembly,
        **{
            layer: read(f"PaymentsProd{layer.capitalize()}NestedStack*.nested.template.json")
            for layer in LAYERS
        },
    )


@pytest.fixture(scope="session")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    folder = tmp_path_factory.mktemp("cdk.out")
    app = App(outdir=str(folder), analytics_reporting=False, context=project_context())
    return _synthesize(app, build(app))


@pytest.fixture(scope="session")
def next_release(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """With another environment for payment-validator, and no finding acknowledged."""
    folder = tmp_path_factory.mktemp("next")
    context = project_context(approval_validity_seconds=300)
    app = App(outdir=str(folder), analytics_reporting=False, context=context)
    config = ProductionConfig.from_context(context)
    return _synthesize(app, PaymentsProd(app, "PaymentsProd", config=config))
