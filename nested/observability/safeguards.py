"""What keeps production watched and its evidence safe, and the calls that take it away.

As CloudTrail names the calls, which is not always as their APIs do: Lambda's have a date, S3's are
about the bucket. The names tell the services apart; with these, too, the pattern would be longer
than EventBridge takes (2,048 characters, unless AWS is asked for more).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nested.data import DataOutputs
from nested.observability.alerts_topic import AlertsTopic

_OURS = [{"prefix": "payments-"}]
"""Alarms and rules, by their names."""


@dataclass(frozen=True, kw_only=True)
class Safeguard:
    """Calls that change it, of those that say that they are about ours."""

    calls: tuple[str, ...]
    about: Mapping[str, Any] = field(default_factory=dict)
    """What their request parameters hold. Without: all of the account's, where the request does not
    name the function, API or trail."""

    def pattern(self) -> dict[str, Any]:
        """Of the event's detail."""
        which = {"requestParameters": dict(self.about)} if self.about else {}
        return {"eventName": list(self.calls), **which}


def safeguards(*, data: DataOutputs, topic: AlertsTopic, unit: str) -> tuple[Safeguard, ...]:
    """
    :param unit: name of the root stack, with which the names begin that CloudFormation makes.
    """
    rules = [*_OURS, {"prefix": f"{unit}-"}]
    buckets = [data.audit_bucket.bucket_name, data.audit_access_logs.bucket_name]
    return (
        Safeguard(
            calls=("DeleteAlarms", "DisableAlarmActions"),
            about={"alarmNames": _OURS},
        ),
        Safeguard(
            calls=("PutCompositeAlarm", "PutMetricAlarm"),
            about={"alarmName": _OURS},
        ),
        Safeguard(
            calls=("DeleteRule", "DisableRule", "PutRule"),
            about={"name": rules},
        ),
        Safeguard(calls=("PutTargets", "RemoveTargets"), about={"rule": rules}),
        Safeguard(
            calls=("DeleteTrail", "PutEventSelectors", "StopLogging", "UpdateTrail"),
        ),
        Safeguard(
            calls=("AddPermission", "DeleteTopic", "RemovePermission", "SetTopicAttributes"),
            about={"topicArn": [topic.topic_arn]},
        ),
        Safeguard(
            calls=("SetSubscriptionAttributes", "Unsubscribe"),
            about={"subscriptionArn": [{"prefix": topic.topic_arn}]},
        ),
        Safeguard(
            calls=(
                "DeleteBucket",
                "DeleteBucketPolicy",
                "DeleteBucketPublicAccessBlock",
                "PutBucketLifecycle",
                "PutBucketLogging",
                "PutBucketObjectLockConfiguration",
                "PutBucketPolicy",
                "PutBucketPublicAccessBlock",
                "PutBucketVersioning",
                "PutObjectLockConfiguration",
            ),
            about={"bucketName": buckets},
        ),
        Safeguard(
            calls=("DeleteEventSourceMapping20150331", "UpdateEventSourceMapping20150331"),
        ),
        Safeguard(
            calls=("DeleteLoggingConfiguration", "DeleteWebACL", "DisassociateWebACL"),
        ),
        Safeguard(calls=("UpdateWebACL",), about={"name": ["payments"]}),
    )


def by_hand() -> dict[str, Any]:
    """Of an event's detail: not by CloudFormation, whose deployments make the same calls.

    Root's calls are told by root-activity.
    """
    cloudformation = [{"anything-but": ["cloudformation.amazonaws.com"]}]
    absent = {"exists": False}
    return {
        "sourceIPAddress": cloudformation,
        "userIdentity": {
            "type": [absent, {"anything-but": ["Root"]}],
            "invokedBy": [absent, *cloudformation],
        },
    }
