"""The architecture as a picture, made from the templates: what is not in them is not in it.

It is boxes in boxes, which the browser lays out, with a list of who calls whom.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from assurance.compliance.templates import Resource
from ops.report.built import Built, at


@dataclass(frozen=True, kw_only=True)
class Box:
    """
    Attributes:
        style: classes of the style sheet.
        lines: the first is the title.
    """

    style: str
    lines: tuple[str, ...]
    inside: tuple[Box, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Picture:
    """
    Attributes:
        main: what a payment passes, from its client to the ledger.
        services: what stands outside the VPC.
        flows: who calls whom, in words, each after a class of the style sheet.
    """

    main: tuple[Box, ...]
    services: tuple[Box, ...]
    flows: tuple[tuple[str, str], ...]


def draw(built: Built) -> Picture:
    """
    Raises:
        OpsError: the templates lack something that the picture is made of.
    """
    drawing = _Drawing(built)
    outside = (drawing.function(each) for each in drawing.functions(in_vpc=False))
    return Picture(
        main=(*drawing.entry(), drawing.network(), *outside),
        services=tuple(drawing.services()),
        flows=tuple(drawing.flows()),
    )


def _box(style: str, *lines: str, inside: Sequence[Box] = ()) -> Box:
    return Box(style=style, lines=lines, inside=tuple(inside))


class _Drawing:
    def __init__(self, built: Built) -> None:
        self.built = built
        self.retry = next(
            each for each in built.matching("*", "SQS::Queue") if "RedrivePolicy" in each.properties
        )

    def entry(self) -> Iterator[Box]:
        """Clients, the firewall and the API."""
        built = self.built
        yield _box("outside", "API clients", "HTTPS, API key")
        rules = built.one("ComputeNestedStack/Firewall/WebAcl").properties["Rules"]
        yield _box("edge", "Web firewall", f"{len(rules)} rules")
        plan = built.one("ComputeNestedStack/Api/RestApi/UsagePlan").properties
        yield _box(
            "edge",
            "API Gateway, REST",
            " · ".join(self._path(each) for each in built.of("ApiGateway::Method")),
            f"a key each, {plan['Throttle']['RateLimit']} calls/s, "
            f"{plan['Quota']['Limit']:,} a day",
        )

    def _path(self, method: Resource) -> str:
        path, place = "", self.built.referred(method.properties["ResourceId"])
        while place and "PathPart" in place[0].properties:
            path = f"/{place[0].properties['PathPart']}{path}"
            place = self.built.referred(place[0].properties["ParentId"])
        return f"{method.properties['HttpMethod']} {path}"

    def network(self) -> Box:
        """The VPC with its zones, functions and database."""
        built = self.built
        vpc = built.one("NetworkNestedStack/Network/Vpc", "EC2::VPC")
        subnets = built.of("EC2::Subnet")
        zones = sorted({each.properties["AvailabilityZone"] for each in subnets})
        properties = self._database().properties
        return _box(
            "vpc",
            f"VPC {vpc.properties['CidrBlock']}{self._endpoints()}",
            inside=[
                _box("row", inside=[self._zone(zone, subnets) for zone in zones]),
                *(self.function(each) for each in self.functions(in_vpc=True)),
                _box(
                    "data",
                    f"{properties['DBInstanceIdentifier']}: {properties['Engine']} "
                    f"{properties['EngineVersion']}, {properties['DBInstanceClass']}",
                    ("Multi-AZ: a standby in another zone" if properties["MultiAZ"] else "one zone")
                    + f"; backups {properties['BackupRetentionPeriod']} days",
                    self._key(properties["KmsKeyId"]),
                ),
            ],
        )

    def _zone(self, zone: str, subnets: Sequence[Resource]) -> Box:
        gateways = self.built.of("EC2::NatGateway")
        inside = []
        for subnet in (each for each in subnets if each.properties["AvailabilityZone"] == zone):
            nat = [g for g in gateways if subnet in self.built.referred(g.properties["SubnetId"])]
            public = any("GatewayId" in each.properties for each in self.built.routes(subnet))
            style = "public" if public else "private"
            cidr = subnet.properties["CidrBlock"]
            inside.append(_box(style, style, cidr, *("NAT gateway" for _ in nat)))
        return _box("zone", zone, inside=inside)

    def _endpoints(self) -> str:
        """What is reached without NAT."""
        services = (
            self.built.text(each.properties["ServiceName"]).rpartition(".")[2]
            for each in self.built.of("EC2::VPCEndpoint")
        )
        named = " and ".join(sorted(services))
        return f", with endpoints for {named}" if named else ""

    def functions(self, *, in_vpc: bool) -> list[Resource]:
        """The payments' first, in the order in which a payment meets them."""
        order = ("payment-validator", "payment-processor", "audit-logger")
        found = [
            each
            for each in self.built.of("Lambda::Function")
            if ("VpcConfig" in each.properties) is in_vpc
        ]
        found.sort(key=lambda each: str(each.properties["FunctionName"]))
        return sorted(found, key=lambda each: [each.properties["FunctionName"] != n for n in order])

    def function(self, function: Resource) -> Box:
        properties = function.properties
        return _box(
            "function" if "ComputeNestedStack" in function.path else "upkeep",
            f"{properties['FunctionName']}  ({properties['MemorySize']} MB, "
            f"{properties['Timeout']} s, {properties['ReservedConcurrentExecutions']} at once)",
            properties["Description"],
        )

    def _database(self) -> Resource:
        return self.built.one("DataNestedStack/LedgerDatabase/Instance")

    def _key(self, value: Any) -> str:
        """Under which key, by its alias."""
        (key,) = self.built.referred(value)
        (alias,) = (
            each
            for each in self.built.of("KMS::Alias")
            if key in self.built.referred(each.properties["TargetKeyId"])
        )
        return f"under key {self.built.name(alias)}"

    def services(self) -> Iterator[Box]:
        built = self.built
        mails = [each.properties["Endpoint"] for each in built.of("SNS::Subscription")]
        yield _box("outside", "Operators", *mails)
        topic = built.one("ObservabilityNestedStack/AlertsTopic", "SNS::Topic")
        yield _box("watch", "SNS: alerts", self._key(topic.properties["KmsMasterKeyId"]))
        alarms = len(built.of("CloudWatch::Alarm", "CloudWatch::CompositeAlarm"))
        events = sum("EventPattern" in each.properties for each in built.of("Events::Rule"))
        yield _box(
            "watch",
            "CloudWatch",
            f"{alarms} alarms, {events} event rules",
            "dashboard, saved queries",
        )
        table = built.one("DataNestedStack/TransactionsTable").properties
        yield _box(
            "data",
            "DynamoDB table",
            f"{table['TableName']}",
            "point-in-time recovery, stream",
            self._key(at(table, "SSESpecification.KMSMasterKeyId")),
        )
        yield _box(
            "data",
            "SQS: retry queue",
            f"kept {self.retry.properties['MessageRetentionPeriod'] // 86_400} days",
            self._key(self.retry.properties["KmsMasterKeyId"]),
        )
        others = [each for each in built.matching("*", "SQS::Queue") if each is not self.retry]
        yield _box(
            "data",
            f"{len(others)} dead-letter queues",
            *(built.name(each).removeprefix("Queues / ").replace(" / ", " ") for each in others),
        )
        bucket = built.one("DataNestedStack/AuditBucket/Bucket", "S3::Bucket").properties
        rule = at(bucket, "LifecycleConfiguration.Rules.0.Transitions.0")
        lock = at(bucket, "ObjectLockConfiguration.Rule.DefaultRetention.Days")
        (encryption,) = at(bucket, "BucketEncryption.ServerSideEncryptionConfiguration")
        yield _box(
            "data",
            "S3: audit bucket",
            f"locked for {lock:,} days, versioned",
            f"{rule['StorageClass'].title()} after {rule['TransitionInDays']} days",
            self._key(at(encryption, "ServerSideEncryptionByDefault.KMSMasterKeyID")),
            "access log in another bucket",
        )
        yield _box(
            "key",
            f"KMS: {len(built.of('KMS::Key'))} keys, rotated yearly",
            *(
                built.text(each.properties["AliasName"]).removeprefix("alias/")
                for each in built.of("KMS::Alias")
            ),
        )
        groups = built.of("Logs::LogGroup")
        days = ", ".join(map(str, sorted({e.properties["RetentionInDays"] for e in groups})))
        yield _box("watch", f"CloudWatch Logs: {len(groups)} groups", f"kept {days} days")

    def flows(self) -> Iterator[tuple[str, str]]:
        """As methods, settings and event sources of the templates say."""
        yield "api", "clients call the API over HTTPS"
        yield "api", "the firewall lets requests through to the API"
        uris = (m.properties["Integration"]["Uri"] for m in self.built.of("ApiGateway::Method"))
        for function in dict.fromkeys(map(self._invoked, uris)):
            yield "api", f"the API invokes {function}"
        for each in self.functions(in_vpc=True):
            name, variables = self.built.name(each), at(each.properties, "Environment.Variables")
            for used in self.built.referred(list((variables or {}).values())):
                if used.type in ("AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::S3::Bucket"):
                    yield "data", f"{name} uses {self.built.name(used)}"
                if used == self._database():
                    yield "data", f"{name} connects to the ledger"
        for mapping in self.built.of("Lambda::EventSourceMapping"):
            (source,) = self.built.referred(mapping.properties["EventSourceArn"])
            function = self._invoked(mapping.properties["FunctionName"])
            yield "event", f"{self.built.name(source)} feeds {function}"
        tries = at(self.retry.properties, "RedrivePolicy.maxReceiveCount")
        given_up = f"what was tried {tries} times"
        yield "data", f"{given_up} goes from the retry queue to its dead-letter queue"
        yield "alert", "alarms and events go to the alerts topic"
        yield "alert", "alerts are mailed to the operators"

    def _invoked(self, value: Any) -> str:
        """The function that an alias, or an address made of it, stands for."""
        (target,) = self.built.referred(value)
        while target.type != "AWS::Lambda::Function":
            (target,) = self.built.referred(target.properties["FunctionName"])
        return self.built.name(target)
