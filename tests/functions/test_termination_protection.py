"""Only the record of a failed creation loses its protection."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.stub import Stubber
from termination_protection.handler import lift_if_rolled_back

from tests.functions.conftest import Stubbed

STACK = "arn:aws:cloudformation:us-east-1:111122223333:stack/PaymentsProd/0a1b2c3d"


@pytest.fixture
def stub(stubbed: Stubbed) -> Stubber:
    return stubbed("cloudformation")


def is_found(stub: Stubber, status: str) -> None:
    stack = {
        "StackName": "PaymentsProd",
        "StackStatus": status,
        "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
    }
    stub.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": STACK})


def test_a_creation_that_is_rolled_back_leaves_no_protected_record(stub: Stubber) -> None:
    is_found(stub, "ROLLBACK_IN_PROGRESS")
    stub.add_response(
        "update_termination_protection",
        {"StackId": STACK},
        {"StackName": STACK, "EnableTerminationProtection": False},
    )
    lift_if_rolled_back(stub.client, STACK)


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
def test_nothing_else_is_unprotected(stub: Stubber, status: str) -> None:
    is_found(stub, status)
    lift_if_rolled_back(stub.client, STACK)
