"""The network stack: everything that the other layers stand on."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import NestedStack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from constructs import Construct

from building_blocks.function import FunctionNetwork
from config import ProductionConfig
from nested.network.default_security_group import EmptyDefaultSecurityGroup
from nested.network.security_groups import SecurityGroups
from nested.network.vpc import PaymentsVpc


@dataclass(frozen=True, kw_only=True)
class NetworkOutputs:
    """What the network layer hands on."""

    vpc: ec2.IVpc
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
    """The VPC, its security groups and rules, and its flow logs."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: ProductionConfig,
        application_key: kms.IKey,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            description=f"Payments {config.environment}, network: "
            "VPC, subnets, NAT, security groups",
        )
        network = PaymentsVpc(
            self,
            "Network",
            cidr=config.vpc_cidr,
            availability_zones=config.availability_zones,
            log_key=application_key,
        )
        groups = SecurityGroups(self, "SecurityGroups", vpc=network.vpc)
        EmptyDefaultSecurityGroup(
            self, "DefaultSecurityGroup", vpc=network.vpc, key=application_key
        )
        self.layer = NetworkOutputs(
            vpc=network.vpc,
            application_key=application_key,
            ledger_clients=FunctionNetwork(vpc=network.vpc, security_group=groups.ledger_clients),
            functions=FunctionNetwork(vpc=network.vpc, security_group=groups.functions),
            database_security_group=groups.database,
            ledger_port=groups.POSTGRESQL_PORT,
            nat_gateway_ids=network.nat_gateway_ids,
        )
