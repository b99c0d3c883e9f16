"""payments-reconciliation: looks every night whether ledger, history and audit trail agree."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from building_blocks.bundle import FunctionCode
from building_blocks.function import PythonFunction
from building_blocks.key import use_key_through, use_table_key
from nested.data.audit_bucket import AuditBucket
from nested.network import NetworkOutputs

_LONGEST_SECONDS = 900
"""Lambda's limit."""

_MEMORY_MB = 1769
"""One whole CPU (AWS Lambda developer guide, "Configure Lambda function memory")."""

_STORAGE_MB = 2048
"""The day stands in a database of SQLite while it is compared: about 400 bytes a payment."""

_TASKS = {"compare": "30", "walk": "50"}
"""Minutes after two (UTC): the day is over, its last records are audited, and the database's own
windows have not begun. A task takes a quarter of an hour at most, so that they do not meet."""


class Reconciliation(PythonFunction):
    """It only reads, the ledger through the operators' reader: no second login, no second SQL.

    No payment passes through it, so it has no alias, and executions of its own: one.
    """

    NAME = "payments-reconciliation"

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        network: NetworkOutputs,
        ledger_reader: lambda_.IFunction,
        table: dynamodb.ITable,
        audit: AuditBucket,
        dead_letter_queue: sqs.IQueue,
    ) -> None:
        bucket = audit.bucket
        super().__init__(
            scope,
            construct_id,
            name=self.NAME,
            description="Compares ledger, history and audit trail every night, and walks the trail",
            code=FunctionCode(
                package="reconciliation", shared_packages=("payments", "audit_trail")
            ),
            key=network.application_key,
            dead_letter_queue=dead_letter_queue,
            network=network.functions,
            memory_mb=_MEMORY_MB,
            timeout_seconds=_LONGEST_SECONDS,
            environment={
                "LEDGER_READER": ledger_reader.function_name,
                "TRANSACTIONS_TABLE": table.table_name,
                "AUDIT_BUCKET": bucket.bucket_name,
            },
            statements=[
                iam.PolicyStatement(
                    sid="AskForTheLedger",
                    actions=["lambda:InvokeFunction"],
                    resources=[ledger_reader.function_arn],
                ),
                iam.PolicyStatement(
                    sid="ReadHistory",
                    actions=["dynamodb:BatchGetItem"],
                    resources=[table.table_arn],
                ),
                use_table_key(network.application_key),
                iam.PolicyStatement(
                    sid="ReadAuditTrail",
                    actions=["s3:GetObject", "s3:GetObjectVersion"],
                    resources=[bucket.arn_for_objects("year=*")],
                ),
                iam.PolicyStatement(
                    sid="ListAuditTrail",
                    actions=["s3:ListBucket", "s3:ListBucketVersions"],
                    resources=[bucket.bucket_arn],
                ),
                use_key_through("s3", audit.key, ["kms:Decrypt"], sid="UseTheBucketsKey"),
                # What it judges it must not make, whatever it comes to be allowed.
                iam.PolicyStatement(
                    sid="DenyAdding",
                    effect=iam.Effect.DENY,
                    actions=["dynamodb:PartiQLInsert", "dynamodb:PutItem", "s3:PutObject"],
                    resources=["*"],
                ),
            ],
        )
        resource = self.function.node.default_child
        assert isinstance(resource, lambda_.CfnFunction)
        resource.ephemeral_storage = lambda_.CfnFunction.EphemeralStorageProperty(size=_STORAGE_MB)
        # By its ARN: the queue's own policy admits the account's rules already.
        failed = sqs.Queue.from_queue_arn(self, "FailedInvocations", dead_letter_queue.queue_arn)
        for task, minute in _TASKS.items():
            events.Rule(
                self,
                f"{task.capitalize()}Nightly",
                description=f"Has {self.NAME} {task} the day before",
                schedule=events.Schedule.cron(hour="2", minute=minute),
                targets=[
                    targets.LambdaFunction(
                        self.function,
                        event=events.RuleTargetInput.from_object({"task": task}),
                        max_event_age=Duration.hours(2),
                        dead_letter_queue=failed,
                    )
                ],
            )
