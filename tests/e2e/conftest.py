"""PaymentsProd, deployed once for all of these tests."""

import pytest

from local import aws
from ops.production.stack import Production as Deployed
from tests.deployment import Production, production  # noqa: F401


@pytest.fixture
def deployed(production: Production, monkeypatch: pytest.MonkeyPatch) -> Deployed:  # noqa: F811
    """As the operator's tool sees it, whose parts are called in this process."""
    for name, value in aws.environment(production.environment.endpoint).items():
        monkeypatch.setenv(name, value)
    return Deployed.find()
