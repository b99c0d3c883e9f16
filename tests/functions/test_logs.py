"""Every module of a function logs to its function's stream, with what the function has said of the
invocation."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import payment_processor.handler
import pytest

from tests.functions.conftest import Logs

MODULES = [
    "audit_logger.trail",
    "custom_resource.patience",
    "custom_resource.protocol",
    "payment_processor.logic",
    "payment_processor.outbox",
    "payment_processor.retries",
    "payment_processor.retry_queue",
    "payment_processor.status",
    "production_seal.seal",
]


@pytest.fixture(params=MODULES)
def module(request: pytest.FixtureRequest) -> ModuleType:
    return import_module(request.param)


def test_a_modules_line_carries_the_invocations_keys(module: ModuleType, logs: Logs) -> None:
    function = payment_processor.handler.logger
    function.append_keys(transaction_id="t")
    try:
        module.logger.warning("something")
    finally:
        function.remove_keys(["transaction_id"])
    (line,) = logs()
    assert (line["message"], line["transaction_id"]) == ("something", "t")
