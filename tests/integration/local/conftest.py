from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.environment import Environment, Stack, serving

# What a developer's own environment may hold: none of it may be used or passed on.
SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "of the user",
    "AWS_SESSION_TOKEN": "of the user",
    "AWS_PROFILE": "of-the-user",
    "DATABASE_PASSWORD": "of the user",
    "PGHOST": "db.example.com",
}


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    with serving(tmp_path_factory.mktemp("environment"), SECRETS) as running:
        yield running


@pytest.fixture
def stack(environment: Environment) -> Stack:
    return Stack(environment)
