"""The CDK app: reads the configuration, and builds PaymentsProd from it."""

from __future__ import annotations

import sys

from aws_cdk import App, Tags

from building_blocks.bundle import BundleError
from config import ConfigurationError, ProductionConfig
from root_stack import PaymentsProd


def build(app: App) -> PaymentsProd:
    """Adds PaymentsProd, with its tags on every resource, to a CDK app.

    :raises ConfigurationError: when the app's context holds values that it must not be built with.
    :raises BundleError: when a function's package cannot be built.
    """
    config = ProductionConfig.from_context(app.node.get_all_context())
    stack = PaymentsProd(app, "PaymentsProd", config=config)
    for key, value in config.tags.items():
        Tags.of(stack).add(key, value)
    return stack


if __name__ == "__main__":
    application = App(analytics_reporting=False)
    try:
        build(application)
    except (BundleError, ConfigurationError) as error:
        sys.exit(str(error))
    application.synth()
