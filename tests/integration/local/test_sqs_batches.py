"""SQS authorizes a batch by the single action, for which alone IAM has a name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.environment import Environment
from tests.probe import Probe, allow, make_role

BATCHES: dict[str, tuple[str, dict[str, Any]]] = {
    "sqs:SendMessage": ("send_message_batch", {"MessageBody": "{}"}),
    "sqs:DeleteMessage": ("delete_message_batch", {"ReceiptHandle": "any"}),
    "sqs:ChangeMessageVisibility": (
        "change_message_visibility_batch",
        {"ReceiptHandle": "any", "VisibilityTimeout": 1},
    ),
}


@pytest.mark.parametrize("action", BATCHES)
def test_a_batch_needs_the_right_to_the_single_action(
    environment: Environment, queue: str, action: str
) -> None:
    role = make_role(environment, allow(action))
    answers = Probe(environment, role).attempt_all(
        [
            ["sqs", operation, {"QueueUrl": queue, "Entries": [{"Id": "1", **entry}]}]
            for operation, entry in BATCHES.values()
        ]
    )
    for name, answer in zip(BATCHES, answers, strict=True):
        assert ("AccessDenied" in answer) is (name != action), (name, answer)
