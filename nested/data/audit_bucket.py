"""The tamper-evident audit trail's bucket (R10)."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct

from building_blocks.key import CustomerManagedKey
from config import GLACIER_TRANSITION_DAYS


class AuditBucket(Construct):
    """Versioned, locked against deletion, under a key of its own (R18), in Glacier after 90 days.

    The lock is in governance mode: nobody in the app may lift it, but the account's owner can,
    as the answer to an erasure order.
    """

    def __init__(self, scope: Construct, construct_id: str, *, retention_days: int) -> None:
        """
        :param retention_days: how long each object version is locked.
        """
        super().__init__(scope, construct_id)
        self.key = CustomerManagedKey(
            self, "Key", alias="payments/audit", description="Payments production: audit bucket"
        )
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
