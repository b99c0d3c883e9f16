"""The network stack: everything that the other layers stand on."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import NestedStack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from building_blocks.function import FunctionNetwork
from config import ProductionConfig
from nested.network.application_key import ApplicationKey
from nested.network.default_security_group import EmptyDefaultSecurityGroup
from nested.network.permissions_boundary import PermissionsBoundary
from nested.network.security_groups import SecurityGroups
from nested.network.vpc import PaymentsVpc


@dataclass(frozen=True, kw_only=True)
class NetworkOutputs:
    """What the network layer hands on."""

    vpc: ec2.IVpc
    permissions_boundary: iam.IManagedPolicy
    """What any role of the app may do at the most."""
    application_key: kms.IKey
    """Encrypts the table, the queues, the topic and every log group."""
    ledger_clients: FunctionNetwork
    """For functions that open connections to the ledger's database."""
    functions: FunctionNetwork
    """For functions that call AWS services only."""
    database_security_group: ec2.ISecurityGroup
    ledger_port: int
    nat_gateway_ids: tuple[str, ...]


class NetworkNestedStack(NestedStack):
    """The VPC, its security groups and rules, its flow logs, the permissions boundary, and the
    application's key."""

    def __init__(self, scope: Construct, construct_id: str, *, config: ProductionConfig) -> None:
        super().__init__(
            scope,
            construct_id,
            description="Payments production, network: VPC, subnets, NAT, security groups",
        )
        boundary = PermissionsBoundary(self, "PermissionsBoundary")
        key = ApplicationKey(self, "ApplicationKey")
        network = PaymentsVpc(
            self,
            "Network",
            cidr=config.vpc_cidr,
            availability_zones=config.availability_zones,
            log_key=key,
        )
        groups = SecurityGroups(self, "SecurityGroups", vpc=network.vpc)
        EmptyDefaultSecurityGroup(self, "DefaultSecurityGroup", vpc=network.vpc, key=key)
        self.layer = NetworkOutputs(
            vpc=network.vpc,
            permissions_boundary=boundary,
            application_key=key,
            ledger_clients=FunctionNetwork(vpc=network.vpc, security_group=groups.ledger_clients),
            functions=FunctionNetwork(vpc=network.vpc, security_group=groups.functions),
            database_security_group=groups.database,
            ledger_port=groups.POSTGRESQL_PORT,
            nat_gateway_ids=network.nat_gateway_ids,
        )
