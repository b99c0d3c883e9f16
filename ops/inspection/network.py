"""R2 and R3: the network, asked of EC2."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from ops.inspection.data import instance
from ops.inspection.findings import Finding, judged, problem
from ops.inspection.subjects import Subjects
from ops.production.questions import Clients
from ops.production.stack import every

_PRIVATE: Final = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
)
"""RFC 1918 and RFC 4193."""
_POSTGRESQL: Final = 5432
_ZONES: Final = 3

Item = Mapping[str, Any]


def vpc_of(clients: Clients, subjects: Subjects) -> str:
    """The VPC that the database stands in; without one, that of the functions."""
    if subjects.database:
        group = instance(clients, subjects.database).get("DBSubnetGroup", {})
        if group.get("VpcId"):
            return str(group["VpcId"])
    for name in subjects.functions.values():
        placed = clients("lambda").get_function_configuration(FunctionName=name)
        if vpc := placed.get("VpcConfig", {}).get("VpcId"):
            return str(vpc)
    return ""


def subnets(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """R2."""
    vpc = vpc_of(clients, subjects)
    if not vpc:
        yield problem(
            "R2",
            "VPC",
            found="neither the database nor a function stands in one",
            needed="one of its own",
            mend="deploying PaymentsProd makes it; a database is moved by restoring its snapshot",
        )
        return
    ec2 = clients("ec2")
    in_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
    public, private = set(), set()
    gateways = _routes(ec2, in_vpc)
    zones: dict[str, str] = {}
    for each in ec2.describe_subnets(Filters=in_vpc)["Subnets"]:
        name = each["SubnetId"]
        zones[name] = each["AvailabilityZone"]
        gateway = gateways.get(name, gateways.get("", ""))
        if gateway.startswith("igw-"):
            public.add(name)
        elif gateway.startswith("nat-"):
            private.add(name)
    for kind, those in (("public", public), ("private", private)):
        found = {zones[name] for name in those}
        yield judged(
            "R2",
            f"zones with a {kind} subnet",
            found=found,
            needed=f"{_ZONES}",
            held=len(found) == _ZONES,
            mend=f"subnets whose route to 0.0.0.0/0 leads to "
            f"{'an internet' if kind == 'public' else 'a NAT'} gateway, one a zone: compare "
            "nested/network/vpc.py",
        )
    # Deleted ones are told for an hour.
    nats = [
        each
        for each in ec2.describe_nat_gateways(Filters=in_vpc)["NatGateways"]
        if each["State"] not in ("deleting", "deleted")
    ]
    # A regional one stands in no subnet, and serves several zones.
    astray = [
        each["NatGatewayId"] + ("" if "SubnetId" in each else " (regional: in no subnet)")
        for each in nats
        if each.get("SubnetId") not in public
    ]
    yield judged(
        "R2",
        "NAT gateways outside public subnets",
        found=astray,
        needed="none",
        mend="make them in public subnets, and lead the private routes there",
    )
    working = {
        zone for each in nats if each["State"] == "available" for zone in _served(each, zones)
    }
    yield judged(
        "R2",
        "zones with a NAT gateway that works",
        found=working,
        needed=f"{_ZONES}, so that no zone hangs on another",
        held=len(working) == _ZONES,
        mend="a NAT gateway in the public subnet of each zone, with a route to it in that zone's "
        "private one",
    )
    yield from _placed(clients, subjects, private)


def _served(nat: Item, zones: Mapping[str, str]) -> Iterator[str]:
    """Those of the zones in which a NAT gateway's subnet, or a regional one's addresses are."""
    if "SubnetId" in nat:
        yield zones.get(nat["SubnetId"], "")
    for address in nat.get("NatGatewayAddresses", []):
        if zone := address.get("AvailabilityZone"):
            yield zone


def _placed(clients: Clients, subjects: Subjects, private: set[str]) -> Iterator[Finding]:
    """Who must stand in private subnets does."""
    places: dict[str, list[str]] = {}
    if subjects.database:
        group = instance(clients, subjects.database).get("DBSubnetGroup", {})
        places[subjects.database] = [each["SubnetIdentifier"] for each in group.get("Subnets", [])]
    for name in subjects.all_functions:
        configuration = clients("lambda").get_function_configuration(FunctionName=name)
        placed = configuration.get("VpcConfig", {}).get("SubnetIds", [])
        # A custom resource that asks AWS's own APIs only needs no network of ours.
        if placed or name not in subjects.others:
            places[name] = placed
    for name, subnet_ids in places.items():
        outside = [each for each in subnet_ids if each not in private]
        found = "no subnet" if not subnet_ids else outside or "private ones only"
        yield judged(
            "R2",
            f"subnets of {name}",
            found=found,
            needed="private ones only",
            mend=f"aws lambda update-function-configuration --function-name {name} --vpc-config "
            "SubnetIds=PRIVATE,SecurityGroupIds=GROUP"
            if name != subjects.database
            else "a subnet group of private subnets only; the instance is moved to it with "
            "aws rds modify-db-instance --db-subnet-group-name",
        )


def rules(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """R3."""
    vpc = vpc_of(clients, subjects)
    if not vpc:
        return
    ec2 = clients("ec2")
    (described,) = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
    yield judged(
        "R3",
        f"{vpc} is the account's default VPC",
        found=described["IsDefault"],
        needed=False,
        mend="a VPC of its own; what stands in the default one is made anew there",
    )
    groups = [
        *every(ec2, "describe_security_groups", Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    ]
    from_addresses, open_out = [], []
    for group in groups:
        incoming, outgoing = group["IpPermissions"], group["IpPermissionsEgress"]
        if group["GroupName"] == "default":
            yield judged(
                "R3",
                f"rules of the default group {group['GroupId']}",
                found=f"{len(incoming)} ingress, {len(outgoing)} egress",
                needed="0 ingress, 0 egress",
                mend=f"aws ec2 describe-security-group-rules --filters Name=group-id,Values="
                f"{group['GroupId']}; then revoke-security-group-ingress and -egress with "
                "--security-group-rule-ids",
            )
            continue
        name = f"{group['GroupId']} ({group['GroupName']})"
        from_addresses += [
            f"{name}: {_ports(rule)} from {', '.join(those)}"
            for rule in incoming
            if (those := _addresses(rule))
        ]
        if any(_of_everything(rule) and _leads_out(rule) for rule in outgoing):
            open_out.append(name)
    for what, those, command in (
        # Whoever may connect is named by a group (nested/network/security_groups.py).
        ("groups that take ingress from addresses", from_addresses, "ingress"),
        ("groups that allow all outbound traffic", open_out, "egress"),
    ):
        yield judged(
            "R3",
            what,
            found=those,
            needed="none",
            mend=f"aws ec2 revoke-security-group-{command} --group-id GROUP "
            "--security-group-rule-ids RULE",
        )
    if subjects.database:
        yield from _of_ledger(clients, subjects, groups)


def _of_ledger(clients: Clients, subjects: Subjects, groups: list[Item]) -> Iterator[Finding]:
    """R3: the database takes PostgreSQL only, and from groups of the deployment only."""
    ours = {each.name for each in subjects.stack if each.type == "AWS::EC2::SecurityGroup"}
    ours = ours or {each["GroupId"] for each in groups}
    database = instance(clients, subjects.database)
    # The embedded environment's door stands at another port than the one that rules are of.
    ports = {_POSTGRESQL, database.get("Endpoint", {}).get("Port", _POSTGRESQL)}
    attached = {each["VpcSecurityGroupId"] for each in database.get("VpcSecurityGroups", [])}
    faults = [f"{each}: a group that is not of the deployment" for each in sorted(attached - ours)]
    faults += [
        f"{group['GroupId']}: {_ports(rule)} from {', '.join(sources)}"
        for group in groups
        if group["GroupId"] in attached
        for rule in group["IpPermissions"]
        if (sources := _strangers(rule, ours, ports))
    ]
    yield judged(
        "R3",
        f"ingress of {subjects.database} besides PostgreSQL from groups of the deployment",
        found=faults,
        needed="none",
        mend="aws ec2 revoke-security-group-ingress --group-id GROUP --security-group-rule-ids "
        "RULE; a group is taken from the instance with aws rds modify-db-instance "
        "--vpc-security-group-ids",
    )


def _strangers(rule: Item, ours: Collection[str], ports: Collection[int]) -> list[str]:
    """The sources of a rule that the database must not take; all, where the port is another."""
    first, last = rule.get("FromPort"), rule.get("ToPort")
    good = rule["IpProtocol"] == "tcp" and first == last and first in ports
    groups = [each["GroupId"] for each in rule.get("UserIdGroupPairs", [])]
    return [*(each for each in groups if not good or each not in ours), *_addresses(rule)]


def _routes(ec2: Any, in_vpc: Any) -> dict[str, str]:
    """Where each subnet's route to anywhere leads; under the empty name, the main table's."""
    found = {}
    for table in ec2.describe_route_tables(Filters=in_vpc)["RouteTables"]:
        gateway = next(
            (
                route.get("NatGatewayId") or route.get("GatewayId") or "another"
                for route in table["Routes"]
                if route.get("DestinationCidrBlock") == "0.0.0.0/0"
            ),
            "",
        )
        for association in table["Associations"]:
            found["" if association.get("Main") else association.get("SubnetId", "")] = gateway
    return found


def _of_everything(rule: Item) -> bool:
    every_port = (rule.get("FromPort"), rule.get("ToPort")) in ((0, 65535), (1, 65535))
    return rule["IpProtocol"] == "-1" or every_port


def _leads_out(rule: Item) -> bool:
    """Whether a rule is of addresses that are not private."""
    ranges = map(ipaddress.ip_network, _ranges(rule))
    return any(
        not any(
            # mypy cannot know that the versions are the same.
            each.version == private.version and each.subnet_of(private)  # type: ignore[arg-type]
            for private in _PRIVATE
        )
        for each in ranges
    )


def _addresses(rule: Item) -> list[str]:
    return [*_ranges(rule), *(each["PrefixListId"] for each in rule.get("PrefixListIds", []))]


def _ranges(rule: Item) -> list[str]:
    return [
        *(each["CidrIp"] for each in rule.get("IpRanges", [])),
        *(each["CidrIpv6"] for each in rule.get("Ipv6Ranges", [])),
    ]


def _ports(rule: Item) -> str:
    """Such as ``tcp/5432``."""
    if rule["IpProtocol"] == "-1":
        return "everything"
    first, last = rule.get("FromPort"), rule.get("ToPort")
    return f"{rule['IpProtocol']}/{first}" + ("" if first == last else f"-{last}")
