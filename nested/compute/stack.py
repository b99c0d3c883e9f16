"""The compute stack: the three functions, how they are released, and the API with its guards."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import NestedStack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from config import ProductionConfig
from foundation import ReleaseTest
from nested.compute.api import PaymentsApi
from nested.compute.api_address import ApiAddress
from nested.compute.audit_logger import AuditLogger
from nested.compute.payment_processor import PaymentProcessor
from nested.compute.payment_validator import PaymentValidator
from nested.compute.releases import Releases
from nested.compute.web_firewall import WebFirewall
from nested.data import DataOutputs
from nested.network import NetworkOutputs


@dataclass(frozen=True, kw_only=True)
class ComputeOutputs:
    """What the compute layer hands on."""

    api: apigateway.RestApi
    api_domain: apigateway.CfnDomainName | None
    """If there is an address besides the API's own."""
    api_key: apigateway.IApiKey
    payment_validator: lambda_.Function
    payment_processor: lambda_.Function
    audit_logger: lambda_.Function
    outbox_sweep: events.IRule
    """The schedule of payment-processor's sweep."""


class ComputeNestedStack(NestedStack):
    """payment-validator, payment-processor and audit-logger (R5), and the REST API (R7, R8)."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: ProductionConfig,
        network: NetworkOutputs,
        data: DataOutputs,
        release_test: ReleaseTest,
    ) -> None:
        """:param release_test: tries new versions before clients reach them."""
        super().__init__(
            scope,
            construct_id,
            description=f"Payments {config.environment}, compute: payment functions and their API",
        )
        validator = PaymentValidator(
            self, "PaymentValidator", config=config, network=network, data=data
        )
        processor = PaymentProcessor(
            self, "PaymentProcessor", config=config, network=network, data=data
        )
        audit_logger = AuditLogger(self, "AuditLogger", config=config, network=network, data=data)
        api = PaymentsApi(
            self,
            "Api",
            config=config,
            log_key=network.application_key,
            functions={
                "payment-validator": validator.live,
                "payment-processor": processor.live,
            },
        )
        Releases(
            self,
            "Releases",
            by_canary=[validator, processor],
            # Its batches go one after the other, whichever version takes them: a version that
            # fails one of ten would hold up the whole trail, and prove nothing. What it fails to
            # write stays in the stream for half a day, and the operators are told.
            at_once=[audit_logger],
            before_clients=release_test,
        )
        WebFirewall(
            self,
            "Firewall",
            api=api.rest_api,
            log_key=network.application_key,
            requests_per_5_minutes=config.waf_requests_per_5_minutes,
        )
        address = (
            ApiAddress(
                self,
                "Address",
                domain_name=config.api_domain_name,
                certificate_arn=config.certificate_arn,
                api=api.rest_api,
            )
            if config.api_domain_name
            else None
        )
        self.layer = ComputeOutputs(
            api=api.rest_api,
            api_domain=address.domain if address else None,
            api_key=api.key,
            payment_validator=validator.function,
            payment_processor=processor.function,
            audit_logger=audit_logger.function,
            outbox_sweep=processor.outbox_sweep,
        )
