"""PaymentsProd, deployed once for all of these tests."""

from tests.deployment import production  # noqa: F401
