"""Customer-managed KMS keys."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct


class CustomerManagedKey(kms.Key):
    """A symmetric key that is rotated every year and survives its stack.

    Losing the key is losing what it encrypts, so it stays when the stack is deleted; only a
    first creation that fails takes it along.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        alias: str,
        description: str,
        service_statements: Sequence[iam.PolicyStatement] = (),
    ) -> None:
        """
        :param alias: without the ``alias/`` prefix.
        :param service_statements: which AWS services may use the key, and for what. The
            account's administrators come in addition; functions are admitted by their roles.
        """
        super().__init__(
            scope,
            construct_id,
            alias=alias,
            description=description,
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        for statement in service_statements:
            self.add_to_resource_policy(statement)


def use_key_through(
    service: str, key: kms.IKey, actions: Sequence[str], *, sid: str
) -> iam.PolicyStatement:
    """Lets a function's key use happen only inside calls to one AWS service.

    :param service: the service's endpoint prefix, such as ``dynamodb``.
    """
    return iam.PolicyStatement(
        sid=sid,
        actions=list(actions),
        resources=[key.key_arn],
        conditions={"StringEquals": {"kms:ViaService": f"{service}.{Aws.REGION}.amazonaws.com"}},
    )
