"""What is looked at: the resources of a stack, or those that have a prefix or were named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from ops.console.environment import stack_name
from ops.console.failure import OpsError, did_you_mean
from ops.inspection.findings import WITH_RIGHTS, Finding, problem
from ops.production.questions import Clients, Question, answers
from ops.production.stack import Production, Resource, all_alarms, every

FUNCTIONS: Final = ("payment-validator", "payment-processor", "audit-logger")
"""R5."""


@dataclass(frozen=True, kw_only=True)
class Subjects:
    """The resources by what they are for; what was not found is missing, or empty.

    Attributes:
        functions: their names by those of R5.
        others: names of the other functions, such as those of custom resources.
        topic: its ARN.
        queue: its URL.
        alarms: names; those that only judge releases, and so tell nobody, left out.
        stack: the resources of the stack and of those nested in it; none without a stack.
        tags: of the stack; none without one.
        missing: what was looked for in vain.
        kinds: names by the kinds of ``--names``, of what was looked for by name.
        listed: all names in the account, by those kinds, that could be listed.
    """

    database: str = ""
    table: str = ""
    bucket: str = ""
    queue: str = ""
    topic: str = ""
    api: str = ""
    dashboard: str = ""
    functions: Mapping[str, str] = field(default_factory=dict)
    others: Sequence[str] = ()
    alarms: Sequence[str] = ()
    log_groups: Sequence[str] = ()
    stack: Sequence[Resource] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[Finding] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    listed: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def all_functions(self) -> Sequence[str]:
        return [*self.functions.values(), *self.others]


RELEASE_ALARMS: Final = "payments-release-"
"""Begin the names of alarms that judge a release for CodeDeploy (nested/compute/releases.py)."""


def of_stack(production: Production) -> Subjects:
    """Those of the deployed stack."""
    resources = list(production.resources())

    def names(*types: str) -> list[str]:
        return [each.name for each in resources if each.type in types]

    def one(type_: str) -> str:
        return next(iter(names(type_)), "")

    deployed = names("AWS::Lambda::Function")
    functions: dict[str, str] = {name: name for name in FUNCTIONS if name in deployed}
    (stack,) = production.client("cloudformation").describe_stacks(StackName=stack_name())["Stacks"]
    return Subjects(
        database=one("AWS::RDS::DBInstance"),
        table=one("AWS::DynamoDB::Table"),
        bucket=production.output("AuditBucketName"),
        queue=production.output("RetryQueueUrl"),
        topic=production.output("AlertsTopicArn"),
        api=one("AWS::ApiGateway::RestApi"),
        dashboard=one("AWS::CloudWatch::Dashboard"),
        functions=functions,
        others=[name for name in deployed if name not in functions],
        alarms=[
            name
            for name in names("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
            if not name.startswith(RELEASE_ALARMS)
        ],
        log_groups=names("AWS::Logs::LogGroup", "Custom::SharedLogGroup"),
        stack=resources,
        tags={tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])},
        missing=[
            _missing(kind) for kind in KINDS if kind.function and kind.function not in functions
        ],
    )


Lister = Callable[[Clients], Iterable[tuple[str, str]]]


@dataclass(frozen=True)
class Kind:
    """A kind of subject that can be looked for.

    Attributes:
        name: as ``--names`` takes it.
        words: in its name, of which one tells it from its like; none where one is enough.
        function: of R5, if it is one.
        listed: pairs of a name and the handle by which AWS takes it, such as an ARN.
    """

    name: str
    requirement: str
    what: str
    listed: Lister
    words: tuple[str, ...] = ()
    function: str = ""


def _names(service: str, operation: str, name: str, handle: str = "") -> Lister:
    """
    Args:
        name: of what is listed, its name; and its handle, if that is another.
    """
    return lambda clients: (
        (each[name], each[handle or name]) for each in every(clients(service), operation)
    )


def _tables(clients: Clients) -> Iterable[tuple[str, str]]:
    return ((name, name) for name in every(clients("dynamodb"), "list_tables"))


def _queues(clients: Clients) -> Iterable[tuple[str, str]]:
    for url in every(clients("sqs"), "list_queues"):
        name = url.rsplit("/", 1)[1]
        if not any(word in name.lower() for word in ("dead", "dlq")):
            yield name, url


def _topics(clients: Clients) -> Iterable[tuple[str, str]]:
    for each in every(clients("sns"), "list_topics"):
        yield each["TopicArn"].rsplit(":", 1)[1], each["TopicArn"]


_FUNCTIONS: Final = _names("lambda", "list_functions", "FunctionName")
_DATABASES: Final = _names("rds", "describe_db_instances", "DBInstanceIdentifier")
_BUCKETS: Final = _names("s3", "list_buckets", "Name")
_APIS: Final = _names("apigateway", "get_rest_apis", "name", "id")
_DASHBOARDS: Final = _names("cloudwatch", "list_dashboards", "DashboardName")


KINDS: Final = (
    Kind("database", "R4", "PostgreSQL instance", _DATABASES),
    *(
        Kind(f"function-{word}", "R5", f"function {name}", _FUNCTIONS, (word,), name)
        for name, word in zip(FUNCTIONS, ("validator", "processor", "audit-logger"), strict=True)
    ),
    Kind("api", "R7", "REST API", _APIS),
    Kind("table", "R9", "table payment-transactions", _tables, ("transaction",)),
    Kind("bucket", "R10", "bucket of audit logs", _BUCKETS, ("audit",)),
    Kind("queue", "R11", "retry queue", _queues, ("retry", "retries")),
    Kind("dashboard", "R12", "dashboard", _DASHBOARDS),
    Kind("topic", "R13", "alerts topic", _topics, ("alert", "alarm")),
)


def named(names: str) -> dict[str, str]:
    """
    Raises:
        OpsError: it is not KIND=NAME, or no such kind.
    """
    known = [kind.name for kind in KINDS]
    found = {}
    for each in filter(None, names.split(",")):
        kind, _, name = each.partition("=")
        if kind not in known or not name:
            raise OpsError(
                f"--names {each!r}: write KIND=NAME; kinds are {', '.join(known)}"
                + _closest(kind, known)
            )
        found[kind] = name
    return found


def discovered(clients: Clients, prefix: str, named: Mapping[str, str]) -> Subjects:
    """Those whose names begin with a prefix, or that were named, by what their names say.

    Args:
        prefix: if it is empty, only what was named is looked at: the rest may be anybody's.
    """
    found: dict[str, str] = {}
    others: set[str] = set()
    alarms: list[str] = []
    groups: list[str] = []
    listed: dict[str, list[str]] = {}
    kinds: dict[str, str] = {}

    def look_for(kind: Kind) -> Iterator[Finding]:
        wanted = named.get(kind.name)
        everything = list(kind.listed(clients))
        listed[kind.name] = [name for name, _ in everything]
        fit = [
            (name, handle)
            for name, handle in everything
            if (name == wanted if wanted else prefix and name.startswith(prefix))
        ]
        if kind.function:
            others.update(name for name, _ in fit)
        told = [
            (name, handle)
            for name, handle in fit
            if wanted or not kind.words or any(word in name.lower() for word in kind.words)
        ]
        if len(told) == 1:
            ((kinds[kind.name], found[kind.name]),) = told
        else:
            yield _missing(kind, prefix, [name for name, _ in fit])

    def look_for_alarms() -> Iterable[Finding]:
        alarms.extend(_alarms(clients, prefix) if prefix else ())
        return ()

    def look_for_logs() -> Iterable[Finding]:
        groups.extend(
            each["logGroupName"] for each in every(clients("logs"), "describe_log_groups")
        )
        return ()

    missing = answers(
        [
            *(
                Question(
                    unanswered=_unlisted(kind.requirement, kind.what), ask=partial(look_for, kind)
                )
                for kind in KINDS
            ),
            Question(unanswered=_unlisted("R14", "alarms"), ask=look_for_alarms),
            Question(unanswered=_unlisted("R15", "log groups"), ask=look_for_logs),
        ],
        clients,
    )
    functions = {
        kind.function: found[kind.name] for kind in KINDS if kind.function and kind.name in found
    }
    of_database = [f"/aws/rds/instance/{found['database']}/"] if "database" in found else []
    # Kinds that are no functions have the names of Subjects' own.
    those: dict[str, Any] = {
        kind.name: found[kind.name] for kind in KINDS if not kind.function and kind.name in found
    }
    return Subjects(
        **those,
        functions=functions,
        others=sorted(others - {*functions.values()}),
        alarms=alarms,
        log_groups=[
            name
            for name in groups
            if name.startswith((*filter(None, [prefix]), *of_database))
            or name in [f"/aws/lambda/{each}" for each in functions.values()]
        ],
        missing=missing,
        kinds=kinds,
        listed=listed,
    )


def must_exist(subjects: Subjects, prefix: str, named: Mapping[str, str], place: str) -> None:
    """That names were spelled as they are: what was mistyped is no resource that is missing.

    Args:
        place: in which they were looked for.

    Raises:
        OpsError: a name is nobody's, or nothing begins with the prefix.
    """
    wrong = [
        f"--names {kind}={name}: none of that name in {place}"
        + _closest(name, subjects.listed[kind])
        for kind, name in named.items()
        if name not in subjects.listed.get(kind, [name])
    ]
    everything = {name for names in subjects.listed.values() for name in names}
    everything |= {*subjects.alarms, *subjects.log_groups}
    unlisted = len(subjects.listed) < len(KINDS)
    if prefix and not (named or unlisted or any(name.startswith(prefix) for name in everything)):
        wrong.append(
            f"--prefix {prefix}: no name in {place} begins so"
            + _closest(prefix, (name[: len(prefix)] for name in everything))
        )
    if wrong:
        raise OpsError("misspelled? " + "; ".join(wrong))


def _closest(name: str, others: Iterable[str]) -> str:
    hint = did_you_mean(name, others)
    return f"; {hint}" if hint else ""


def _unlisted(requirement: str, what: str) -> Finding:
    mend = f"{WITH_RIGHTS}, verify again"
    return problem(requirement, what, found="", needed="an answer", mend=mend)


def _missing(kind: Kind, prefix: str = "", candidates: Sequence[str] = ()) -> Finding:
    begins = f" that begins with {prefix}" if prefix else ""
    several = ", ".join(candidates)
    return problem(
        kind.requirement,
        kind.what,
        found=f"none of these for sure: {several}" if candidates else f"none{begins}",
        needed="one",
        mend=f"name it with --names {kind.name}=NAME; if there is none, deploying PaymentsProd "
        "makes it",
    )


def _alarms(clients: Clients, prefix: str) -> list[str]:
    found = all_alarms(clients("cloudwatch"), AlarmNamePrefix=prefix)
    return [each["AlarmName"] for each in found if not each["AlarmName"].startswith(RELEASE_ALARMS)]
