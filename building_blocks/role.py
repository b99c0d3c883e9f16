"""The one way in which this app makes a role."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import Construct


class ServiceRole(iam.Role):
    """A role for one AWS service, with one policy that is written for it and attached to nothing
    else. What it may do at the most, the app's permissions boundary says."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        service: str,
        purpose: str,
        statements: Sequence[iam.PolicyStatement],
        for_own_account_only: bool = True,
    ) -> None:
        """
        :param service: its principal, such as ``lambda.amazonaws.com``.
        :param purpose: for the description, as in "Lets the VPC write its flow logs".
        :param for_own_account_only: whether the service must name this account as the one for
            which it acts (``aws:SourceAccount``); Lambda and API Gateway name none.
        """
        own_account = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
        super().__init__(
            scope,
            construct_id,
            description=purpose,
            assumed_by=iam.ServicePrincipal(
                service, conditions=own_account if for_own_account_only else None
            ),
        )
        self.policy = iam.ManagedPolicy(
            self, "Policy", description=purpose, roles=[self], statements=list(statements)
        )
