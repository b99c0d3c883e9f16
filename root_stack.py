"""The root stack: owns the four layers and wires them, in one direction."""

from __future__ import annotations

from typing import TypeVar

from aws_cdk import CfnOutput, CfnResource, Environment, NestedStack, Stack, Tags
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from building_blocks.dependencies import depend_only_on
from config import ProductionConfig
from foundation import (
    ApplicationKey,
    MonitoringRole,
    PermissionsBoundary,
    ReleaseTest,
    SharedLogGroups,
    TerminationProtection,
)
from nested.compute import ComputeNestedStack
from nested.data import DataNestedStack, ProductionSeal
from nested.network import NetworkNestedStack
from nested.observability import ObservabilityNestedStack


class PaymentsProd(Stack):
    """Production, as one CloudFormation unit: it goes up, or rolls back, as a whole (S1, S2).
    Staging is the same, under another name and with other settings.

    Network ──► Data ──► Compute ──► Observability: each layer is handed what it needs from the
    layers before it, so that no later layer can be needed by an earlier one. The seal comes last:
    it protects the data against deletion once everything stands (docs/decisions/0007). What lifts
    the stack's own protection when its creation fails comes first (0009).
    """

    def __init__(self, scope: Construct, construct_id: str, *, config: ProductionConfig) -> None:
        super().__init__(
            scope,
            construct_id,
            description=f"Payments {config.environment}: network, data, compute, observability",
            # The account is the deployer's; templates hold no account number.
            env=Environment(region=config.region),
            termination_protection=True,
            tags=config.tags,
        )
        for key, value in config.tags.items():
            Tags.of(self).add(key, value)
        iam.PermissionsBoundary.of(self).apply(
            PermissionsBoundary(self, "PermissionsBoundary", environment=config.environment)
        )
        application_key = ApplicationKey(self, "ApplicationKey", environment=config.environment)
        lifted = TerminationProtection(self, "TerminationProtection", key=application_key)
        shared_log_groups = SharedLogGroups(
            self, "SharedLogGroups", key=application_key, tags=config.tags
        )
        monitoring_role = MonitoringRole(self, "MonitoringRole")
        release_test = ReleaseTest(self, "ReleaseTest", key=application_key)
        for early in (shared_log_groups, monitoring_role, release_test):
            early.node.add_dependency(lifted.resource)
        network = _layer(
            NetworkNestedStack(
                self, "NetworkNestedStack", config=config, application_key=application_key
            ),
            *shared_log_groups.resources,
            monitoring_role.policy,
        )
        data = _layer(
            DataNestedStack(
                self,
                "DataNestedStack",
                config=config,
                network=network.layer,
                monitoring_role=monitoring_role,
            )
        )
        compute = _layer(
            ComputeNestedStack(
                self,
                "ComputeNestedStack",
                config=config,
                network=network.layer,
                data=data.layer,
                release_test=release_test,
            )
        )
        observability = _layer(
            ObservabilityNestedStack(
                self,
                "ObservabilityNestedStack",
                config=config,
                network=network.layer,
                data=data.layer,
                compute=compute.layer,
            )
        )
        seal = ProductionSeal(self, "ProductionSeal", provider=data.layer.seal_provider)
        # After the data layer it is by what it refers to.
        seal.node.add_dependency(*(_resource(layer) for layer in (network, compute, observability)))
        ledger = data.layer.ledger
        outputs = {
            "ApiUrl": (compute.layer.api.url, "Base address of the payments API"),
            "ApiKeyId": (
                compute.layer.api_key.key_id,
                "The first API key. Values, of those that are valid: python -m ops api-key show",
            ),
            "TransactionsTableName": (
                data.layer.transactions_table.table_name,
                "The payments' history",
            ),
            "AuditBucketName": (data.layer.audit_bucket.bucket_name, "The audit trail"),
            "RetryQueueUrl": (data.layer.retry_queue.queue_url, "Payments to be retried"),
            "LedgerEndpoint": (
                ledger.instance.db_instance_endpoint_address,
                "Host name of the ledger's database, inside the VPC",
            ),
            "LedgerPort": (ledger.instance.db_instance_endpoint_port, "Its port"),
            "LedgerSecretArn": (
                ledger.master_secret_arn,
                "The secret with the ledger's master user and password, managed by RDS",
            ),
            "LedgerReaderName": (
                data.layer.ledger_reader.function_name,
                "The function that reads the ledger, for `python -m ops`",
            ),
            "AlertsTopicArn": (
                observability.layer.alerts_topic.topic_arn,
                "Where alarms are published; its e-mail subscription must be confirmed",
            ),
            "DashboardName": (
                observability.layer.dashboard_name,
                "The CloudWatch dashboard",
            ),
        }
        if domain := compute.layer.api_domain:
            outputs |= {
                "ApiAddress": (f"https://{domain.ref}/", "What clients call, once DNS leads there"),
                "ApiAddressTarget": (
                    domain.attr_regional_domain_name,
                    "Where its record in DNS must lead: an alias (A), or a CNAME",
                ),
                "ApiAddressHostedZoneId": (
                    domain.attr_regional_hosted_zone_id,
                    "The hosted zone of that target, for an alias",
                ),
            }
        for name, (value, description) in outputs.items():
            CfnOutput(self, name, value=value, description=description)


_Layer = TypeVar("_Layer", bound=NestedStack)


def _layer(stack: _Layer, *after: IConstruct) -> _Layer:
    """Gives the nested stack its class's name in the console, without CDK's suffixes.

    :param after: what it waits for, besides the layers that it is handed something from.
    """
    resource = _resource(stack)
    resource.override_logical_id(stack.node.id)
    depend_only_on(resource, *after)
    return stack


def _resource(stack: NestedStack) -> CfnResource:
    """The nested stack, as a resource of the root."""
    resource = stack.nested_stack_resource
    if not isinstance(resource, CfnResource):
        raise TypeError(f"{stack.node.path} is not nested")
    return resource
