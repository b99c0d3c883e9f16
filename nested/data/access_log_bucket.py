"""Where S3 logs who read or wrote the audit trail."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct

from building_blocks.resource_policies import deny, deny_foreign_accounts
from config import GLACIER_TRANSITION_DAYS


class AccessLogBucket(s3.Bucket):
    """S3 delivers access logs only to a bucket under S3's own keys and without a default
    retention (Amazon S3 user guide, "Enabling Amazon S3 server access logging"), so this one
    is neither under a customer-managed key nor locked. Its policy refuses deletion to everybody;
    the lifecycle, which is not bound by it, removes what is too old."""

    def __init__(self, scope: Construct, construct_id: str, *, retention_days: int) -> None:
        """
        :param retention_days: after which a log is removed: that of the audit trail.
        """
        to_glacier = Duration.days(GLACIER_TRANSITION_DAYS)
        super().__init__(
            scope,
            construct_id,
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            transition_default_minimum_object_size=(
                s3.TransitionDefaultMinimumObjectSize.VARIES_BY_STORAGE_CLASS
            ),
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="GlacierThenGone",
                    transitions=[
                        s3.Transition(
                            storage_class=s3.StorageClass.GLACIER, transition_after=to_glacier
                        )
                    ],
                    expiration=Duration.days(retention_days),
                    noncurrent_version_expiration=Duration.days(retention_days),
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                )
            ],
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        objects = self.arn_for_objects("*")
        self.add_to_resource_policy(deny_foreign_accounts(["s3:*"], [self.bucket_arn, objects]))
        self.add_to_resource_policy(
            deny("DenyDeleting", ["s3:DeleteObject", "s3:DeleteObjectVersion"], [objects])
        )
        assert self.policy is not None
        self.policy.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
