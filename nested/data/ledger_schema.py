"""The ledger's schema, migrated as a part of the deployment."""

from __future__ import annotations

import hashlib
from pathlib import Path

from aws_cdk import CustomResource
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from building_blocks.bundle import SOURCES, FunctionCode, source_bytes
from building_blocks.custom_resource import service_timeout, try_once
from building_blocks.function import PythonFunction
from building_blocks.key import use_key_through
from nested.data.ledger_database import LedgerDatabase
from nested.network import NetworkOutputs

MIGRATIONS = SOURCES / "ledger_schema" / "migrations"

MIGRATION_TIMEOUT_SECONDS = 300
"""Longer than a payment may take, and far below Lambda's limit of 900."""


def _fingerprint(migration: Path) -> str:
    return f"{migration.name}:{hashlib.sha256(source_bytes(migration)).hexdigest()}"


class LedgerSchema(Construct):
    """Runs the SQL migrations when there are new ones; a failing one fails the deployment, and
    so rolls back the whole unit."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        ledger: LedgerDatabase,
        network: NetworkOutputs,
        dead_letter_queue: sqs.IQueue,
    ) -> None:
        super().__init__(scope, construct_id)
        instance = ledger.instance
        provider = PythonFunction(
            self,
            "Provider",
            name="payments-ledger-schema",
            description="Migrates the ledger's schema during a deployment",
            code=FunctionCode(
                package="ledger_schema", shared_packages=("ledger", "custom_resource")
            ),
            key=network.application_key,
            network=network.ledger_clients,
            dead_letter_queue=dead_letter_queue,
            timeout_seconds=MIGRATION_TIMEOUT_SECONDS,
            environment={
                "LEDGER_HOST": instance.db_instance_endpoint_address,
                "LEDGER_PORT": instance.db_instance_endpoint_port,
                "LEDGER_DATABASE": ledger.DATABASE_NAME,
                "MASTER_SECRET_ARN": ledger.master_secret_arn,
            },
            statements=[
                iam.PolicyStatement(
                    sid="ReadMasterSecret",
                    actions=["secretsmanager:GetSecretValue"],
                    resources=[ledger.master_secret_arn],
                ),
                use_key_through(
                    "secretsmanager", ledger.key, ["kms:Decrypt"], sid="DecryptMasterSecret"
                ),
            ],
        )
        self.resource = CustomResource(
            self,
            "Schema",
            resource_type="Custom::LedgerSchema",
            service_token=provider.function.function_arn,
            service_timeout=service_timeout(MIGRATION_TIMEOUT_SECONDS),
            properties={
                # One that was restored may be as it was before the last of them.
                "DatabaseResourceId": ledger.resource_id,
                "Migrations": [_fingerprint(file) for file in sorted(MIGRATIONS.glob("*.sql"))],
            },
        )
        self.resource.node.add_dependency(try_once(provider))
