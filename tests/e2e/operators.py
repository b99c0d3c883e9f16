"""Operators whose credentials do not let them do everything."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

from tests.e2e.conftest import Production
from tests.probe import document


@contextlib.contextmanager
def user(production: Production, *denied: str) -> Iterator[dict[str, str]]:
    """The variables of somebody who may do anything but these actions."""
    iam, name = production.environment.client("iam"), f"operator-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    refused = {"Effect": "Deny", "Action": list(denied), "Resource": "*"}
    iam.put_user_policy(
        UserName=name, PolicyName="rights", PolicyDocument=document(allowed, refused)
    )
    key = iam.create_access_key(UserName=name)["AccessKey"]
    try:
        yield {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }
    finally:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName=name, PolicyName="rights")
        iam.delete_user(UserName=name)
