"""Log groups: none of them is left to AWS to create, because those never expire."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from config import DAYS_OF_LOGS

assert DAYS_OF_LOGS == 90, "the retention below is an enumeration, so it cannot follow the number"


class EncryptedLogGroup(logs.LogGroup):
    """A log group of known name, kept 90 days (R15), under the application's key."""

    def __init__(self, scope: Construct, construct_id: str, *, name: str, key: kms.IKey) -> None:
        super().__init__(
            scope,
            construct_id,
            log_group_name=name,
            encryption_key=key,
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
