"""Log groups: none of them is left to AWS to create, because those never expire."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

RETENTION = logs.RetentionDays.THREE_MONTHS
RETENTION_DAYS = 90
"""The same, as CloudWatch Logs counts them (R15)."""


class EncryptedLogGroup(logs.LogGroup):
    """A log group whose lines are kept 90 days (R15), under the application's key."""

    def __init__(
        self, scope: Construct, construct_id: str, *, name: str | None, key: kms.IKey
    ) -> None:
        """
        :param name: None for one that CloudFormation makes up.
        """
        super().__init__(
            scope,
            construct_id,
            log_group_name=name,
            encryption_key=key,
            retention=RETENTION,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
