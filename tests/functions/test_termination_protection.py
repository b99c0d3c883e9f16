"""Only the record of a failed creation loses its protection."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from termination_protection.handler import lift_if_rolled_back

STACK = "arn:aws:cloudformation:us-east-1:111122223333:stack/PaymentsProd/0a1b2c3d"


@pytest.fixture
def cloudformation() -> Any:
    return boto3.client(
        "cloudformation", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="s"
    )


@pytest.fixture
def stub(cloudformation: Any) -> Iterator[Stubber]:
    with Stubber(cloudformation) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def is_found(stub: Stubber, status: str) -> None:
    stack = {
        "StackName": "PaymentsProd",
        "StackStatus": status,
        "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
    }
    stub.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": STACK})


def test_a_creation_that_is_rolled_back_leaves_no_protected_record(
    cloudformation: Any, stub: Stubber
) -> None:
    is_found(stub, "ROLLBACK_IN_PROGRESS")
    stub.add_response(
        "update_termination_protection",
        {"StackId": STACK},
        {"StackName": STACK, "EnableTerminationProtection": False},
    )
    lift_if_rolled_back(cloudformation, STACK)


@pytest.mark.parametrize(
    "status",
    [
        "DELETE_IN_PROGRESS",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "ROLLBACK_FAILED",
    ],
)
def test_nothing_else_is_unprotected(cloudformation: Any, stub: Stubber, status: str) -> None:
    is_found(stub, status)
    lift_if_rolled_back(cloudformation, STACK)
