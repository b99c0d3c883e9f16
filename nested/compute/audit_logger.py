"""audit-logger: writes the audit trail."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from building_blocks.bundle import FunctionCode
from building_blocks.function import PythonFunction
from building_blocks.key import use_key_through
from config import ProductionConfig
from nested.data import DataOutputs
from nested.network import NetworkOutputs


class AuditLogger(PythonFunction):
    """Is fed by the table's stream, so that no change of a payment can pass it by."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: ProductionConfig,
        network: NetworkOutputs,
        data: DataOutputs,
    ) -> None:
        bucket, failures = data.audit_bucket, data.audit_failure_queue
        stream_arn = data.transactions_table.table_stream_arn
        assert stream_arn is not None, "the audit trail is fed by the table's stream"
        super().__init__(
            scope,
            construct_id,
            name="audit-logger",
            description="Logs all payment activity to the audit bucket",
            code=FunctionCode(package="audit_logger", shared_packages=("payments", "audit_trail")),
            key=network.application_key,
            dead_letter_queue=data.failed_invocations_queue,
            network=network.functions,
            reserved_concurrency=config.audit_logger_concurrency,
            environment={
                "AUDIT_BUCKET": bucket.bucket_name,
                "AUDIT_KEY_ARN": data.audit_key.key_arn,
            },
            statements=[
                iam.PolicyStatement(
                    sid="ReadTheTablesStream",
                    actions=[
                        "dynamodb:DescribeStream",
                        "dynamodb:GetRecords",
                        "dynamodb:GetShardIterator",
                    ],
                    # By the table, whose stream is another one after a restore: the mapping to it
                    # is refused until the role may read it.
                    resources=[f"{data.transactions_table.table_arn}/stream/*"],
                ),
                iam.PolicyStatement(
                    sid="FindTheTablesStream",
                    # ListStreams knows no resource.
                    actions=["dynamodb:ListStreams"],
                    resources=["*"],
                ),
                use_key_through(
                    "dynamodb", network.application_key, ["kms:Decrypt"], sid="UseTheStreamsKey"
                ),
                iam.PolicyStatement(
                    sid="ReadAndAddAuditObjects",
                    # It reads those at the trail's end: the chain, and what was stored before.
                    actions=["s3:GetObject", "s3:PutObject"],
                    resources=[bucket.arn_for_objects("year=*")],
                ),
                iam.PolicyStatement(
                    sid="FindTheTrailsEnd",
                    actions=["s3:ListBucket"],
                    resources=[bucket.bucket_arn],
                ),
                use_key_through(
                    "s3",
                    data.audit_key,
                    ["kms:Decrypt", "kms:GenerateDataKey"],
                    sid="UseTheBucketsKey",
                ),
                iam.PolicyStatement(
                    sid="SetAsideFailedBatches",
                    actions=["sqs:SendMessage"],
                    resources=[failures.queue_arn],
                ),
            ],
        )
        # The construct of this name would add grants of its own for the destination.
        lambda_.CfnEventSourceMapping(
            self,
            "TableStream",
            function_name=self.live.function_arn,
            event_source_arn=stream_arn,
            starting_position="TRIM_HORIZON",
            # One object a batch: S3 asks money for each, and Glacier ten times that. Larger
            # batches also catch up sooner after an outage.
            batch_size=500,
            maximum_batching_window_in_seconds=config.audit_batching_seconds,
            bisect_batch_on_function_error=True,
            function_response_types=["ReportBatchItemFailures"],
            # A stream keeps a record for a day. What keeps failing is tried for half of that,
            # however often, and then set aside.
            maximum_retry_attempts=-1,
            maximum_record_age_in_seconds=12 * 60 * 60,
            destination_config=lambda_.CfnEventSourceMapping.DestinationConfigProperty(
                on_failure=lambda_.CfnEventSourceMapping.OnFailureProperty(
                    destination=failures.queue_arn
                )
            ),
        )
