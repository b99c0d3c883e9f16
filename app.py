"""The CDK app: reads the configuration, and builds PaymentsProd from it, or PaymentsStaging."""

from __future__ import annotations

import sys
from typing import Any

from aws_cdk import App

from assurance.compliance.packs import AcknowledgementError, check
from building_blocks.bundle import BundleError
from config import ConfigurationError, ProductionConfig
from root_stack import PaymentsProd


def build(app: App) -> PaymentsProd:
    """Adds the environment's stack to a CDK app, whose synthesis fails on any finding of the policy
    packs that is not acknowledged.

    :raises AcknowledgementError: when an acknowledgement names no resource.
    :raises ConfigurationError: when the app's context holds values that it must not be built with.
    :raises BundleError: when a function's package cannot be built.
    """
    config = ProductionConfig.from_context(app.node.get_all_context())
    stack = PaymentsProd(app, config.stack_name, config=config)
    check(app, config.stack_name)
    return stack


def empty(**options: Any) -> App:
    """An app without stacks, and without the CDK's own reading of the templates: that takes two
    fifths of a synthesis. The tests ask for it, beside cfn-lint; CloudFormation does the same
    before it changes anything.
    """
    return App(analytics_reporting=False, builtin_cloud_formation_validation=False, **options)


def main() -> None:
    """What the CDK command line runs; it reports the findings of the policy packs."""
    app = empty()
    try:
        build(app)
    except (AcknowledgementError, BundleError, ConfigurationError) as error:
        sys.exit(str(error))
    app.synth()


if __name__ == "__main__":
    main()
