from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.environment import Environment, Stack, serving

Upload = Callable[[dict[str, Any]], str]

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


@pytest.fixture(scope="session")
def upload(environment: Environment) -> Upload:
    """Put a template where a nested stack finds it; its address."""
    s3 = environment.client("s3")
    bucket = f"templates-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)

    def put(template: dict[str, Any]) -> str:
        key = f"{uuid.uuid4().hex}.json"
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(template))
        return f"https://s3.us-east-1.amazonaws.com/{bucket}/{key}"

    return put


@pytest.fixture
def bucket(environment: Environment) -> str:
    name = f"bucket-{uuid.uuid4().hex[:8]}"
    environment.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def queue(environment: Environment) -> str:
    name = f"queue-{uuid.uuid4().hex[:8]}"
    return str(environment.client("sqs").create_queue(QueueName=name)["QueueUrl"])
