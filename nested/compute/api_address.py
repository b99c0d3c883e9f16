"""The address that clients keep, whatever becomes of the API behind it."""

from __future__ import annotations

from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from nested.compute.api import ENDPOINT_ACCESS_MODE, SECURITY_POLICY


class ApiAddress(Construct):
    """A regional custom domain that leads to the API's stage.

    The record in DNS is the domain's owner's to make: this stack may stand in another account
    than the zone. The API's own address goes on serving, under the same keys, throttles and
    firewall, which belong to the stage: who calls it is not cut off when a domain is added, before
    its record is there, or while a certificate has run out.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        domain_name: str,
        certificate_arn: str,
        api: apigateway.RestApi,
    ) -> None:
        super().__init__(scope, construct_id)
        self.domain = apigateway.CfnDomainName(
            self,
            "DomainName",
            domain_name=domain_name,
            regional_certificate_arn=certificate_arn,
            endpoint_configuration=apigateway.CfnDomainName.EndpointConfigurationProperty(
                types=["REGIONAL"]
            ),
            security_policy=SECURITY_POLICY,
            endpoint_access_mode=ENDPOINT_ACCESS_MODE,
        )
        apigateway.CfnBasePathMapping(
            self,
            "Mapping",
            domain_name=self.domain.ref,
            rest_api_id=api.rest_api_id,
            stage=api.deployment_stage.stage_name,
        )
