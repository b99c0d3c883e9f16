# mypy: disable-error-code="import-untyped"
"""Everything of the emulator that is not its public interface, in one place.

MiniStack documents its HTTP endpoints and environment variables only. What this module imports
are private names of exactly the release below; `require_version` refuses any other, so a new
release is looked at before it is used.
"""

from __future__ import annotations

import asyncio
import contextvars
import copy
import fnmatch
import functools
import json
import logging
import operator
import re
import subprocess
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any, Protocol, cast

logger = logging.getLogger(__name__)

MINISTACK_VERSION = "1.5.33"

# The headers of PutObject that are condition keys under the same names after `s3:`.
WRITE_HEADERS = ("x-amz-server-side-encryption-aws-kms-key-id", "if-none-match")

Properties = Mapping[str, Any]
# A resource's physical id and its `Fn::GetAtt` attributes.
Provisioned = tuple[str, dict[str, str]]
AsgiApplication = Callable[..., Awaitable[None]]


class ResourceType(Protocol):
    """What CloudFormation needs to know about one resource type.

    Each method runs on a thread of its own, so it may call the emulator over HTTP and wait. An
    `update` that returns another physical id is a replacement: CloudFormation deletes the
    predecessor at the end.
    """

    def create(self, logical_id: str, properties: Properties, stack: str) -> Provisioned: ...

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Provisioned: ...

    def delete(self, physical_id: str, properties: Properties) -> None: ...


class VersionError(Exception):
    """The installed emulator is not the release that `local/` was written for."""


def require_version() -> None:
    """Raise VersionError unless the installed MiniStack is the one this module knows."""
    found = version("ministack")
    if found != MINISTACK_VERSION:
        raise VersionError(
            f"MiniStack {found} is installed, but local/ uses private names of "
            f"{MINISTACK_VERSION}: run `make setup`, or review local/emulator_internals.py"
        )


def _instead_of(owner: Any, name: str, *others: Any) -> Callable[[Callable[..., Any]], None]:
    """Puts a function in the place of the emulator's own, which it gets as its first argument.

    Args:
        owner: the module or the table that has it; `others`: modules that have imported it.
    """

    def put(function: Callable[..., Any]) -> None:
        tables = [each if isinstance(each, dict) else vars(each) for each in (owner, *others)]
        replacement = functools.partial(function, tables[0][name])
        for table in tables:
            table[name] = replacement

    return put


def application() -> AsgiApplication:
    """The emulator as an ASGI application. Its settings are read from the environment now."""
    from ministack.app import app

    return cast(AsgiApplication, app)


def register(types: Mapping[str, ResourceType]) -> None:
    """Add (or replace) CloudFormation resource types."""
    from ministack.services.cloudformation import provisioners, stacks

    for name, resource_type in types.items():
        provisioners._RESOURCE_HANDLERS[name] = {
            **provisioners._RESOURCE_HANDLERS.get(name, {}),
            "create": resource_type.create,
            "update": resource_type.update,
            "update_with_logical_id": True,
            "delete": resource_type.delete,
        }
    by_default = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda name: name in types or by_default(name)


@dataclass(frozen=True)
class BuiltIn:
    """The emulator's own handlers of a resource type, kept before `register` replaces them.

    Only for types whose own `update` takes the logical id last.
    """

    create: Callable[[str, Properties, str], Provisioned]
    update: Callable[[str, Properties, Properties, str, str], Provisioned]
    delete: Callable[[str, Properties], None]


def built_in(name: str) -> BuiltIn:
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS[name]
    return BuiltIn(handlers["create"], handlers["update"], handlers["delete"])


def keep_aliases_of_updated_mappings() -> None:
    """Feed the alias when an update gives an event source to another function or alias.

    The emulator's update changes the mapping's ARN, which is what can be described, but not the
    qualifier by which it finds what to call.
    """
    from ministack.services import lambda_svc
    from ministack.services.cloudformation import provisioners

    @_instead_of(provisioners._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"], "update")
    def update(by_itself: Any, *arguments: Any) -> Provisioned:
        updated, attributes = by_itself(*arguments)
        mapping = lambda_svc._esms[updated]
        _, mapping["Qualifier"] = lambda_svc._resolve_name_and_qualifier(mapping["FunctionArn"])
        return updated, attributes


def delete_custom_resources_that_failed() -> None:
    """Send a custom resource whose creation failed the Delete that AWS's rollback begins with.

    The emulator rolls back only what it has created; but what fails may have done half its work.
    """
    from ministack.services.cloudformation import custom_resource

    @_instead_of(custom_resource, "invoke_custom_resource")
    def invoke(by_itself: Any, type_: str, logical_id: str, *others: Any, **named: Any) -> Any:
        try:
            return by_itself(type_, logical_id, *others, **named)
        except (RuntimeError, TimeoutError):  # its function has failed, or has not answered
            if type_ == "Create":
                made = {**named, "physical_id": logical_id}
                with suppress(Exception):  # the creation's failure is what is to be told
                    by_itself("Delete", logical_id, *others, **made)
            raise


def keep_what_undeleted_resources_need() -> None:
    """Where a resource cannot be deleted, leave what it depends on, as AWS does: in a deletion and
    in the rollback of a creation, whose record keeps all of it for the next deletion."""
    from ministack.services.cloudformation import engine, handlers, stacks

    needs: dict[str, dict[str, set[str]]] = {}  # what resources depend on, while a stack is deleted
    undeleted: dict[str, set[str]] = {}

    def begin(stack: str, template: Mapping[str, Any] | None) -> None:
        resources = (template or {}).get("Resources", {})
        undeleted[stack] = set()
        needs[stack] = {
            name: engine._extract_deps(resource, set(resources))
            for name, resource in resources.items()
        }

    def end(stack: str) -> None:
        needs.pop(stack, None)
        undeleted.pop(stack, None)

    @_instead_of(stacks, "_delete_resource")
    def guarded(
        delete: Any, type_: str, id_: str, properties: Properties, stack: str, logical_id: str
    ) -> None:
        left = undeleted.get(stack, set())
        if users := sorted(each for each in left if logical_id in needs[stack].get(each, ())):
            left.add(logical_id)
            raise RuntimeError(f"not deleted, since {users[0]} needs it and could not be")
        try:
            delete(type_, id_, properties, stack, logical_id)
        except Exception:
            left.add(logical_id)
            raise

    @_instead_of(stacks, "_delete_stack_async", handlers)
    async def deleted(by_itself: Any, stack_name: str, *others: Any, **named: Any) -> None:
        begin(stack_name, (stack_record(stack_name) or {}).get("_template"))
        try:
            await by_itself(stack_name, *others, **named)
        finally:
            end(stack_name)

    @_instead_of(stacks, "_roll_back_operation", handlers)
    async def rolled_back(
        by_itself: Any, stack_name: str, id_: str, stack: Any, operation: Any, *others: Any
    ) -> None:
        roll_back = functools.partial(by_itself, stack_name, id_, stack, operation, *others)
        if operation.get("is_update"):
            await roll_back()
            return
        before = dict(stack.get("_resources", {}))
        begin(stack_name, operation.get("template"))
        try:
            await roll_back()
        finally:
            end(stack_name)
        if failures := stack.get("_rollback_failed", {}):
            stack["_template"] = operation.get("template")  # which the next deletion goes by
        for logical_id in failures:
            if logical_id in before:
                failed = {**before[logical_id], "ResourceStatus": "DELETE_FAILED"}
                stack["_resources"][logical_id] = failed


def account_and_region() -> tuple[str, str]:
    """The account and region that the running request (or stack operation) belongs to."""
    from ministack.core.responses import get_account_id, get_region

    return get_account_id(), get_region()


def db_instance(identifier: str) -> dict[str, Any] | None:
    """The record behind DescribeDBInstances, to be changed in place."""
    from ministack.services import rds

    return cast("dict[str, Any] | None", rds._instances.get(identifier))


def tell_master_secrets() -> None:
    """Have an instance's description tell where its master user's password is, as AWS's does; the
    emulator tells it of clusters."""
    from ministack.services import rds

    @_instead_of(rds, "_instance_xml")
    def complete(by_itself: Any, instance: Mapping[str, Any]) -> str:
        fields = instance.get("MasterUserSecret") or {}
        told = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
        return str(by_itself(instance)) + (
            f"<MasterUserSecret>{told}</MasterUserSecret>" if told else ""
        )


def after_db_instance_action(action: str, then: Callable[[str], None], asked: str) -> None:
    """Call `then` with the instance's identifier when a request of this RDS action succeeded; with
    `asked`, only of those in which that parameter is true."""
    from ministack.services import rds

    @_instead_of(rds._ACTION_MAP, action)
    def both(by_itself: Any, parameters: Any) -> Any:
        answer = by_itself(parameters)
        if answer[0] == 200 and (not asked or rds._p(parameters, asked).lower() == "true"):
            then(rds._p(parameters, "DBInstanceIdentifier"))
        return answer


def let_db_instances_be_restored(restore: Callable[[str, str, datetime | None], None]) -> None:
    """Add RestoreDBInstanceToPointInTime and DescribeDBInstanceAutomatedBackups. A deleted
    instance's backups are kept if its deletion says so (which is not its default); what is being
    made is not deleted.

    Args:
        restore: makes the server of an instance, whose record is there, from the backups of a
            resource id, as of a moment or the latest. It is called in a thread, as the request
            does not wait for it.
    """
    from ministack.services import rds

    retained: dict[str, dict[str, Any]] = {}  # records of deleted instances, by resource id

    def sources() -> dict[str, dict[str, Any]]:
        return {**retained, **{each["DbiResourceId"]: each for each in rds._instances.values()}}

    def in_background(source: str, target: str, moment: datetime | None) -> None:
        record = rds._instances[target]
        try:
            restore(source, target, moment)
            record["DBInstanceStatus"] = "available"
        except Exception:
            logger.exception("%s could not be restored", target)
            record["DBInstanceStatus"] = "restore-error"

    def handle(request: Any) -> Any:
        given = functools.partial(rds._p, request)
        name, target = given("SourceDBInstanceIdentifier"), given("TargetDBInstanceIdentifier")
        live = rds._instances.get(name, {}).get("DbiResourceId", "")
        source = given("SourceDbiResourceId") or live
        if source not in sources():
            return rds._error("DBInstanceNotFound", f"DBInstance {name or source} not found.", 404)
        if target in rds._instances:
            return rds._error("DBInstanceAlreadyExists", "DB instance already exists", 400)
        moment = None
        if given("UseLatestRestorableTime") != "true":
            moment = datetime.fromisoformat(given("RestoreTime"))
            begin, end = (datetime.fromisoformat(each) for each in window(sources()[source]))
            if not begin <= moment <= end:
                refusal = f"The instance can be restored to times from {begin} to {end}."
                return rds._error("InvalidRestoreFault", refusal, 400)
        record = copy.deepcopy(sources()[source])
        for each in ("Endpoint", "MasterUserSecret", "LatestRestorableTime", "MaxAllocatedStorage"):
            record.pop(each, None)
        if subnets := given("DBSubnetGroupName"):
            if subnets not in rds._subnet_groups:
                return rds._error(
                    "DBSubnetGroupNotFoundFault", f"Subnet group {subnets} not found.", 404
                )
            record["DBSubnetGroup"] = rds._subnet_groups[subnets]
        groups = rds._parse_member_list(request, "VpcSecurityGroupIds")
        parameters = given("DBParameterGroupName") or "default.postgres18"
        tags = rds._parse_tags(request)
        record |= {
            "DBInstanceIdentifier": target,
            "DBInstanceArn": record["DBInstanceArn"].rpartition(":")[0] + f":{target}",
            "DbiResourceId": f"db-{uuid.uuid4().hex[:26].upper()}",
            "DBInstanceStatus": "creating",
            "InstanceCreateTime": rds._format_time(time.time()),
            "DBInstanceClass": given("DBInstanceClass") or record["DBInstanceClass"],
            "DBParameterGroups": [
                {"DBParameterGroupName": parameters, "ParameterApplyStatus": "in-sync"}
            ],
            **{
                key: given(asked) == "true"
                for asked, key in (
                    ("CopyTagsToSnapshot", "CopyTagsToSnapshot"),
                    ("DeletionProtection", "DeletionProtection"),
                    ("EnableIAMDatabaseAuthentication", "IAMDatabaseAuthenticationEnabled"),
                    ("MultiAZ", "MultiAZ"),
                    ("PubliclyAccessible", "PubliclyAccessible"),
                )
            },
            "MonitoringInterval": 0,
            "PerformanceInsightsEnabled": False,
            "VpcSecurityGroups": [
                {"VpcSecurityGroupId": group, "Status": "active"} for group in groups
            ],
            "TagList": tags,
        }
        if given("MaxAllocatedStorage"):
            record["MaxAllocatedStorage"] = int(given("MaxAllocatedStorage"))
        rds._instances[target] = record
        rds._tags[record["DBInstanceArn"]] = tags
        threading.Thread(
            target=contextvars.copy_context().run,  # the account and region of the request
            args=[in_background, source, target, moment],
            daemon=True,
        ).start()
        return rds._single_instance_response(
            "RestoreDBInstanceToPointInTimeResponse",
            "RestoreDBInstanceToPointInTimeResult",
            record,
        )

    def window(record: Mapping[str, Any]) -> tuple[str, str]:
        return record["InstanceCreateTime"], record.get("_deleted") or rds._format_time(time.time())

    def backups(request: Any) -> Any:
        asked = {each: rds._p(request, each) for each in ("DBInstanceIdentifier", "DbiResourceId")}
        found = ""
        for record in sources().values():
            if any(value not in ("", record[name]) for name, value in asked.items()):
                continue
            begin, end = window(record)
            found += (
                "<DBInstanceAutomatedBackup>"
                + "".join(f"<{name}>{record[name]}</{name}>" for name in asked)
                + f"<Status>{'retained' if '_deleted' in record else 'active'}</Status>"
                f"<RestoreWindow><EarliestTime>{begin}</EarliestTime>"
                f"<LatestTime>{end}</LatestTime></RestoreWindow></DBInstanceAutomatedBackup>"
            )
        action = "DescribeDBInstanceAutomatedBackups"
        return rds._xml(
            200,
            f"{action}Response",
            f"<{action}Result><DBInstanceAutomatedBackups>{found}</DBInstanceAutomatedBackups>"
            f"</{action}Result>",
        )

    @_instead_of(rds._ACTION_MAP, "DeleteDBInstance")
    def delete(by_itself: Any, request: Any) -> Any:
        name = rds._p(request, "DBInstanceIdentifier")
        record = rds._instances.get(name, {})
        if record.get("DBInstanceStatus") == "creating":
            return rds._error("InvalidDBInstanceState", f"{name} is being created.", 400)
        now = rds._format_time(time.time())
        answer = by_itself(request)
        if answer[0] == 200 and rds._p(request, "DeleteAutomatedBackups") == "false":
            record["_deleted"] = now
            retained[record["DbiResourceId"]] = record
        return answer

    rds._ACTION_MAP["RestoreDBInstanceToPointInTime"] = handle
    rds._ACTION_MAP["DescribeDBInstanceAutomatedBackups"] = backups


def stack_record(name_or_id: str) -> dict[str, Any] | None:
    """The record behind DescribeStacks, to be changed in place."""
    from ministack.services.cloudformation import handlers

    return cast("dict[str, Any] | None", handlers._resolve_stack(name_or_id))


def let_conditions_join_lists() -> None:
    """Join the members of a list in a condition, as the template of `cdk bootstrap` does to see
    whether it was given policies: the emulator takes the function itself for the value."""
    from ministack.services.cloudformation import changesets, engine, handlers, stacks

    def joined(value: Any, parameters: Properties) -> Any:
        if isinstance(value, list):
            return [joined(each, parameters) for each in value]
        if not isinstance(value, dict):
            return value
        if "Fn::Join" in value:
            return engine._resolve_refs(value, {}, parameters, {}, {}, "", "")
        return {name: joined(each, parameters) for name, each in value.items()}

    @_instead_of(engine, "_evaluate_conditions", changesets, handlers, stacks)
    def evaluate(by_itself: Any, template: Properties, parameters: Properties) -> Any:
        conditions = joined(template.get("Conditions", {}), parameters)
        return by_itself({**template, "Conditions": conditions}, parameters)


def refuse_change_sets_during_operations() -> None:
    """Refuse, as AWS does, to make or to carry out a change set of a stack that an operation runs
    on: the emulator would begin a second one beside it."""
    from ministack.services.cloudformation import handlers

    def guarded(by_itself: Any, parameters: Any) -> Any:
        record = stack_record(handlers._p(parameters, "StackName"))
        status = record["StackStatus"] if record else ""
        if record and status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            return handlers._error(
                "ValidationError",
                f"Stack:{record['StackId']} is in {status} state and can not be updated.",
            )
        return by_itself(parameters)

    for action in ("CreateChangeSet", "ExecuteChangeSet"):
        _instead_of(handlers._ACTION_HANDLERS, action)(guarded)


Asked = Callable[[str, str, str, Properties, str], Iterable["Right"]]


@dataclass(frozen=True)
class Right:
    """What a request needs a policy for."""

    action: str
    resource: str
    context: Mapping[str, str]


def work_under_execution_roles(asked: Asked) -> None:
    """Have CloudFormation make, change and delete resources with the rights of the role that it was
    given, as AWS does; the emulator asks nobody. A stack keeps its role for what comes later.

    Args:
        asked: the rights for a resource, by its type, the operation (`create`, `update`, `delete`),
            its logical id, its properties and the stack's name.
    """
    from ministack.services.cloudformation import handlers, stacks

    def keeping(by_itself: Any, parameters: Any) -> Any:
        answer = by_itself(parameters)
        record = stack_record(handlers._p(parameters, "StackName"))
        if record and (role := handlers._p(parameters, "RoleARN")):
            record["RoleARN"] = role
        return answer

    for action in ("CreateStack", "UpdateStack", "CreateChangeSet", "DeleteStack"):
        _instead_of(handlers._ACTION_HANDLERS, action)(keeping)

    def require(
        type_: str, operation: str, logical_id: str, properties: Properties, stack: str
    ) -> None:
        role = (stack_record(stack) or {}).get("RoleARN")
        if not role:
            return
        for right in asked(type_, operation, logical_id, properties, stack):
            if not role_allows(role, right):
                raise RuntimeError(
                    f"{role} is not authorized to perform: {right.action} on resource: "
                    f"{right.resource}"
                )

    @_instead_of(stacks, "_provision_resource")
    def created(by_itself: Any, type_: str, logical_id: str, given: Any, stack: str) -> Any:
        require(type_, "create", logical_id, given, stack)
        return by_itself(type_, logical_id, given, stack)

    @_instead_of(stacks, "_update_resource")
    def updated(
        by_itself: Any, type_: str, id_: str, old: Any, new: Any, stack: str, *others: Any
    ) -> Any:
        if old != new:
            require(type_, "update", others[0] if others else id_, new, stack)
        return by_itself(type_, id_, old, new, stack, *others)

    @_instead_of(stacks, "_delete_resource")
    def deleted(
        by_itself: Any, type_: str, id_: str, given: Any, stack: str, logical_id: str
    ) -> None:
        require(type_, "delete", logical_id, given, stack)
        by_itself(type_, id_, given, stack, logical_id)


def role_allows(role: str, right: Right) -> bool:
    """Evaluate a role's policies and its permissions boundary."""
    from ministack.core import iam_evaluator
    from ministack.services import iam

    account, region = account_and_region()
    name = role.rpartition("/")[2]
    context = iam_evaluator.EvalContext(
        principal_arn=role,
        principal_type="AssumedRole",
        principal_account=account,
        action=right.action,
        resource_arn=right.resource,
        region=region,
        source_ip="127.0.0.1",
        secure_transport=True,
        service_context={key.lower(): value for key, value in right.context.items()},
    )
    policies = iam_evaluator._gather_role_policies(name, account)
    limits = iam_evaluator._permissions_boundary(iam._roles, name, account)
    return bool(iam_evaluator.evaluate(context, policies, *limits).decision == "Allow")


def trusts(policy: Properties, provider: str, claims: Mapping[str, str]) -> bool:
    """Whether a role's trust policy lets in who brings an OIDC provider's token.

    Args:
        claims: of the token, by condition key.
    """
    from ministack.core import iam_evaluator

    context = iam_evaluator.EvalContext(
        principal_arn=provider,
        principal_type="WebIdentityUser",
        principal_account="",
        action="sts:AssumeRoleWithWebIdentity",
        resource_arn="*",
        region="",
        service_context=dict(claims),
    )
    return bool(iam_evaluator.evaluate_trust_policy(dict(policy), provider, context))


def record_alarm_actions() -> None:
    """Have an alarm's history tell, as on AWS, whether the topic took the message. The emulator
    sends it, and leaves it at that."""
    from ministack.services import cloudwatch, sns

    fields = {"ALARM": "AlarmActions", "OK": "OKActions"}
    fields["INSUFFICIENT_DATA"] = "InsufficientDataActions"

    @_instead_of(cloudwatch, "_dispatch_alarm_actions")
    def act(by_itself: Any, alarm: Properties, before: str, after: str, reason: str) -> None:
        by_itself(alarm, before, after, reason)
        if not alarm.get("ActionsEnabled", True):
            return
        for action in filter(cloudwatch._is_sns_action_arn, alarm.get(fields[after]) or []):
            done = action in sns._topics
            result = "Successfully executed" if done else "Failed to execute"
            cloudwatch._history_entries().append(
                {
                    "AlarmName": alarm["AlarmName"],
                    "AlarmType": "CompositeAlarm" if "AlarmRule" in alarm else "MetricAlarm",
                    "Timestamp": cloudwatch._ts_iso(time.time()),
                    "HistoryItemType": "Action",
                    "HistorySummary": f"{result} action {action}",
                    "HistoryData": json.dumps({"actionState": "Succeeded" if done else "Failed"}),
                }
            )


def flatten_alarms(flat: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
    """Have PutMetricAlarm take `Metrics`, which the emulator drops."""
    from ministack.services import cloudwatch

    @_instead_of(cloudwatch, "_put_metric_alarm")
    def put(by_itself: Any, parameters: Any, decoded: Any, *more: Any, **named: Any) -> Any:
        return by_itself(parameters, decoded and flat(decoded), *more, **named)


def search_logs_by_patterns() -> None:
    """Search logs by the patterns of FilterLogEvents: terms, all or (`?`) any of them, a regular
    expression, and one property of JSON. The emulator takes a phrase for words, and any JSON."""
    from ministack.services import cloudwatch_logs

    property_ = re.compile(r'\{ *\$\.([\w.]+) *(!?=|[<>]=?) *(?:"([^"]*)"|([^\s"&|]+)) *\}')
    term = re.compile(r'([?-]?)(?:"([^"]*)"|%([^%]+)%|([^\s"%]+))(?=\s|$)')
    compared = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}

    def of_json(path: str, sign: str, text: str | None, other: str) -> Callable[[str], bool]:
        def matches(message: str) -> bool:
            try:
                value = functools.reduce(operator.getitem, path.split("."), json.loads(message))
                if sign in compared:
                    return bool(compared[sign](value, float(other)))
            except (ValueError, KeyError, TypeError, IndexError):
                return False
            return fnmatch.fnmatchcase(str(value), other or str(text)) is (sign == "=")

        return matches

    @_instead_of(cloudwatch_logs, "_compile_filter_pattern")
    def compiled(by_itself: Any, pattern: str) -> Callable[[str], bool]:
        pattern = (pattern or "").strip()
        if found := property_.fullmatch(pattern):
            return of_json(*found.groups())
        terms = [
            (sign, re.compile(expression or re.escape(phrase or word)))
            for sign, phrase, expression, word in term.findall(pattern)
        ]
        if pattern.startswith("{") or not terms:
            made: Callable[[str], bool] = by_itself(pattern)
            return made

        def matches(message: str) -> bool:
            seen = [(sign, wanted.search(message) is not None) for sign, wanted in terms]
            optional = [found for sign, found in seen if sign == "?"]
            return all(found is (sign != "-") for sign, found in seen if sign != "?") and (
                not optional or any(optional)
            )

        return matches


def record_event_deliveries() -> None:
    """Count, as on AWS, how often a rule calls a topic, and how often in vain; and set aside, where
    the target has a dead-letter queue, what the topic does not take."""
    from ministack.services import cloudwatch, eventbridge, sns

    def count(metric: str, rule: str) -> None:
        cloudwatch._store_datum(
            "AWS/Events", metric, {"RuleName": rule}, time.time(), "Count", 1, None, None, None
        )

    @_instead_of(eventbridge, "_invoke_target")
    def call(
        by_itself: Any, target: Properties, event: Any, rule: Properties, view: Any = None
    ) -> None:
        by_itself(target, event, rule, view)
        if not cloudwatch._is_sns_action_arn(target["Arn"]):
            return
        count("Invocations", rule["Name"])
        if target["Arn"] in sns._topics:
            return
        count("FailedInvocations", rule["Name"])
        if queue := target.get("DeadLetterConfig", {}).get("Arn"):
            body = json.dumps(eventbridge._pattern_event_view(event).event_with_detail())
            eventbridge._dispatch_to_sqs(eventbridge.parse_arn(queue), body)


def belongs_to_a_rollback(record: Mapping[str, Any]) -> bool:
    """Whether an operation on a nested stack takes back what its parent did."""
    parent = stack_record(record.get("ParentId") or "")
    return parent is not None and "ROLLBACK" in parent["StackStatus"]


@dataclass(frozen=True)
class Credential:
    """The owner and the secret of an access key."""

    principal_arn: str
    secret_access_key: str


def credential(access_key_id: str, account: str, session_token: str) -> Credential | None:
    """Look an access key up as a request would; None if it is unknown, expired or its session
    token is not the right one."""
    from ministack.core.iam_evaluator import CredentialResolutionError, resolve_credential

    found = resolve_credential(access_key_id, account, session_token)
    if isinstance(found, CredentialResolutionError):
        return None
    return Credential(found.principal_arn, found.secret_access_key)


def allows(access_key_id: str, action: str, resource: str, account: str, region: str) -> bool:
    """Evaluate identity policies, permissions boundary and session policies of the key's owner."""
    from ministack.core.iam_evaluator import AuthError, EvalContext, evaluate, resolve_principal
    from ministack.core.responses import request_scope

    with request_scope(account, region):
        principal = resolve_principal(access_key_id, account)
        if isinstance(principal, AuthError):
            return False
        if principal.policies is None:  # the account's root
            return True
        context = EvalContext(
            principal_arn=principal.arn,
            principal_type=principal.type,
            principal_account=account,
            action=action,
            resource_arn=resource,
            region=region,
            source_ip="127.0.0.1",
            secure_transport=True,
            principal_keys=principal.keys,
        )
        return bool(evaluate(context, principal.policies, *principal.limits).decision == "Allow")


def complete_condition_keys() -> None:
    """Give requests the condition keys of our resource policies that the emulator leaves out.

    Those of a request that writes an object: what its headers ask for, and whether it makes the
    object (the beginning and the parts of a multipart upload do not). Those of any request:
    whether a service makes it of itself, and for KMS, the account that it is made from.
    """
    from ministack.core import iam_actions, iam_evaluator

    @_instead_of(iam_actions, "s3_service_context")
    def of_s3(
        by_itself: Any, action: str, query: Any, path: str = "", headers: Any = None
    ) -> dict[str, Any]:
        found: dict[str, Any] = by_itself(action, query, path, headers)
        if action == "s3:PutObject":
            for name in WRITE_HEADERS:
                if value := (headers or {}).get(name):
                    found[f"s3:{name}"] = value
            begins_or_continues = "uploads" in (query or {}) or "partNumber" in (query or {})
            found["s3:ObjectCreationOperation"] = str(not begins_or_continues).lower()
        return found

    @_instead_of(iam_evaluator, "_resolve_condition_key")
    def of_any(by_itself: Any, key: str, context: Any) -> Any:
        match key.lower():
            case "aws:principalisawsservice":
                return str(context.principal_type == "Service").lower()
            case "kms:calleraccount" if context.action.startswith("kms:"):
                return context.principal_account
        return by_itself(key, context)


def authorize_actions_by_their_names() -> None:
    """Ask for the permission of the single action when SQS gets a batch, and of reading when
    somebody reads a function's concurrency.

    IAM has no actions of their own for SendMessageBatch, DeleteMessageBatch and
    ChangeMessageVisibilityBatch (service authorization reference, "Amazon SQS"); the emulator
    asks for them, and of a function's concurrency always for PutFunctionConcurrency.
    """
    from ministack.core import iam_actions

    @_instead_of(iam_actions, "extract_iam_action")
    def action(by_itself: Any, service: str, method: str, *others: Any) -> str | None:
        found: str | None = by_itself(service, method, *others)
        if found == "lambda:PutFunctionConcurrency" and method != "PUT":
            return f"lambda:{'Get' if method == 'GET' else 'Delete'}FunctionConcurrency"
        return found.removesuffix("Batch") if found and found.startswith("sqs:") else found


def add_message_move_tasks() -> None:
    """Let SQS move messages from a dead-letter queue back to the queue that they came from."""
    from ministack.services import sqs

    tasks: list[dict[str, Any]] = []  # newest first

    def queue_by_arn(arn: str) -> dict[str, Any]:
        return cast("dict[str, Any]", sqs._get_q(arn.rpartition(":")[2]))

    def fed_from(arn: str) -> str:
        for queue in sqs._queues.values():
            policy = json.loads(queue["attributes"].get("RedrivePolicy", "{}"))
            if policy.get("deadLetterTargetArn") == arn:
                return str(queue["attributes"]["QueueArn"])
        raise sqs._Err("InvalidParameterValue", "Source queue must be configured as a DLQ.")

    async def move(task: dict[str, Any], rate: int) -> None:
        source, target = queue_by_arn(task["SourceArn"]), queue_by_arn(task["DestinationArn"])
        waiting = [each for each in source["messages"] if each["visible_at"] <= time.time()]
        for message in waiting:
            if task["Status"] != "RUNNING":
                task["Status"] = "CANCELLED"
                return
            source["messages"].remove(message)
            now = time.time()
            target["messages"].append(
                {**message, "id": str(uuid.uuid4()), "receive_count": 0, "receipt_handle": None}
                | {"first_receive_at": None, "sent_at": now, "visible_at": now}
            )
            task["ApproximateNumberOfMessagesMoved"] += 1
            await asyncio.sleep(1 / rate)
        task["Status"] = "COMPLETED"

    def start(data: Properties, _url: str) -> dict[str, Any]:
        source = data["SourceArn"]
        target = data.get("DestinationArn") or fed_from(source)
        if any(each["SourceArn"] == source and each["Status"] == "RUNNING" for each in tasks):
            raise sqs._Err(
                "UnsupportedOperation", "There is already a task running for this queue."
            )
        task = {
            "TaskHandle": str(uuid.uuid4()),
            "Status": "RUNNING",
            "SourceArn": source,
            "DestinationArn": target,
            "StartedTimestamp": int(time.time() * 1000),
            "ApproximateNumberOfMessagesMoved": 0,
            "ApproximateNumberOfMessagesToMove": len(queue_by_arn(source)["messages"]),
        }
        tasks.insert(0, task)
        rate = data.get("MaxNumberOfMessagesPerSecond") or 500  # AWS's own most
        task["running"] = asyncio.get_running_loop().create_task(move(task, rate))
        return {"TaskHandle": task["TaskHandle"]}

    def shown(task: Mapping[str, Any]) -> dict[str, Any]:
        hidden = {"running"} if task["Status"] == "RUNNING" else {"running", "TaskHandle"}
        return {name: value for name, value in task.items() if name not in hidden}

    def listed(data: Properties, _url: str) -> dict[str, Any]:
        found = [shown(each) for each in tasks if each["SourceArn"] == data["SourceArn"]]
        return {"Results": found[: int(data.get("MaxResults") or 1)]}

    def cancel(data: Properties, _url: str) -> dict[str, Any]:
        for task in tasks:
            if task["TaskHandle"] == data["TaskHandle"] and task["Status"] == "RUNNING":
                task["Status"] = "CANCELLING"
                moved = task["ApproximateNumberOfMessagesMoved"]
                return {"ApproximateNumberOfMessagesMoved": moved}
        raise sqs._Err("ResourceNotFoundException", "Task does not exist.", 404)

    sqs._HANDLERS |= {
        "StartMessageMoveTask": start,
        "ListMessageMoveTasks": listed,
        "CancelMessageMoveTask": cancel,
    }


def let_log_groups_change_their_key() -> None:
    """Answer AssociateKmsKey and DisassociateKmsKey; the emulator knows the key of a creation only.

    IAM decides on both before this is reached.
    """
    from ministack.core.responses import error_response_json, json_response
    from ministack.services import cloudwatch_logs as logs

    @_instead_of(logs, "handle_request")
    async def handle(
        by_itself: Any, method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any
    ) -> Any:
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        if action not in ("AssociateKmsKey", "DisassociateKmsKey"):
            return await by_itself(method, path, headers, body, query)
        asked = json.loads(body)
        if (name := asked["logGroupName"]) not in logs._log_groups:
            return error_response_json("ResourceNotFoundException", f"There is no {name}.", 400)
        logs._log_groups[name]["kmsKeyId"] = asked.get("kmsKeyId")
        return json_response({})


def complete_restores_of_tables() -> None:
    """Restore tables as DynamoDB does: to a moment, a deleted one from the backup that it leaves,
    and under the key of `SSESpecificationOverride`. A table's backups begin with the table."""
    from ministack.core.responses import error_response_json
    from ministack.services import dynamodb

    changes: dict[str, list[tuple[float, Properties, Properties]]] = {}  # by the table's id

    @_instead_of(dynamodb, "_emit_stream_event")
    def emit(by_itself: Any, name: str, event: str, old: Any, new: Any, **more: Any) -> None:
        if table := dynamodb._tables.get(name):
            change = (time.time(), old or {}, new or {})
            changes.setdefault(table["TableId"], []).append(change)
        by_itself(name, event, old, new, **more)

    def as_of(table: Properties, moment: float) -> dict[Any, dict[Any, Any]]:
        items: dict[Any, dict[Any, Any]] = copy.deepcopy(dict(table["items"]))
        for at, old, new in reversed(changes.get(table["TableId"], [])):
            if at <= moment:
                break
            hash_, range_ = (
                dynamodb._extract_key_val((new or old).get(table[name]))
                for name in ("pk_name", "sk_name")
            )
            if old:
                items.setdefault(hash_, {})[range_] = copy.deepcopy(old)
            else:
                items.get(hash_, {}).pop(range_, None)
        return {hash_: those for hash_, those in items.items() if those}

    def encrypted(answer: Any, data: Properties) -> Any:
        if answer[0] == 200 and (encryption := data.get("SSESpecificationOverride")):
            dynamodb._update_table(
                {"TableName": data["TargetTableName"], "SSESpecification": encryption}
            )
        return answer

    @_instead_of(dynamodb, "_restore_table_to_point_in_time")
    def restore(by_itself: Any, data: Properties) -> Any:
        name = dynamodb._normalize_table_name(
            data.get("SourceTableName") or data.get("SourceTableArn")
        )
        source, moment = dynamodb._tables.get(name), data.get("RestoreDateTime")
        if source and not dynamodb._pitr_settings.get(name):
            return error_response_json(
                "PointInTimeRecoveryUnavailableException",
                f"Point in time recovery is not enabled for table {name}",
                400,
            )
        if source and moment and not source["CreationDateTime"] <= moment <= time.time():
            return error_response_json(
                "InvalidRestoreTimeException", f"{moment} is not in the window of {name}", 400
            )
        items = as_of(source, moment) if source and moment else None
        answer = encrypted(by_itself(data), data)
        if answer[0] == 200 and items is not None:
            target = dynamodb._tables[data["TargetTableName"]]
            target["items"] = defaultdict(dict, items)
            dynamodb._items_replaced(target)
        return answer

    @_instead_of(dynamodb, "_restore_table_from_backup")
    def from_backup(by_itself: Any, data: Properties) -> Any:
        return encrypted(by_itself(data), data)

    @_instead_of(dynamodb, "_describe_continuous_backups")
    def describe(by_itself: Any, data: Properties) -> Any:
        status, headers, body = by_itself(data)
        document = json.loads(body)
        found = document.get("ContinuousBackupsDescription", {})
        recovery = found.get("PointInTimeRecoveryDescription", {})
        if "EarliestRestorableDateTime" in recovery:
            table = dynamodb._tables[dynamodb._normalize_table_name(data["TableName"])]
            recovery["EarliestRestorableDateTime"] = int(table["CreationDateTime"])
        elif status == 400:
            document["__type"] = "TableNotFoundException"  # as AWS calls it here
        return status, headers, json.dumps(document).encode()

    @_instead_of(dynamodb, "_delete_table")
    def delete(by_itself: Any, data: Properties) -> Any:
        """What could be restored to a moment leaves a backup, for 35 days."""
        name = dynamodb._normalize_table_name(data.get("TableName"))
        arn = ""
        if name in dynamodb._tables and dynamodb._pitr_settings.get(name):
            backup = {"TableName": name, "BackupName": f"{name}$DeletedTableBackup"}
            arn = json.loads(dynamodb._create_backup(backup)[2])["BackupDetails"]["BackupArn"]
            details = dynamodb._backups[arn]["BackupDetails"]
            details |= {"BackupType": "SYSTEM", "BackupExpiryDateTime": time.time() + 35 * 86400}
        answer = by_itself(data)
        if answer[0] != 200:
            dynamodb._backups.pop(arn, None)
        return answer

    @_instead_of(dynamodb, "_list_backups")
    def listed(by_itself: Any, data: Properties) -> Any:
        status, headers, body = by_itself(data)
        document = json.loads(body)
        if (kind := data.get("BackupType", "ALL")) != "ALL":
            document["BackupSummaries"] = [
                each for each in document["BackupSummaries"] if each["BackupType"] == kind
            ]
        return status, headers, json.dumps(document).encode()


def read_closed_streams_to_their_end() -> None:
    """Feed functions what was left in a table's stream when it ended, with the table or by itself:
    it can be read for a day more, and is."""
    from ministack.services import dynamodb, lambda_svc

    @_instead_of(lambda_svc, "_poll_dynamodb_streams")
    def poll(by_itself: Any) -> bool:
        processed: bool = by_itself()
        for account, region, mapping in lambda_svc._iter_all_esms():
            tokens = (
                (lambda_svc._request_account_id, lambda_svc._request_account_id.set(account)),
                (lambda_svc._request_region, lambda_svc._request_region.set(region)),
            )
            try:
                processed = _read_on(mapping) or processed
            finally:
                for variable, token in tokens:
                    variable.reset(token)
        return processed

    def _read_on(mapping: Properties) -> bool:
        closed = dynamodb.closed_stream(mapping.get("EventSourceArn", ""))
        function, _ = lambda_svc._get_func_record_for_qualifier(
            mapping["FunctionName"], mapping.get("Qualifier")
        )
        if not (closed and function and mapping.get("Enabled", True)):
            return False
        positions = lambda_svc._dynamodb_stream_positions
        position = positions.get(mapping["UUID"], closed["trimmed"])
        begin = position - closed["trimmed"]
        batch = closed["records"][begin : begin + int(mapping.get("BatchSize", 100))]
        if not batch or lambda_svc._execute_function(function, {"Records": batch}).get("error"):
            return False
        positions[mapping["UUID"]] = position + len(batch)
        return True


def let_api_keys_be_disabled() -> None:
    """Take the `true` and `false` of UpdateApiKey's patches, which are text, for what they mean."""
    from ministack.services import apigateway_v1

    @_instead_of(apigateway_v1, "_update_api_key")
    def update(by_itself: Any, key_id: str, data: Properties) -> Any:
        patches = [
            {**each, "value": each["value"] == "true"} if each.get("path") == "/enabled" else each
            for each in data.get("patchOperations", [])
        ]
        return by_itself(key_id, {**data, "patchOperations": patches})


def keep_stages_that_are_on_usage_plans() -> None:
    """Put stages on a usage plan and take them off, as the patches of UpdateUsagePlan say; and
    delete none that is on one, by CloudFormation neither. The emulator takes the patch's text for
    the plan's stages."""
    from ministack.services import apigateway_v1
    from ministack.services.cloudformation import provisioners

    @_instead_of(apigateway_v1, "_update_usage_plan")
    def update(by_itself: Any, plan_id: str, data: Properties) -> Any:
        plan = apigateway_v1._usage_plans.get(plan_id, {})
        others = []
        for patch in data.get("patchOperations", []):
            if patch["path"] != "/apiStages":
                others.append(patch)
                continue
            api, _, name = patch["value"].partition(":")
            stage = {"apiId": api, "stage": name}
            kept = [each for each in plan.get("apiStages", []) if not stage.items() <= each.items()]
            plan["apiStages"] = kept + ([stage] if patch["op"] == "add" else [])
        return by_itself(plan_id, {**data, "patchOperations": others})

    @_instead_of(apigateway_v1, "_delete_stage")
    def delete(by_itself: Any, api: str, name: str) -> Any:
        stage = {"apiId": api, "stage": name}
        for plan in apigateway_v1._usage_plans.values():
            if any(stage.items() <= each.items() for each in plan["apiStages"]):
                return apigateway_v1._v1_error(
                    "BadRequestException",
                    f"Active stages {api}:{name} pending to be disassociated from usage plan "
                    f"{plan['id']}",
                    400,
                )
        return by_itself(api, name)

    def delete_of_stack(_physical_id: str, properties: Properties) -> None:
        status, _, body = apigateway_v1._delete_stage(
            properties["RestApiId"], properties["StageName"]
        )
        if status == 400:
            raise RuntimeError(json.loads(body)["message"])

    provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::Stage"]["delete"] = delete_of_stack


def hide_from_functions(names: Container[str], given: Mapping[str, str]) -> None:
    """Start the processes of functions without these variables of this process.

    A function's own variables of the same names still reach it: they travel another way.

    Args:
        given: what they get besides.
    """
    from ministack.core import lambda_runtime

    class FunctionProcess(subprocess.Popen[Any]):
        def __init__(self, command: Any, *, env: Mapping[str, str], **options: Any) -> None:
            visible = {name: value for name, value in env.items() if name not in names}
            visible |= given
            # Ctrl-C in the terminal is for the launcher, which ends functions in its order.
            super().__init__(command, env=visible, start_new_session=True, **options)

    lambda_runtime.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": FunctionProcess})


def end_functions() -> None:
    """End the processes in which functions run."""
    from ministack.core import lambda_runtime

    lambda_runtime.reset()
