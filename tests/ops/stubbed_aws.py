"""Clients of AWS that answer from a list."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, cast

import boto3
from botocore.stub import Stubber

from ops.production.questions import Clients


class Aws:
    """As in an account of AWS's.

    Attributes:
        asked: the operations, as they came.
    """

    emulated = False
    region = "us-east-1"

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._made: dict[str, tuple[Any, Stubber]] = {}
        self.asked: list[str] = []

    def __call__(self, service: str) -> Any:
        if service not in self._made:
            client = boto3.client(
                cast(Any, service),
                region_name="us-east-1",
                aws_access_key_id="-",
                aws_secret_access_key="-",
            )
            client.meta.events.register(
                "before-parameter-build",
                lambda model, **_: self.asked.append(model.name),
            )
            self._made[service] = (client, Stubber(client))
            self._made[service][1].activate()
        return self._made[service][0]

    def answers(
        self,
        service: str,
        operation: str,
        answer: Mapping[str, Any] | None = None,
        asked: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Args:
            asked: what the request must be; anything, if none.
        """
        self(service)
        self._made[service][1].add_response(operation, dict(answer or {}), asked)

    def refuses(self, service: str, operation: str, code: str) -> None:
        self(service)
        self._made[service][1].add_client_error(operation, code)


def as_clients(aws: Aws) -> Clients:
    return cast(Clients, aws)
