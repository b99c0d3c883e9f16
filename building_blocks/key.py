"""Customer-managed KMS keys."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from building_blocks.resource_policies import deny_plain_http

_USE = (
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)

_ADMINISTER = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)


class CustomerManagedKey(kms.Key):
    """A symmetric key that is rotated every year and survives its stack.

    The account's administrators administer it, but nobody, they included, can use it other than
    through the services that hold what it encrypts; that is also how AWS's own keys are guarded.
    Who may use it through them is for the policies of roles to say.

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
        through: Sequence[str],
        keeps_grants: bool,
        service_statements: Sequence[iam.PolicyStatement] = (),
    ) -> None:
        """
        :param alias: without the ``alias/`` prefix.
        :param through: endpoint prefixes of the services through which this account's principals
            may use the key, such as ``dynamodb``.
        :param keeps_grants: whether those services keep using the key by a grant, as tables and
            databases do.
        :param service_statements: what AWS services may do on their own account, without a
            principal of ours behind them.
        """
        own_principals_through_services = {
            "kms:CallerAccount": Aws.ACCOUNT_ID,
            "kms:ViaService": [_endpoint(service) for service in through],
        }
        statements = [
            iam.PolicyStatement(
                sid="AccountAdministersKey",
                principals=[iam.AccountRootPrincipal()],
                actions=list(_ADMINISTER),
                resources=["*"],
            ),
            iam.PolicyStatement(
                sid="AccountUsesKeyThroughServices",
                principals=[iam.AccountRootPrincipal()],
                actions=list(_USE),
                resources=["*"],
                conditions={"StringEquals": own_principals_through_services},
            ),
        ]
        if keeps_grants:
            statements.append(
                iam.PolicyStatement(
                    sid="ServicesKeepGrants",
                    principals=[iam.AccountRootPrincipal()],
                    actions=["kms:CreateGrant"],
                    resources=["*"],
                    conditions={
                        "Bool": {"kms:GrantIsForAWSResource": "true"},
                        "StringEquals": own_principals_through_services,
                    },
                )
            )
        # No statement admits another account, and none denies it: a denial beats a grant, and RDS
        # opens its volumes under grants, perhaps by principals that are not of this account.
        statements += [*service_statements, deny_plain_http(["kms:*"], ["*"])]
        super().__init__(
            scope,
            construct_id,
            alias=alias,
            description=description,
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
            policy=iam.PolicyDocument(statements=statements),
        )


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
        conditions={"StringEquals": {"kms:ViaService": _endpoint(service)}},
    )


def use_table_key(key: kms.IKey) -> iam.PolicyStatement:
    """DynamoDB asks for these of whoever reads or writes a table under a customer-managed key
    (DynamoDB developer guide, "Encryption at rest: usage notes")."""
    return use_key_through(
        "dynamodb",
        key,
        [
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:Encrypt",
            "kms:GenerateDataKey",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        ],
        sid="UseTheTablesKey",
    )


def _endpoint(service: str) -> str:
    return f"{service}.{Aws.REGION}.amazonaws.com"
