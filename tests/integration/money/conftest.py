"""Stores and worlds for the tests of the money."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.money.stores import Stores, running
from tests.integration.money.world import World


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with running(tmp_path_factory.mktemp("money")) as stores:
        yield stores


@pytest.fixture
def world(stores: Stores) -> Iterator[World]:
    world = World(stores)
    yield world
    world.close()
