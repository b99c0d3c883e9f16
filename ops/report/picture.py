"""The architecture as a picture, drawn from the templates: what is not in them is not drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from assurance.compliance.templates import Resource
from ops.report.built import Built, at

WIDTH: Final = 980

_LEFT: Final = 30
_VPC_RIGHT: Final = 636
_BARS: Final = (62, 620)
_SERVICES: Final = (736, 956)
_WIDE: Final = _SERVICES[1] - _SERVICES[0]
_LONG: Final = _BARS[1] - _BARS[0]
_MIDDLE: Final = (_SERVICES[0] + _SERVICES[1]) / 2
_TOP: Final = 112
_BAR_HEIGHT: Final = 44
_BAR_STEP: Final = 52
_LINE: Final = 17
_HEAD: Final = 24


@dataclass(frozen=True, kw_only=True)
class Box:
    """
    Attributes:
        style: class of the style sheet.
        lines: the first is the title.
    """

    x: float
    y: float
    width: float
    height: float
    style: str
    lines: tuple[str, ...]

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """
    Attributes:
        points: of a line of horizontal and vertical parts; the head is at its end.
        words: what it is, as a tooltip and for the description.
    """

    points: tuple[tuple[float, float], ...]
    words: str
    style: str

    @property
    def path(self) -> str:
        return "M" + " L".join(f"{x:g} {y:g}" for x, y in self.points)


@dataclass(frozen=True, kw_only=True)
class Picture:
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    description: str


def draw(built: Built) -> Picture:
    """
    Raises:
        OpsError: the templates lack something that the picture is made of.
    """
    return _Drawing(built).picture()


class _Drawing:
    def __init__(self, built: Built) -> None:
        self.built = built
        self.boxes: list[Box] = []
        self.arrows: list[Arrow] = []
        self.placed: dict[str, Box] = {}  # by logical id
        self.service_y = float(_TOP)

    def picture(self) -> Picture:
        region = self._box("region", 12, 84, WIDTH - 24, 0, "us-east-1")
        entry = self._entry()
        bottom = self._network()
        self._services()
        bottom = max(bottom + 24, self.service_y + 4)
        self.boxes[self.boxes.index(region)] = replace(region, height=bottom - region.y)
        self._traffic(entry)
        return Picture(
            height=bottom + 12,
            boxes=tuple(self.boxes),
            arrows=tuple(self.arrows),
            description=self._description(),
        )

    def _box(
        self,
        style: str,
        x: float,
        y: float,
        width: float,
        height: float,
        *lines: str,
        of: Resource | None = None,
    ) -> Box:
        """Draw one, which stands for a resource if one is given."""
        box = Box(x=x, y=y, width=width, height=height, style=style, lines=lines)
        self.boxes.append(box)
        if of is not None:
            self.placed[of.logical_id] = box
        return box

    def _entry(self) -> Box:
        """Clients, the firewall and the API."""
        client = self._box("outside", _LEFT, 14, 170, 48, "API clients", "HTTPS, API key")
        acl = self.built.one("ComputeNestedStack/Firewall/WebAcl")
        rules = len(acl.properties["Rules"])
        firewall = self._box("edge", _LEFT, _TOP, 170, 58, "Web firewall", f"{rules} rules", of=acl)
        api = self.built.one("ComputeNestedStack/Api/RestApi", "ApiGateway::RestApi")
        methods = " · ".join(self._path(each) for each in self.built.of("ApiGateway::Method"))
        plan = self.built.one("ComputeNestedStack/Api/RestApi/UsagePlan").properties
        limit = (
            f"a key each, {plan['Throttle']['RateLimit']} calls/s, {plan['Quota']['Limit']:,} a day"
        )
        entry = self._box(
            "edge", 240, _TOP, _VPC_RIGHT - 240, 58, "API Gateway, REST", methods, limit, of=api
        )
        self._arrow(
            "api", "clients call the API over HTTPS", (115, client.bottom), (115, firewall.y)
        )
        self._arrow(
            "api",
            "the firewall lets requests through to the API",
            (firewall.right, firewall.middle),
            (entry.x, firewall.middle),
        )
        return entry

    def _path(self, method: Resource) -> str:
        path, place = "", self.built.referred(method.properties["ResourceId"])
        while place and "PathPart" in place[0].properties:
            path = f"/{place[0].properties['PathPart']}{path}"
            place = self.built.referred(place[0].properties["ParentId"])
        return f"{method.properties['HttpMethod']} {path}"

    def _network(self) -> float:
        """The VPC with its zones, functions and database; its lower edge."""
        vpc = self.built.one("NetworkNestedStack/Network/Vpc", "EC2::VPC")
        subnets = self.built.of("EC2::Subnet")
        zones = sorted({each.properties["AvailabilityZone"] for each in subnets})
        top = 196.0
        inside, database = self._functions(in_vpc=True), self._database()
        bars_top = top + 172
        database_top = bars_top + _BAR_STEP * len(inside)
        bottom = database_top + 88
        self._box(
            "vpc",
            _LEFT,
            top,
            _VPC_RIGHT - _LEFT,
            bottom - top,
            f"VPC {vpc.properties['CidrBlock']}{self._endpoints()}",
            of=vpc,
        )
        width = (_LONG + 16) / len(zones)
        for number, zone in enumerate(zones):
            x = _BARS[0] - 8 + number * width
            self._zone(zone, subnets, x, top + 30, width - 8, bottom - top - 42)
        for number, function in enumerate(inside):
            self._bar(function, bars_top + number * _BAR_STEP)
        properties = database.properties
        zones_text = "Multi-AZ: a standby in another zone" if properties["MultiAZ"] else "one zone"
        self._box(
            "data",
            _BARS[0],
            database_top + 6,
            _LONG,
            58,
            f"{properties['DBInstanceIdentifier']}: {properties['Engine']} "
            f"{properties['EngineVersion']}, {properties['DBInstanceClass']}",
            f"{zones_text}; backups {properties['BackupRetentionPeriod']} days",
            self._key(properties["KmsKeyId"]),
            of=database,
        )
        outside = self._functions(in_vpc=False)
        y = bottom + 12
        for function in outside:
            self._bar(function, y)
            y += _BAR_STEP
        return y - 18

    def _zone(
        self,
        zone: str,
        subnets: Sequence[Resource],
        x: float,
        y: float,
        width: float,
        height: float,
    ) -> None:
        self._box("zone", x, y, width, height, zone)
        own = [each for each in subnets if each.properties["AvailabilityZone"] == zone]
        gateways = self.built.of("EC2::NatGateway")
        for subnet in own:
            nat = [g for g in gateways if subnet in self.built.referred(g.properties["SubnetId"])]
            cidr = subnet.properties["CidrBlock"]
            if self._is_public(subnet):
                lines = ("public", cidr, *("NAT gateway" for _ in nat))
                self._box("public", x + 6, y + 24, width - 12, 66, *lines, of=subnet)
            else:
                self._box(
                    "private", x + 6, y + 98, width - 12, height - 106, "private", cidr, of=subnet
                )

    def _endpoints(self) -> str:
        """What is reached without NAT."""
        services = (
            self.built.text(each.properties["ServiceName"]).rpartition(".")[2]
            for each in self.built.of("EC2::VPCEndpoint")
        )
        named = " and ".join(sorted(services))
        return f", with endpoints for {named}" if named else ""

    def _is_public(self, subnet: Resource) -> bool:
        """Whether its routes lead to an internet gateway."""
        return any("GatewayId" in each.properties for each in self.built.routes(subnet))

    def _functions(self, *, in_vpc: bool) -> list[Resource]:
        """The payments' first, in the order in which a payment meets them."""
        order = ("payment-validator", "payment-processor", "audit-logger")
        found = [
            each
            for each in self.built.of("Lambda::Function")
            if ("VpcConfig" in each.properties) is in_vpc
        ]
        found.sort(key=lambda each: str(each.properties["FunctionName"]))
        return sorted(found, key=lambda each: [each.properties["FunctionName"] != n for n in order])

    def _bar(self, function: Resource, y: float) -> None:
        name = function.properties["FunctionName"]
        style = "function" if "ComputeNestedStack" in function.path else "upkeep"
        limits = (
            f"{function.properties['MemorySize']} MB, {function.properties['Timeout']} s, "
            f"{function.properties['ReservedConcurrentExecutions']} at once"
        )
        self._box(
            style,
            _BARS[0],
            y,
            _LONG,
            _BAR_HEIGHT,
            f"{name}  ({limits})",
            function.properties["Description"],
            of=function,
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

    def _services(self) -> None:
        """What stands in the region, outside the VPC."""
        built = self.built
        topic = built.one("ObservabilityNestedStack/AlertsTopic", "SNS::Topic")
        mails = [each.properties["Endpoint"] for each in built.of("SNS::Subscription")]
        people = self._box("outside", _SERVICES[0], 14, _WIDE, 48, "Operators", *mails)
        box = self._service(
            "watch", topic, "SNS: alerts", self._key(topic.properties["KmsMasterKeyId"])
        )
        self._arrow(
            "alert",
            "alerts are mailed to the operators",
            (_MIDDLE, box.y),
            (_MIDDLE, people.bottom),
        )
        alarms = len(built.of("CloudWatch::Alarm", "CloudWatch::CompositeAlarm"))
        events = sum("EventPattern" in each.properties for each in built.of("Events::Rule"))
        watch = self._service(
            "watch",
            built.one("ObservabilityNestedStack/Dashboard/Dashboard"),
            "CloudWatch",
            f"{alarms} alarms, {events} event rules",
            "dashboard, saved queries",
        )
        self._arrow(
            "alert",
            "alarms and events go to the alerts topic",
            (_MIDDLE, watch.y),
            (_MIDDLE, box.bottom),
        )
        table = built.one("DataNestedStack/TransactionsTable")
        self._service(
            "data",
            table,
            "DynamoDB table",
            f"{table.properties['TableName']}",
            "point-in-time recovery, stream",
            self._key(at(table.properties, "SSESpecification.KMSMasterKeyId")),
        )
        queues = built.matching("*", "SQS::Queue")
        retry = next(each for each in queues if "RedrivePolicy" in each.properties)
        days = retry.properties["MessageRetentionPeriod"] // 86_400
        waiting = self._service(
            "data",
            retry,
            "SQS: retry queue",
            f"kept {days} days",
            self._key(retry.properties["KmsMasterKeyId"]),
        )
        others = [each for each in queues if each is not retry]
        dead = self._service(
            "data",
            others[0],
            f"{len(others)} dead-letter queues",
            *(built.name(each).removeprefix("Queues / ").replace(" / ", " ") for each in others),
        )
        tries = at(retry.properties, "RedrivePolicy.maxReceiveCount")
        self._arrow(
            "data",
            f"what was tried {tries} times goes from the retry queue to its dead-letter queue",
            (_MIDDLE, waiting.bottom),
            (_MIDDLE, dead.y),
        )
        for each in others[1:]:
            self.placed[each.logical_id] = self.placed[others[0].logical_id]
        bucket = built.one("DataNestedStack/AuditBucket/Bucket", "S3::Bucket")
        rules = at(bucket.properties, "LifecycleConfiguration.Rules.0.Transitions.0")
        lock = at(bucket.properties, "ObjectLockConfiguration.Rule.DefaultRetention.Days")
        key = at(
            bucket.properties,
            "BucketEncryption.ServerSideEncryptionConfiguration.0."
            "ServerSideEncryptionByDefault.KMSMasterKeyID",
        )
        self._service(
            "data",
            bucket,
            "S3: audit bucket",
            f"locked for {lock:,} days, versioned",
            f"{rules['StorageClass'].title()} after {rules['TransitionInDays']} days",
            self._key(key),
            "access log in another bucket",
        )
        keys_found = built.of("KMS::Key")
        self._service(
            "key",
            keys_found[0],
            f"KMS: {len(keys_found)} keys, rotated yearly",
            *(
                built.text(each.properties["AliasName"]).removeprefix("alias/")
                for each in built.of("KMS::Alias")
            ),
        )
        groups = built.of("Logs::LogGroup")
        kept = sorted({each.properties["RetentionInDays"] for each in groups})
        self._service(
            "watch",
            groups[0],
            f"CloudWatch Logs: {len(groups)} groups",
            f"kept {', '.join(map(str, kept))} days",
        )

    def _service(self, style: str, resource: Resource, *lines: str) -> Box:
        height = _HEAD + _LINE * (len(lines) - 1) + 8
        box = self._box(style, _SERVICES[0], self.service_y, _WIDE, height, *lines, of=resource)
        self.service_y += height + 18
        return box

    def _arrow(self, style: str, words: str, *points: tuple[float, float]) -> None:
        self.arrows.append(Arrow(points=points, words=words, style=style))

    def _traffic(self, entry: Box) -> None:
        """Who calls whom, as methods, settings and event sources of the templates say."""
        called = dict.fromkeys(
            self._function(method.properties["Integration"]["Uri"])
            for method in self.built.of("ApiGateway::Method")
        )
        ends: dict[str, int] = {}
        for number, function in enumerate(called):
            bar, lane = self.placed[function], 646 + 10 * number
            y, level = bar.y + 10, entry.y + 22 + 14 * number
            self._arrow(
                "api",
                f"the API invokes {self._name(function)}",
                (entry.right, level),
                (lane, level),
                (lane, y),
                (bar.right, y),
            )
        for number, (start, end, words, style) in enumerate(self._relations()):
            one, other = self.placed[start], self.placed[end]
            lane = 672 + 9 * number
            count = ends[end] = ends.get(end, -1) + 1
            leaving = ends[f"from {start}"] = ends.get(f"from {start}", -1) + 1
            target = other.y + 16 + 14 * count
            source = one.y + 18 + 9 * leaving
            begin, finish = one.right, other.x
            if one.x > other.x:  # from a service to a function
                source, target = one.y + 16 + 14 * ends.get(start, -1) + 14, other.y + 30
                ends[start] = ends.get(start, -1) + 1
                begin, finish = one.x, other.right
            self._arrow(
                style, words, (begin, source), (lane, source), (lane, target), (finish, target)
            )
        self._to_ledger()

    def _relations(self) -> Iterator[tuple[str, str, str, str]]:
        """Start, end, words and style."""
        services = ("AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::S3::Bucket")
        for function in self._functions(in_vpc=True):
            environment = at(function.properties, "Environment.Variables") or {}
            for resource in self.built.referred(list(environment.values())):
                if resource.type in services:
                    yield (
                        function.logical_id,
                        resource.logical_id,
                        f"{self._name(function.logical_id)} uses {self.built.name(resource)}",
                        "data",
                    )
        for mapping in self.built.of("Lambda::EventSourceMapping"):
            (source,) = self.built.referred(mapping.properties["EventSourceArn"])
            function_id = self._function(mapping.properties["FunctionName"])
            yield (
                source.logical_id,
                function_id,
                f"{self.built.name(source)} feeds {self._name(function_id)}",
                "event",
            )

    def _to_ledger(self) -> None:
        database = self._database()
        box, lane = self.placed[database.logical_id], 40.0
        users = [
            each
            for each in self._functions(in_vpc=True)
            if database in self.built.referred(at(each.properties, "Environment.Variables"))
        ]
        for function in users:
            bar = self.placed[function.logical_id]
            self._arrow(
                "data",
                f"{self._name(function.logical_id)} connects to the ledger",
                (bar.x, bar.middle),
                (lane, bar.middle),
                (lane, box.middle),
                (box.x, box.middle),
            )

    def _function(self, value: Any) -> str:
        """Logical id of the function that an alias, or an address made of it, stands for."""
        (target,) = self.built.referred(value)
        while target.type != "AWS::Lambda::Function":
            (target,) = self.built.referred(target.properties["FunctionName"])
        return target.logical_id

    def _name(self, logical_id: str) -> str:
        return self.built.name(self.built.by_id[logical_id])

    def _description(self) -> str:
        parts = [f"{box.lines[0]}: {', '.join(box.lines[1:])}" for box in self.boxes if box.lines]
        return ". ".join([*parts, *(arrow.words for arrow in self.arrows)]) + "."


LEGEND: Final[Mapping[str, str]] = {
    "api": "a client's call",
    "data": "reads or writes",
    "event": "is invoked by",
    "alert": "alerts",
}
"""What the styles of arrows mean."""
