"""Operators at their command line, and such whose credentials do not let them do everything."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local import aws
from tests.command_line import Answer, operators_tool
from tests.deployment import Production
from tests.probe import document


def ops(production: Production, *arguments: str, **variables: str) -> Answer:
    return operators_tool(production.environment, *arguments, **variables)


def records(production: Production) -> dict[str, dict[str, Any]]:
    """What operators did, by key in the audit bucket."""
    s3, bucket = production.client("s3"), production.outputs["AuditBucketName"]
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="operations/").get("Contents", [])
    return {
        each["Key"]: json.loads(s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read())
        for each in listed
    }


@dataclass(frozen=True)
class Seeded:
    """Many faults, all at once, and what was told of them.

    Attributes:
        named: how each is named, by fault.
    """

    named: dict[str, str]
    answer: Answer

    @classmethod
    def ask(
        cls,
        faults: Mapping[str, contextlib.AbstractContextManager[str]],
        ask: Callable[[], Answer],
    ) -> Seeded:
        """
        Args:
            faults: each is there until the end of its block, and yields how it is named.
        """
        with contextlib.ExitStack() as all_of_them:
            named = {each: all_of_them.enter_context(fault) for each, fault in faults.items()}
            return cls(named, ask())


@contextlib.contextmanager
def user(
    production: Production,
    *denied: str,
    allowed: Sequence[str] = ("*",),
    policies: Sequence[str] = (),
) -> Iterator[dict[str, str]]:
    """The variables of somebody who may do these actions, but not those; with policies, what the
    policies of these names say instead."""
    iam, name = production.client("iam"), f"operator-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    arns = [f"arn:aws:iam::{aws.ACCOUNT}:policy/{policy}" for policy in policies]
    for arn in arns:
        iam.attach_user_policy(UserName=name, PolicyArn=arn)
    rights = [
        {"Effect": effect, "Action": list(actions), "Resource": "*"}
        for effect, actions in (("Allow", () if policies else allowed), ("Deny", denied))
        if actions
    ]
    if rights:
        iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=document(*rights))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    try:
        yield {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }
    finally:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        for arn in arns:
            iam.detach_user_policy(UserName=name, PolicyArn=arn)
        if rights:
            iam.delete_user_policy(UserName=name, PolicyName="rights")
        iam.delete_user(UserName=name)
