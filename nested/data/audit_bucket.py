"""The tamper-evident audit trail's bucket (R10)."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from building_blocks.key import CustomerManagedKey
from building_blocks.resource_policies import deny, deny_foreign_accounts
from config import GLACIER_TRANSITION_DAYS
from nested.data.access_log_bucket import AccessLogBucket


class AuditBucket(Construct):
    """Versioned, locked against deletion, under a key of its own (R18), in Glacier after 90 days.
    Who reads or writes it is logged in a bucket of its own.

    The lock is in governance mode: nobody in the app may lift it, but the account's owner can,
    as the answer to an erasure order.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, environment: str, retention_days: int
    ) -> None:
        """
        :param retention_days: how long each object version is locked.
        """
        super().__init__(scope, construct_id)
        self.key = CustomerManagedKey(
            self,
            "Key",
            alias="payments/audit",
            description=f"Payments {environment}: audit bucket",
            through=["s3"],
            keeps_grants=False,
        )
        self.access_logs = AccessLogBucket(self, "AccessLogs", retention_days=retention_days)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            server_access_logs_bucket=self.access_logs,
            server_access_logs_prefix="audit/",
            versioned=True,
            object_lock_enabled=True,
            object_lock_default_retention=s3.ObjectLockRetention.governance(
                Duration.days(retention_days)
            ),
            # S3's default leaves objects below 128 KB where they are; audit objects are smaller.
            transition_default_minimum_object_size=(
                s3.TransitionDefaultMinimumObjectSize.VARIES_BY_STORAGE_CLASS
            ),
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="GlacierAfter90Days",
                    transitions=[
                        s3.Transition(
                            storage_class=s3.StorageClass.GLACIER,
                            transition_after=Duration.days(GLACIER_TRANSITION_DAYS),
                        )
                    ],
                    noncurrent_version_transitions=[
                        s3.NoncurrentVersionTransition(
                            storage_class=s3.StorageClass.GLACIER,
                            transition_after=Duration.days(GLACIER_TRANSITION_DAYS),
                        )
                    ],
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                )
            ],
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        for statement in self._guards():
            self.bucket.add_to_resource_policy(statement)
        # The trail outlives the stack, and so do its guards.
        assert self.bucket.policy is not None
        self.bucket.policy.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)

    def _guards(self) -> list[iam.PolicyStatement]:
        """Who writes must ask for this key, and can neither overwrite nor delete.

        That an object must be new is asked of every write: parts of a multipart upload and copies,
        which cannot say so, are refused. An audit object is a single, small put.
        """
        objects = [self.bucket.arn_for_objects("*")]
        put = ["s3:PutObject"]
        return [
            deny_foreign_accounts(["s3:*"], [self.bucket.bucket_arn, *objects]),
            deny(
                "DenyUnencryptedObjects",
                put,
                objects,
                {"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}},
            ),
            deny(
                "DenyObjectsUnderOtherKeys",
                put,
                objects,
                {
                    "StringNotEquals": {
                        "s3:x-amz-server-side-encryption-aws-kms-key-id": self.key.key_arn
                    }
                },
            ),
            deny("DenyOverwriting", put, objects, {"Null": {"s3:if-none-match": "true"}}),
            # Versions are locked, but a delete marker would hide an object from those who list.
            deny("DenyDeleting", ["s3:DeleteObject", "s3:DeleteObjectVersion"], objects),
        ]
