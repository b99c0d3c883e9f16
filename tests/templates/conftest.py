"""What is judged beside the tests, and the next release, which is built in this process."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from aws_cdk import App

from alerting.scenarios.catalogue import SCENARIOS
from alerting.scenarios.verdict import Row, row
from alerting.simulation.definitions import Definitions
from building_blocks.alert import Alert
from config import ProductionConfig
from nested.observability import ObservabilityNestedStack
from permissions.matrix import MATRIX
from permissions.policies import Policies, read
from permissions.row import Decision
from permissions.simulation import decide
from permissions.templates import Templates
from root_stack import PaymentsProd
from tests.set_up import SetUpError
from tests.synthesis import (  # noqa: F401
    Synthesized,
    _begin_to_synthesize,
    project_context,
    synthesis,
    synthesized,
)


@pytest.fixture(scope="session", autouse=True)
def _begin_what_takes_longest(request: pytest.FixtureRequest) -> None:
    """The linter and the policy engine work from the beginning, beside the tests."""
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    with contextlib.suppress(SetUpError):  # which the tests tell that need it
        for fixture in sorted(wanted & {"linting", "deciding"}):
            request.getfixturevalue(fixture)


@pytest.fixture(scope="session")
def policies(synthesized: Synthesized) -> Policies:  # noqa: F811
    return read(Templates.of(synthesized.folder))


@pytest.fixture(scope="session")
def definitions(synthesized: Synthesized) -> Definitions:  # noqa: F811
    """The alarms and rules of the templates."""
    return Definitions.of(Templates.of(synthesized.folder))


@pytest.fixture(scope="session")
def scenario_rows(definitions: Definitions) -> Mapping[str, Row]:
    """What they make of each scenario, by its name."""
    return {scenario.name: row(definitions, scenario) for scenario in SCENARIOS}


@pytest.fixture(scope="session")
def deciding(policies: Policies) -> Iterator[Future[list[Decision]]]:
    """The policy engine at work on the permission matrix."""
    with ThreadPoolExecutor(max_workers=1) as executor:
        yield executor.submit(decide, policies, MATRIX)


@pytest.fixture(scope="session")
def linting(synthesized: Synthesized) -> Iterator[list[subprocess.Popen[str]]]:  # noqa: F811
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


@pytest.fixture(scope="session")
def next_stack(
    synthesized: Synthesized,  # noqa: F811 - what fails there is told there, and not tried here
    tmp_path_factory: pytest.TempPathFactory,
) -> PaymentsProd:
    """With another environment for payment-validator, and no finding acknowledged."""
    context = project_context(approval_validity_seconds=300)
    folder = str(tmp_path_factory.mktemp("next"))
    app = App(outdir=folder, analytics_reporting=False, context=context)
    return PaymentsProd(app, "PaymentsProd", config=ProductionConfig.from_context(context))


@pytest.fixture(scope="session")
def next_release(next_stack: PaymentsProd) -> Synthesized:
    app = next_stack.node.root
    assert isinstance(app, App)
    return Synthesized.read(Path(app.synth().directory))


@pytest.fixture(scope="session")
def alerts(next_stack: PaymentsProd) -> tuple[Alert, ...]:
    """Everything that production alerts of."""
    layer = next_stack.node.find_child("ObservabilityNestedStack")
    assert isinstance(layer, ObservabilityNestedStack)
    return layer.layer.alerts
