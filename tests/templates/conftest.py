"""What the tests of the templates share, and the next release, which is built in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from assurance.alerting.scenarios.catalogue import SCENARIOS
from assurance.alerting.scenarios.verdict import Row, row
from assurance.alerting.simulation.definitions import Definitions
from assurance.permissions.policies import Policies, read
from assurance.permissions.templates import Templates
from config import ProductionConfig
from tests.synthesis import Synthesized, project_context

# The CDK takes seconds to import, and whoever shares out tests between workers reads this, too.
if TYPE_CHECKING:
    from aws_cdk import App

    from building_blocks.alert import Alert
    from root_stack import PaymentsProd


@pytest.fixture(scope="session")
def build(
    synthesized: Synthesized,  # what fails there is told there, and not tried here
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., PaymentsProd]:
    """Makes the stack with other settings, in this process."""
    from aws_cdk import App

    from root_stack import PaymentsProd

    def with_settings(**settings: Any) -> PaymentsProd:
        context = project_context(**settings)
        folder = str(tmp_path_factory.mktemp("built"))
        app = App(outdir=folder, analytics_reporting=False, context=context)
        config = ProductionConfig.from_context(context)
        return PaymentsProd(app, config.stack_name, config=config)

    return with_settings


@pytest.fixture(scope="session")
def policies(synthesized: Synthesized) -> Policies:
    return read(Templates.of(synthesized.folder))


@pytest.fixture(scope="session")
def definitions(synthesized: Synthesized) -> Definitions:
    """The alarms and rules of the templates."""
    return Definitions.of(Templates.of(synthesized.folder))


@pytest.fixture(scope="session")
def scenario_rows(definitions: Definitions) -> Mapping[str, Row]:
    """What they make of each scenario, by its name."""
    return {scenario.name: row(definitions, scenario) for scenario in SCENARIOS}


@pytest.fixture(scope="session")
def next_stack(build: Callable[..., PaymentsProd]) -> PaymentsProd:
    """With another environment for payment-validator, and no finding acknowledged."""
    return build(approval_validity_seconds=300)


@pytest.fixture(scope="session")
def next_release(next_stack: PaymentsProd) -> Synthesized:
    app: App = next_stack.node.root  # type: ignore[assignment]
    return Synthesized.read(Path(app.synth().directory))


@pytest.fixture(scope="session")
def alerts(next_stack: PaymentsProd) -> tuple[Alert, ...]:
    """Everything that production alerts of."""
    from nested.observability import ObservabilityNestedStack

    layer = next_stack.node.find_child("ObservabilityNestedStack")
    assert isinstance(layer, ObservabilityNestedStack)
    return layer.layer.alerts
