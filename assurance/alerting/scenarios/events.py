"""Events as AWS sends them, cut to what rules look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from assurance.permissions.templates import ACCOUNT, REGION, STACK_ID

Event = Mapping[str, Any]

_BY_CALL: Final = "AWS API Call via CloudTrail"
CLOUDFORMATION: Final = "cloudformation.amazonaws.com"

# What AWS makes of names, in the resolved templates.
TOPIC: Final = f"arn:aws:sns:{REGION}:{ACCOUNT}:AlertsTopic3414BE91"
AUDIT_BUCKET: Final = "auditbucket78609d59"
MASTER_SECRET: Final = (
    f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:rds!db-payments-ledger-AbCdEf"
)

SAFEGUARDS: Final[tuple[tuple[str, str, Mapping[str, Any]], ...]] = (
    ("monitoring", "DeleteAlarms", {"alarmNames": ["another", "payments-api-server-errors"]}),
    ("monitoring", "DisableAlarmActions", {"alarmNames": ["payments-outbox-age"]}),
    ("monitoring", "PutMetricAlarm", {"alarmName": "payments-outbox-age"}),
    ("events", "DisableRule", {"name": "payments-root-activity"}),
    ("events", "DisableRule", {"name": "PaymentsProd-ComputeNes-PaymentProcessorOutboxSweep-1A"}),
    ("events", "RemoveTargets", {"rule": "payments-key-disabled", "ids": ["AlertsTopic"]}),
    ("cloudtrail", "StopLogging", {"name": "management-events"}),
    ("sns", "SetTopicAttributes", {"topicArn": TOPIC, "attributeName": "Policy"}),
    ("sns", "Unsubscribe", {"subscriptionArn": f"{TOPIC}:1234"}),
    ("s3", "PutBucketObjectLockConfiguration", {"bucketName": AUDIT_BUCKET}),
    ("s3", "PutBucketPolicy", {"bucketName": AUDIT_BUCKET}),
    ("lambda", "UpdateEventSourceMapping20150331", {"uUID": "1234", "enabled": False}),
    ("lambda", "DeleteEventSourceMapping20150331", {"uUID": "1234"}),
    ("wafv2", "DisassociateWebACL", {"resourceArn": "arn:aws:apigateway:us-east-1::/restapis/a"}),
    ("wafv2", "UpdateWebACL", {"name": "payments", "scope": "REGIONAL"}),
)
"""Calls that take a safeguard away: service, name and request parameters."""


def event(source: str, kind: str, **detail: Any) -> Event:
    return {"source": source, "account": ACCOUNT, "detail-type": kind, "detail": detail}


def call(service: str, name: str, **detail: Any) -> Event:
    """A call of AWS's API that changes something, by whoever may, and not in the console."""
    usual = {
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "eventType": "AwsApiCall",
        "readOnly": False,
        "sourceIPAddress": "198.51.100.7",
        "userIdentity": {"type": "AssumedRole"},
    }
    return event(f"aws.{service}", _BY_CALL, **usual | detail)


def by_cloudformation(service: str, name: str, **detail: Any) -> Event:
    """The same call, by a deployment."""
    who = {"type": "AssumedRole", "invokedBy": CLOUDFORMATION}
    return call(service, name, sourceIPAddress=CLOUDFORMATION, userIdentity=who, **detail)


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


def rotation(name: str, secret: str) -> Event:
    """AWS Secrets Manager user guide, "Log AWS Secrets Manager events with AWS CloudTrail"."""
    return event(
        "aws.secretsmanager",
        "AWS Service Event via CloudTrail",
        eventSource="secretsmanager.amazonaws.com",
        eventName=name,
        eventType="AwsServiceEvent",
        additionalEventData={"SecretId": secret},
    )


def health(service: str, category: str, status: str) -> Event:
    """AWS Health user guide, "AWS Health events Amazon EventBridge schema"."""
    return event(
        "aws.health",
        "AWS Health Event",
        service=service,
        eventTypeCategory=category,
        statusCode=status,
    )
