"""An emulator for what the functions ask of AWS, without a deployment."""

from __future__ import annotations

from collections.abc import Iterator

import payment_processor.handler
import pytest

from tests.environment import Environment, serving

# The functions' modules log as children of its logger, which has to be there.
assert payment_processor.handler.logger


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    with serving(tmp_path_factory.mktemp("functions")) as environment:
        yield environment
