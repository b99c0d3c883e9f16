"""Events as AWS sends them, cut to what rules look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from permissions.templates import ACCOUNT, REGION, STACK_ID

Event = Mapping[str, Any]

_BY_CALL: Final = "AWS API Call via CloudTrail"


def event(source: str, kind: str, **detail: Any) -> Event:
    return {"source": source, "account": ACCOUNT, "detail-type": kind, "detail": detail}


def call(service: str, name: str, **detail: Any) -> Event:
    """A call of AWS's API that changes something, by whoever may, and not in the console."""
    usual = {
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "eventType": "AwsApiCall",
        "readOnly": False,
        "userIdentity": {"type": "AssumedRole"},
    }
    return event(f"aws.{service}", _BY_CALL, **usual | detail)


def rds(number: int, category: str, instance: str = "payments-ledger") -> Event:
    """:param number: of the event (Amazon RDS user guide, "Amazon RDS event categories and event
    messages")."""
    return event(
        "aws.rds",
        "RDS DB Instance Event",
        EventCategories=[category],
        EventID=f"RDS-EVENT-{number:04}",
        SourceIdentifier=instance,
    )


def stack(status: str, nested: str = "") -> Event:
    """:param nested: the nested stack's name, without its owner's."""
    identifier = (
        f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/PaymentsProd-{nested}/1a2b"
        if nested
        else STACK_ID
    )
    return event(
        "aws.cloudformation",
        "CloudFormation Stack Status Change",
        **{"stack-id": identifier, "status-details": {"status": status}},
    )
