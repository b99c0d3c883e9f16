"""What the policies of more than one payment function say."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from building_blocks.key import use_key_through


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
