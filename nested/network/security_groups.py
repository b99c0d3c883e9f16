"""Every security group and every rule of the app (R3).

They all stand here, so that no rule can tie two of the other stacks into a circle.
"""

from __future__ import annotations

from aws_cdk import aws_ec2 as ec2
from constructs import Construct


class SecurityGroups(Construct):
    """Who may open a connection to whom:

    ====================  ==========================================
    from                  to
    ====================  ==========================================
    ledger clients        the ledger's database, 5432
    ledger clients        AWS services through NAT and endpoints, 443
    functions             AWS services through NAT and endpoints, 443
    ====================  ==========================================

    Nothing else may connect to anything. Security groups are stateful: answers need no rule.
    """

    POSTGRESQL_PORT = 5432

    def __init__(self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc) -> None:
        super().__init__(scope, construct_id)
        self.database = self._group("Database", vpc, "Ledger database")
        self.ledger_clients = self._group(
            "LedgerClients", vpc, "Functions that connect to the ledger database"
        )
        self.functions = self._group("Functions", vpc, "Functions that call AWS services only")

        postgresql = ec2.Port.tcp(self.POSTGRESQL_PORT)
        self.database.add_ingress_rule(
            self.ledger_clients, postgresql, "PostgreSQL from the ledger's clients"
        )
        self.ledger_clients.add_egress_rule(
            self.database, postgresql, "PostgreSQL to the ledger's database"
        )
        for group in (self.ledger_clients, self.functions):
            # AWS publishes no prefix list for most of its services, so the port is the limit.
            group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.HTTPS, "AWS services over TLS")

    def _group(self, construct_id: str, vpc: ec2.IVpc, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            self, construct_id, vpc=vpc, description=description, allow_all_outbound=False
        )
