"""What operators do to production's data, recorded where nobody can alter it.

CloudTrail does not tell who sent or deleted an SQS message, unless data events are paid for. So
each action leaves two objects in the audit bucket, under ``operations/``, beside the trail: one
before it and one after it. The bucket's lock (R10) keeps them, its policy refuses to overwrite or
delete them, and S3's own clock and access log stand beside the operator's word. An action that
cannot be recorded does not take place.
"""

from __future__ import annotations

import base64
import contextlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from ops.console.failure import OpsError, explain
from ops.production.stack import Production, every
from reconciliation.audit_records import unreadable

PREFIX: Final = "operations/"
_BEGUN, _ENDED = "-begun.json", "-ended.json"


@dataclass(frozen=True, kw_only=True)
class ActionRecord:
    """The record of one action.

    Attributes:
        key: of the object written before the action; the one after it ends on ``-ended.json``.
        outcome: filled by the action as it goes on; written when it ends, however it ends.
    """

    key: str
    outcome: dict[str, Any] = field(default_factory=dict)


@contextlib.contextmanager
def recorded(production: Production, action: str, **details: Any) -> Iterator[ActionRecord]:
    """Record an action, which is the block: that it begins, and how it ended.

    Args:
        details: what is to be done, to what and why; JSON.

    Raises:
        OpsError: it could not be recorded. If that was its beginning, the block did not run.
    """
    put = _putting(production)
    now = datetime.now(UTC)
    name = f"{PREFIX}{now:year=%Y/month=%m/day=%d/%Y%m%dT%H%M%S.%fZ}-{uuid.uuid4().hex[:8]}"
    head = {"action": action, "operator": production.client("sts").get_caller_identity()["Arn"]}
    record = ActionRecord(key=f"{name}{_BEGUN}")
    try:
        put(record.key, {**head, "begun_at": now.isoformat(), **details})
    except (BotoCoreError, ClientError) as error:
        raise OpsError(
            "nothing was done, since it could not be recorded in the audit bucket: "
            f"{explain(error)}"
        ) from error
    end = "done"
    try:
        yield record
    except Exception as error:
        end = f"failed: {error}"
        raise
    except BaseException:
        end = "interrupted"
        raise
    finally:
        ended_at = datetime.now(UTC).isoformat()
        try:
            put(f"{name}{_ENDED}", {**head, "ended_at": ended_at, "end": end, **record.outcome})
        except (BotoCoreError, ClientError) as error:
            raise OpsError(
                f"the action's end ({end}) could not be recorded; its beginning is, as "
                f"{record.key}: {explain(error)}"
            ) from error


@dataclass(frozen=True, kw_only=True)
class Action:
    """What an operator did with a message of a payment.

    Attributes:
        stored: when S3 got the first record, whose key it is.
    """

    stored: datetime
    key: str
    begun: Mapping[str, Any]
    ended: Mapping[str, Any]

    def __str__(self) -> str:
        reason = f", because {self.begun['reason']!r}" if "reason" in self.begun else ""
        end = self.ended.get("end", "no end is recorded")
        return (
            f"{self.begun.get('action')} by {self.begun.get('operator')}{reason}: {end}; {self.key}"
        )


def about(production: Production, transaction_id: str, since: datetime) -> Iterator[Action]:
    """Recorded actions that name a payment's message.

    Actions on whole queues (`dlq redrive --all`) name none.

    Args:
        since: records of earlier days are not read.

    Raises:
        OpsError: after all others, that some could not be read.
    """
    s3, bucket = production.client("s3"), production.output("AuditBucketName")
    listed = {
        entry["Key"]: entry
        for entry in every(
            s3,
            "list_objects_v2",
            Bucket=bucket,
            Prefix=PREFIX,
            StartAfter=f"{PREFIX}{since:year=%Y/month=%m/day=%d}",
            OptionalObjectAttributes=["RestoreStatus"],
        )
    }
    unread: dict[str, str] = {}

    def read(key: str) -> dict[str, Any]:
        if key not in listed:
            return {}
        if reason := unreadable(listed[key]):
            unread[key] = reason
            return {}
        try:
            found = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except ValueError:
            found = None
        if isinstance(found, dict):
            return found
        unread[key] = "it is no JSON object"
        return {}

    for key in listed:
        if key.endswith(_BEGUN) and _names(begun := read(key), transaction_id):
            ended = read(key.removesuffix(_BEGUN) + _ENDED)
            yield Action(stored=listed[key]["LastModified"], key=key, begun=begun, ended=ended)
    if unread:
        key, reason = next(iter(unread.items()))
        raise OpsError(f"{len(unread)} objects, such as {key}: {reason}")


def _names(begun: Mapping[str, Any], transaction_id: str) -> bool:
    messages = begun.get("messages")
    return isinstance(messages, list) and any(
        isinstance(each, dict) and each.get("transaction_id") == transaction_id for each in messages
    )


def _putting(production: Production) -> Callable[[str, dict[str, Any]], None]:
    """What puts a document into the bucket, under the key that its policy asks for by name."""
    keys = production.resources("AWS::KMS::Key")
    (key,) = (each.name for each in keys if each.construct == "AuditBucketKey")
    arn = production.client("kms").describe_key(KeyId=key)["KeyMetadata"]["Arn"]
    s3, bucket = production.client("s3"), production.output("AuditBucketName")

    def put(key: str, document: dict[str, Any]) -> None:
        s3.put_object(
            Bucket=bucket,
            Key=key,
            Body=json.dumps(document, indent=1, default=_base64).encode(),
            ContentType="application/json",
            ServerSideEncryption="aws:kms",
            SSEKMSKeyId=arn,
            IfNoneMatch="*",
        )

    return put


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
