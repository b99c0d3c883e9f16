"""The audit bucket: objects are created, never overwritten."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from audit_logger.records import AuditObject


class AuditBucket:
    """Access to the bucket with an S3 client; botocore's errors pass through."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def create(self, audit_object: AuditObject) -> bool:
        """Store the object, unless there is one of its name; whether it was stored now."""
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=audit_object.key,
                Body=audit_object.content,
                ContentType="application/x-ndjson",
                ContentEncoding="gzip",
                ChecksumAlgorithm="SHA256",
                Metadata=audit_object.metadata,
                IfNoneMatch="*",
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 412:
                raise
            return False
        return True
