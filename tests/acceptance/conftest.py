"""What the long tests stand on is what the others do."""

from tests.deployment import production  # noqa: F401
from tests.integration.money.conftest import stores  # noqa: F401
