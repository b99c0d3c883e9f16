# ruff: noqa: ARG002 - the methods have the arguments that CloudFormation gives
"""The CloudFormation types that PaymentsProd uses and the emulator lacks, or knows in part.

Each makes real emulated state through the service's own API, so that it can be described
afterwards. Some have no API in the emulator and are only recorded in their stack:
`AWS::Budgets::Budget`, `AWS::Logs::QueryDefinition`, `AWS::WAFv2::LoggingConfiguration`, and those
of CodeDeploy, so that an alias moves to another version at once, whatever its `UpdatePolicy` says.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from botocore.exceptions import ClientError

from local import emulator_internals
from local.emulator_internals import Properties, Provisioned, ResourceType

ClientFor = Callable[[str], Any]

_TAGS = ("Tags", "TagSpecifications")

# The values of PutMetricAlarm's Statistic; others are an ExtendedStatistic.
STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")


def types(client: ClientFor) -> dict[str, ResourceType]:
    """The types by name; `client` makes a boto3 client for a service."""
    return {
        "AWS::EC2::EIP": ElasticIp(client),
        "AWS::EC2::NatGateway": NatGateway(client),
        "AWS::EC2::FlowLog": FlowLog(client),
        "AWS::EC2::Subnet": Subnet(client, "AWS::EC2::Subnet"),
        "AWS::EC2::SecurityGroupIngress": SecurityGroupRule(client, "ingress"),
        "AWS::EC2::SecurityGroupEgress": SecurityGroupRule(client, "egress"),
        "AWS::IAM::Role": Role(client, "AWS::IAM::Role"),
        "AWS::Lambda::Function": Function(client, "AWS::Lambda::Function"),
        "AWS::Lambda::Version": Version(client, "AWS::Lambda::Version"),
        "AWS::DynamoDB::Table": Table(client, "AWS::DynamoDB::Table"),
        "AWS::S3::Bucket": Bucket(client, "AWS::S3::Bucket"),
        "AWS::SNS::Topic": Topic(client, "AWS::SNS::Topic"),
        "AWS::Budgets::Budget": Recorded(),
        "AWS::CloudWatch::Alarm": MetricAlarm(client, "AWS::CloudWatch::Alarm"),
        "AWS::CloudWatch::CompositeAlarm": CompositeAlarm(client),
        "AWS::CodeDeploy::Application": Recorded(),
        "AWS::CodeDeploy::DeploymentGroup": Recorded(),
        "AWS::WAFv2::WebACLAssociation": WebAclAssociation(client),
        "AWS::WAFv2::LoggingConfiguration": Recorded("ResourceArn"),
        "AWS::Logs::LogGroup": LogGroup(client, "AWS::Logs::LogGroup"),
        "AWS::Logs::QueryDefinition": Recorded(attribute="QueryDefinitionId"),
    }


class OwnType:
    """A type of ours, whose resources are made anew by an update, if nothing else is said."""

    def __init__(self, client: ClientFor) -> None:
        self._client = client

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        raise NotImplementedError

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Provisioned:
        return self.create(logical_id, new, stack)


class Ec2Resource(OwnType):
    """An EC2 resource whose tags change in place and everything else by replacement."""

    def make(self, ec2: Any, properties: Properties) -> Provisioned:
        raise NotImplementedError

    def remove(self, ec2: Any, physical_id: str) -> None:
        raise NotImplementedError

    def tagged_id(self, ec2: Any, physical_id: str) -> str:
        """The id that CreateTags takes."""
        return physical_id

    def attributes(self, ec2: Any, physical_id: str) -> dict[str, str]:
        raise NotImplementedError

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        ec2 = self._client("ec2")
        physical_id, attributes = self.make(ec2, properties)
        if properties.get("Tags"):
            ec2.create_tags(
                Resources=[self.tagged_id(ec2, physical_id)], Tags=list(properties["Tags"])
            )
        return physical_id, attributes

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Provisioned:
        if _without_tags(old) != _without_tags(new):
            return super().update(physical_id, old, new, stack, logical_id)
        ec2 = self._client("ec2")
        resources = [self.tagged_id(ec2, physical_id)]
        before, after = _tags(old), _tags(new)
        if gone := [{"Key": key} for key in before if key not in after]:
            ec2.delete_tags(Resources=resources, Tags=gone)
        if after:
            tags = [{"Key": key, "Value": value} for key, value in after.items()]
            ec2.create_tags(Resources=resources, Tags=tags)
        return physical_id, self.attributes(ec2, physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        _unless_gone(lambda: self.remove(self._client("ec2"), physical_id))


class ElasticIp(Ec2Resource):
    """Ref is the address."""

    def make(self, ec2: Any, properties: Properties) -> Provisioned:
        made = ec2.allocate_address(Domain=properties.get("Domain", "vpc"))
        return made["PublicIp"], _given(made, "AllocationId", "PublicIp")

    def remove(self, ec2: Any, physical_id: str) -> None:
        ec2.release_address(AllocationId=self.tagged_id(ec2, physical_id))

    def tagged_id(self, ec2: Any, physical_id: str) -> str:
        # Looked through here: the emulator ignores the request's PublicIps.
        for address in ec2.describe_addresses()["Addresses"]:
            if address["PublicIp"] == physical_id:
                return str(address["AllocationId"])
        return physical_id

    def attributes(self, ec2: Any, physical_id: str) -> dict[str, str]:
        return {"AllocationId": self.tagged_id(ec2, physical_id), "PublicIp": physical_id}


class NatGateway(Ec2Resource):
    def make(self, ec2: Any, properties: Properties) -> Provisioned:
        request = _given(properties, "SubnetId", "AllocationId", "ConnectivityType")
        physical_id = ec2.create_nat_gateway(**request)["NatGateway"]["NatGatewayId"]
        return physical_id, self.attributes(ec2, physical_id)

    def remove(self, ec2: Any, physical_id: str) -> None:
        ec2.delete_nat_gateway(NatGatewayId=physical_id)

    def attributes(self, ec2: Any, physical_id: str) -> dict[str, str]:
        return {"NatGatewayId": physical_id}


class FlowLog(Ec2Resource):
    def make(self, ec2: Any, properties: Properties) -> Provisioned:
        request = _given(
            properties,
            *("ResourceType", "TrafficType", "LogDestinationType", "LogDestination"),
            *("LogGroupName", "DeliverLogsPermissionArn", "LogFormat"),
        )
        if "MaxAggregationInterval" in properties:
            request["MaxAggregationInterval"] = int(properties["MaxAggregationInterval"])
        made = ec2.create_flow_logs(ResourceIds=[properties["ResourceId"]], **request)
        physical_id = made["FlowLogIds"][0]
        return physical_id, self.attributes(ec2, physical_id)

    def remove(self, ec2: Any, physical_id: str) -> None:
        ec2.delete_flow_logs(FlowLogIds=[physical_id])

    def attributes(self, ec2: Any, physical_id: str) -> dict[str, str]:
        return {"Id": physical_id}


class SecurityGroupRule:
    """One rule of a group; Ref is the rule's id."""

    def __init__(self, client: ClientFor, direction: Literal["ingress", "egress"]) -> None:
        self._client = client
        self._direction = direction
        self._peer = "Source" if direction == "ingress" else "Destination"

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        made = self._call(
            "authorize", properties["GroupId"], IpPermissions=[self._permission(properties)]
        )
        physical_id = made["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        return physical_id, {"Id": physical_id}

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Provisioned:
        if {**old, "Description": None} == {**new, "Description": None}:
            # The emulator knows no UpdateSecurityGroupRuleDescriptions.
            self.delete(physical_id, old)
        return self.create(logical_id, new, stack)

    def delete(self, physical_id: str, properties: Properties) -> None:
        group = properties["GroupId"]
        _unless_gone(lambda: self._call("revoke", group, SecurityGroupRuleIds=[physical_id]))

    def _call(self, verb: str, group: str, **request: Any) -> Any:
        method = getattr(self._client("ec2"), f"{verb}_security_group_{self._direction}")
        return method(GroupId=group, **request)

    def _permission(self, properties: Properties) -> dict[str, Any]:
        ports = _given(properties, "FromPort", "ToPort")
        permission: dict[str, Any] = {"IpProtocol": str(properties["IpProtocol"])}
        permission |= {key: int(port) for key, port in ports.items()}
        description = _given(properties, "Description")
        peers = {
            "CidrIp": ("IpRanges", "CidrIp"),
            "CidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
            f"{self._peer}SecurityGroupId": ("UserIdGroupPairs", "GroupId"),
            f"{self._peer}PrefixListId": ("PrefixListIds", "PrefixListId"),
        }
        for key, (field, member) in peers.items():
            if properties.get(key):
                permission[field] = [{member: properties[key], **description}]
        return permission


class CompletedType:
    """A type of the emulator's own, which `complete` adds to what it forgets."""

    def __init__(self, client: ClientFor, name: str) -> None:
        self._client = client
        self._built_in = emulator_internals.built_in(name)

    def known(self, properties: Properties) -> Properties:
        """As the emulator knows them."""
        return properties

    def complete(self, physical_id: str, properties: Properties) -> None:
        """Nothing, where nothing is forgotten."""

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        known = self.known(properties)
        physical_id, attributes = self._built_in.create(logical_id, known, stack)
        try:
            self.complete(physical_id, properties)
        except ClientError:
            self._built_in.delete(physical_id, properties)
            raise
        return physical_id, attributes

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Provisioned:
        known = self.known(old), self.known(new)
        updated, attributes = self._built_in.update(physical_id, *known, stack, logical_id)
        self.complete(updated, new)
        return updated, attributes

    def delete(self, physical_id: str, properties: Properties) -> None:
        self._built_in.delete(physical_id, properties)


class Role(CompletedType):
    """With `PermissionsBoundary`, which the emulator's IAM enforces."""

    def complete(self, physical_id: str, properties: Properties) -> None:
        iam = self._client("iam")
        if boundary := properties.get("PermissionsBoundary"):
            iam.put_role_permissions_boundary(RoleName=physical_id, PermissionsBoundary=boundary)
        elif "PermissionsBoundary" in iam.get_role(RoleName=physical_id)["Role"]:
            iam.delete_role_permissions_boundary(RoleName=physical_id)


class Subnet(CompletedType):
    """Not deleted while a database stands in it, whose network interfaces the emulator lacks."""

    def delete(self, physical_id: str, properties: Properties) -> None:
        for database in self._client("rds").describe_db_instances()["DBInstances"]:
            subnets = database.get("DBSubnetGroup", {}).get("Subnets", [])
            if physical_id in [subnet["SubnetIdentifier"] for subnet in subnets]:
                raise ValueError(
                    f"The subnet '{physical_id}' has dependencies and cannot be deleted "
                    "(DependencyViolation)"
                )
        super().delete(physical_id, properties)


class LogGroup(CompletedType):
    """Refused when the name is taken, and named anew each time when it has none; the emulator
    adopts the group that it finds."""

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        name = properties.get("LogGroupName")
        if name and self._exists(name):
            raise ValueError(f"Log group {name} already exists (AlreadyExists)")
        made_up = {"LogGroupName": f"{stack}-{logical_id}-{uuid.uuid4().hex[:12]}"}
        return super().create(logical_id, {**made_up, **properties}, stack)

    def _exists(self, name: str) -> bool:
        groups = self._client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        return any(group["logGroupName"] == name for group in groups)


class Function(CompletedType):
    """With `VpcConfig` and `ReservedConcurrentExecutions`, which the emulator's Lambda enforces;
    and refused when the name is taken: the emulator takes the function that it finds."""

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        functions = self._client("lambda")
        if name := properties.get("FunctionName"):
            with suppress(functions.exceptions.ResourceNotFoundException):
                functions.get_function_configuration(FunctionName=name)
                raise ValueError(f"Function already exist: {name} (AlreadyExists)")
        return super().create(logical_id, properties, stack)

    def complete(self, physical_id: str, properties: Properties) -> None:
        functions = self._client("lambda")
        if network := properties.get("VpcConfig"):
            functions.update_function_configuration(
                FunctionName=physical_id,
                VpcConfig=_given(network, "SubnetIds", "SecurityGroupIds"),
            )
        if (reserved := properties.get("ReservedConcurrentExecutions")) is not None:
            functions.put_function_concurrency(
                FunctionName=physical_id, ReservedConcurrentExecutions=int(reserved)
            )
        else:
            functions.delete_function_concurrency(FunctionName=physical_id)


class Version(CompletedType):
    """A published version; in a rollback of a nested stack, the one that was there before.

    The emulator finishes a nested stack at once, and lets go of what it retains. Rolled back
    because of a later sibling, that stack would publish the former code under a new number.
    """

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        return self._former(logical_id, stack) or super().create(logical_id, properties, stack)

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Provisioned:
        return self._former(logical_id, stack, other_than=physical_id) or super().update(
            physical_id, old, new, stack, logical_id
        )

    def _former(self, logical_id: str, stack: str, other_than: str = "") -> Provisioned | None:
        """The version that the stack had last by this logical id, in a rollback."""
        record = emulator_internals.stack_record(stack)
        if record is None or not emulator_internals.belongs_to_a_rollback(record):
            return None
        pages = self._client("cloudformation").get_paginator("describe_stack_events")
        for page in pages.paginate(StackName=stack):
            for event in page["StackEvents"]:  # newest first
                arn = event.get("PhysicalResourceId", "")
                if event["LogicalResourceId"] == logical_id and arn not in ("", other_than):
                    return arn, {"Version": arn.rpartition(":")[2]}
        return None


class Table(CompletedType):
    """With point-in-time recovery and encryption; its end is another: the emulator's would delete
    a protected table."""

    def complete(self, physical_id: str, properties: Properties) -> None:
        dynamodb = self._client("dynamodb")
        if encryption := properties.get("SSESpecification"):
            dynamodb.update_table(
                TableName=physical_id,
                SSESpecification={
                    "Enabled": _is_true(encryption["SSEEnabled"]),
                    "SSEType": encryption.get("SSEType", "KMS"),
                    "KMSMasterKeyId": encryption["KMSMasterKeyId"],
                },
            )
        recovery = properties.get("PointInTimeRecoverySpecification", {})
        dynamodb.update_continuous_backups(
            TableName=physical_id,
            PointInTimeRecoverySpecification={
                "PointInTimeRecoveryEnabled": _is_true(recovery.get("PointInTimeRecoveryEnabled"))
            },
        )

    def delete(self, physical_id: str, properties: Properties) -> None:
        _unless_gone(lambda: self._client("dynamodb").delete_table(TableName=physical_id))


class Topic(CompletedType):
    """With `KmsMasterKeyId`."""

    def complete(self, physical_id: str, properties: Properties) -> None:
        self._client("sns").set_topic_attributes(
            TopicArn=physical_id,
            AttributeName="KmsMasterKeyId",
            AttributeValue=properties.get("KmsMasterKeyId", ""),
        )


class Bucket(CompletedType):
    """With tags, encryption, lifecycle, lock and access logging."""

    def complete(self, physical_id: str, properties: Properties) -> None:
        s3 = self._client("s3")
        if tags := properties.get("Tags"):
            s3.put_bucket_tagging(Bucket=physical_id, Tagging={"TagSet": list(tags)})
        if encryption := properties.get("BucketEncryption"):
            rules = [_encryption(rule) for rule in encryption["ServerSideEncryptionConfiguration"]]
            # Under AWS's own KMS key, as in the bootstrap's bucket, the emulator's S3 would refuse
            # what names no key.
            if "KMSMasterKeyID" in json.dumps(rules) or "AES256" in json.dumps(rules):
                s3.put_bucket_encryption(
                    Bucket=physical_id, ServerSideEncryptionConfiguration={"Rules": rules}
                )
        if lifecycle := properties.get("LifecycleConfiguration"):
            s3.put_bucket_lifecycle_configuration(
                Bucket=physical_id,
                LifecycleConfiguration={"Rules": [_lifecycle(rule) for rule in lifecycle["Rules"]]},
            )
        if lock := properties.get("ObjectLockConfiguration"):
            retention = lock["Rule"]["DefaultRetention"]
            s3.put_object_lock_configuration(
                Bucket=physical_id,
                ObjectLockConfiguration={
                    "ObjectLockEnabled": "Enabled",
                    "Rule": {
                        "DefaultRetention": {
                            "Mode": retention["Mode"],
                            "Days": int(retention["Days"]),
                        }
                    },
                },
            )
        if logging := properties.get("LoggingConfiguration"):
            s3.put_bucket_logging(
                Bucket=physical_id,
                BucketLoggingStatus={
                    "LoggingEnabled": {
                        "TargetBucket": logging["DestinationBucketName"],
                        "TargetPrefix": logging.get("LogFilePrefix", ""),
                    }
                },
            )


def _encryption(rule: Properties) -> dict[str, Any]:
    """A rule as S3 takes it."""
    return {
        "ApplyServerSideEncryptionByDefault": dict(rule["ServerSideEncryptionByDefault"]),
        "BucketKeyEnabled": _is_true(rule.get("BucketKeyEnabled")),
    }


def _lifecycle(rule: Properties) -> dict[str, Any]:
    """A rule of the whole bucket as S3 takes it; of what this app's rules have."""
    made: dict[str, Any] = {"ID": rule["Id"], "Status": rule["Status"], "Filter": {"Prefix": ""}}
    if transitions := rule.get("Transitions"):
        made["Transitions"] = [
            {"Days": int(each["TransitionInDays"]), "StorageClass": each["StorageClass"]}
            for each in transitions
        ]
    if "ExpirationInDays" in rule:
        made["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
    if transitions := rule.get("NoncurrentVersionTransitions"):
        made["NoncurrentVersionTransitions"] = [
            {"NoncurrentDays": int(each["TransitionInDays"]), "StorageClass": each["StorageClass"]}
            for each in transitions
        ]
    if expiration := rule.get("NoncurrentVersionExpiration"):
        made["NoncurrentVersionExpiration"] = {"NoncurrentDays": int(expiration["NoncurrentDays"])}
    if abort := rule.get("AbortIncompleteMultipartUpload"):
        made["AbortIncompleteMultipartUpload"] = {
            "DaysAfterInitiation": int(abort["DaysAfterInitiation"])
        }
    return made


class MetricAlarm(CompletedType):
    """The emulator's own type, made to take `Metrics`.

    An alarm on one metric is that metric's; one on a mathematical expression exists and can be
    described, but never leaves INSUFFICIENT_DATA: the emulator does not calculate.
    """

    def known(self, properties: Properties) -> Properties:
        return flat_alarm(properties)


def flat_alarm(properties: Properties) -> Properties:
    """An alarm's properties as the emulator knows them: without `Metrics`."""
    flat = {key: value for key, value in properties.items() if key != "Metrics"}
    match properties.get("Metrics"):
        case None:
            return properties
        case [{"MetricStat": {"Metric": metric, "Period": period, "Stat": statistic}}]:
            kind = "Statistic" if statistic in STATISTICS else "ExtendedStatistic"
            return {**flat, **metric, "Period": period, kind: statistic}
        case metrics:
            returned = next(m for m in metrics if str(m.get("ReturnData", True)) != "False")
            return {**flat, "Namespace": "MetricMath", "MetricName": returned["Id"]}


class CompositeAlarm(OwnType):
    """Ref is the alarm's name, which ours all have."""

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        cloudwatch, name = self._client("cloudwatch"), properties["AlarmName"]
        cloudwatch.put_composite_alarm(
            AlarmName=name,
            ActionsEnabled=_is_true(properties.get("ActionsEnabled", True)),
            **_given(properties, "AlarmRule", "AlarmDescription", "AlarmActions", "OKActions"),
            **_given(properties, "InsufficientDataActions", "Tags"),
        )
        found = cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=["CompositeAlarm"])
        return name, {"Arn": found["CompositeAlarms"][0]["AlarmArn"]}

    def delete(self, physical_id: str, properties: Properties) -> None:
        self._client("cloudwatch").delete_alarms(AlarmNames=[physical_id])


class WebAclAssociation(OwnType):
    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        resource, acl = properties["ResourceArn"], properties["WebACLArn"]
        self._client("wafv2").associate_web_acl(ResourceArn=resource, WebACLArn=acl)
        return f"{resource}|{acl}", {}

    def delete(self, physical_id: str, properties: Properties) -> None:
        waf = self._client("wafv2")
        resource = properties["ResourceArn"]
        try:
            associated = waf.get_web_acl_for_resource(ResourceArn=resource)["WebACL"]["ARN"]
        except ClientError as error:
            if _is_gone(error):
                return
            raise
        # A replacement has associated the resource with another ACL by now: leave that alone.
        if associated == properties["WebACLArn"]:
            waf.disassociate_web_acl(ResourceArn=resource)


class Recorded:
    """A type without an API in the emulator: it exists in its stack only.

    `key` is the property that is its physical id (an id is drawn without one); `attribute` is that
    id's name.
    """

    def __init__(self, key: str = "", attribute: str = "") -> None:
        self._key = key
        self._attribute = attribute

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned:
        return self.update(str(uuid.uuid4()), {}, properties, stack, logical_id)

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Provisioned:
        id_ = new.get(self._key, physical_id)
        return id_, {self._attribute: id_} if self._attribute else {}

    def delete(self, physical_id: str, properties: Properties) -> None:
        pass


def _given(properties: Properties, *names: str) -> dict[str, Any]:
    """Of properties that a service takes by the same names, those that are there."""
    return {name: properties[name] for name in names if name in properties}


def _without_tags(properties: Properties) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if key not in _TAGS}


def _tags(properties: Properties) -> dict[str, str]:
    return {tag["Key"]: str(tag["Value"]) for tag in properties.get("Tags") or ()}


def _is_gone(error: ClientError) -> bool:
    code = error.response["Error"]["Code"]
    return code.endswith(("NotFound", "NotFoundException")) or code == "WAFNonexistentItemException"


def _is_true(value: object) -> bool:
    """Templates have booleans as such, or as text."""
    return str(value).lower() == "true"


def _unless_gone(delete: Callable[[], object]) -> None:
    """A resource that somebody else deleted is deleted: CloudFormation agrees."""
    try:
        delete()
    except ClientError as error:
        if not _is_gone(error):
            raise
