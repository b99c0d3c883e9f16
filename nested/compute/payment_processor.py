"""payment-processor: posts approved payments to the ledger."""

from __future__ import annotations

from aws_cdk import Aws, Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from building_blocks import operations
from building_blocks.bundle import FunctionCode
from building_blocks.dependencies import depend_only_on
from building_blocks.function import LIVE, PythonFunction
from building_blocks.key import use_table_key
from config import ProductionConfig
from nested.data import DataOutputs
from nested.network import NetworkOutputs


class PaymentProcessor(PythonFunction):
    """Serves its operations, works off the retry queue, and every minute delivers what a function
    that died left in the outbox."""

    LEDGER_USER = "payment_processor"
    """The database user that the migrations create; it logs in with IAM."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: ProductionConfig,
        network: NetworkOutputs,
        data: DataOutputs,
    ) -> None:
        table, queue, ledger = data.transactions_table, data.retry_queue, data.ledger
        super().__init__(
            scope,
            construct_id,
            name="payment-processor",
            description="Posts approved payments to the ledger "
            f"({operations.of('payment-processor')})",
            code=FunctionCode(package="payment_processor", shared_packages=("payments", "ledger")),
            key=network.application_key,
            dead_letter_queue=data.failed_invocations_queue,
            network=network.ledger_clients,
            reserved_concurrency=config.processor_concurrency,
            environment={
                "TRANSACTIONS_TABLE": table.table_name,
                "RETRY_QUEUE_URL": queue.queue_url,
                **ledger.client_environment(self.LEDGER_USER),
            },
            statements=[
                iam.PolicyStatement(
                    sid="ReadAndAppendHistory",
                    # GetItem for the release before, whose functions run beside these for a while.
                    actions=["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
                    resources=[table.table_arn],
                ),
                use_table_key(network.application_key),
                iam.PolicyStatement(
                    sid="SendAndReceiveRetries",
                    actions=[
                        "sqs:ChangeMessageVisibility",
                        "sqs:DeleteMessage",
                        "sqs:GetQueueAttributes",
                        "sqs:ReceiveMessage",
                        "sqs:SendMessage",
                    ],
                    resources=[queue.queue_arn],
                ),
                iam.PolicyStatement(
                    sid="LogInToLedger",
                    actions=["rds-db:connect"],
                    resources=[
                        f"arn:{Aws.PARTITION}:rds-db:{Aws.REGION}:{Aws.ACCOUNT_ID}:dbuser:"
                        f"{ledger.resource_id}/{self.LEDGER_USER}"
                    ],
                ),
            ],
        )
        lambda_.EventSourceMapping(
            self,
            "Retries",
            target=self.live,
            event_source_arn=queue.queue_arn,
            # A message that is received counts as tried, and one that waits for others of its batch
            # is not: with batches, one payment that the ledger keeps waiting would use up the
            # tries of nine others.
            batch_size=1,
            # Leaves the other executions, and their database connections, to the API. Without it,
            # SQS's pollers would take up to 1,000 messages' batches, meet the reserved concurrency,
            # and each refusal would count as a delivery (AWS Lambda developer guide,
            # "Configuring maximum concurrency for Amazon SQS event sources").
            max_concurrency=config.retry_concurrency,
            report_batch_item_failures=True,
        )
        self.outbox_sweep = events.Rule(
            self,
            "OutboxSweep",
            description="Delivers ledger events that a function could not deliver itself",
            schedule=events.Schedule.rate(Duration.minutes(1)),
            targets=[
                targets.LambdaFunction(
                    self.live,
                    event=events.RuleTargetInput.from_object({"task": "sweep-outbox"}),
                    retry_attempts=0,
                    # By its ARN: the queue, in another stack, has its policy there already.
                    dead_letter_queue=sqs.Queue.from_queue_arn(
                        self, "FailedInvocations", data.failed_invocations_queue.queue_arn
                    ),
                )
            ],
        )
        # The next sweep comes in a minute; an old one has nothing to add. EventBridge's retries
        # (above) and Lambda's own are two different things.
        sweep_once = lambda_.EventInvokeConfig(
            self,
            "SweepOnce",
            function=self.function,
            qualifier=LIVE,
            retry_attempts=0,
            max_event_age=Duration.minutes(1),
        )
        depend_only_on(sweep_once, self.live)
