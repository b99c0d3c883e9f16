"""Statements that every resource policy of the app has: who is refused whatever else is allowed."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_iam as iam


def deny_plain_http(actions: Sequence[str], resources: Sequence[str]) -> iam.PolicyStatement:
    """Refuses requests that are not made over TLS."""
    return deny("DenyPlainHttp", actions, resources, {"Bool": {"aws:SecureTransport": "false"}})


def deny_foreign_accounts(actions: Sequence[str], resources: Sequence[str]) -> iam.PolicyStatement:
    """Refuses principals of other accounts. AWS's services, which belong to no account, are
    admitted one by one, with the account for which they act.

    The two conditions are those of AWS's data perimeter ("Establishing a data perimeter on AWS").
    """
    return deny(
        "DenyForeignAccounts",
        actions,
        resources,
        {
            "StringNotEqualsIfExists": {"aws:PrincipalAccount": Aws.ACCOUNT_ID},
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        },
    )


def deny(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    conditions: dict[str, object] | None = None,
) -> iam.PolicyStatement:
    """Refuses actions to everybody."""
    return iam.PolicyStatement(
        sid=sid,
        effect=iam.Effect.DENY,
        principals=[iam.AnyPrincipal()],
        actions=list(actions),
        resources=list(resources),
        conditions=conditions,
    )
