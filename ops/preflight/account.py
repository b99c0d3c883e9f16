"""The account: whose it is, its bootstrap, and what an earlier deployment left there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError

from config import ConfigurationError, ProductionConfig, allowed
from ops.console.checks import Check, judged, unseen
from ops.console.environment import VARIABLE, chosen, stack_name
from ops.console.failure import code, or_none
from ops.production.existing import Existing
from ops.production.lost import GONE, WAYS_BACK, lost
from ops.production.needs import Needs
from ops.production.questions import Clients
from ops.production.stack import REGION, described, every, strangers
from ops.production.states import way_out

_BOOTSTRAP: Final = "CDKToolkit"


def identity(clients: Clients) -> Iterator[Check]:
    told = clients("sts").get_caller_identity()
    yield judged(
        "credentials",
        found=f"{told['Arn']} of account {told['Account']}",
        needed=f"an administrator of the {chosen()} account",
        held=True,
        note=f"everything goes to account {told['Account']}: is that {chosen()}'s?",
    )
    yield judged("region", found=REGION, needed="us-east-1", held=True)


def bootstrap(clients: Clients, needs: Needs, account: str) -> Iterator[Check]:
    mend = f"npx cdk bootstrap aws://{account}/{REGION}"
    needed = f"version {needs.bootstrap} or newer"
    ask = partial(clients("ssm").get_parameter, Name=needs.bootstrap_parameter)
    told = or_none(ask, "ParameterNotFound")
    if told is None:
        yield judged("CDK bootstrap", found="none", needed=needed, held=False, mend=mend)
        return
    version = told["Parameter"]["Value"]
    yield judged(
        "CDK bootstrap",
        found=f"version {version}",
        needed=needed,
        held=version.isdigit() and int(version) >= needs.bootstrap,
        mend=mend,
    )
    bucket = f"cdk-hnb659fds-assets-{account}-{REGION}"
    try:
        clients("s3").head_bucket(Bucket=bucket)
        found = "there"
    except ClientError as error:
        found = "missing" if code(error) in ("404", "NoSuchBucket") else f"not ours ({error})"
    yield judged(
        "bucket of the bootstrap", found=found, needed=bucket, held=found == "there",
        mend=f"delete the stack {_BOOTSTRAP}, then {mend}",
    )  # fmt: skip


def stack_state(now: Existing) -> Check:
    mend = way_out(now.status, stack_name()) if now.status else ""
    # Its creation failed before anything stood; the CDK cannot delete the record.
    locked = now.status == "ROLLBACK_COMPLETE" and now.protected
    if locked:
        mend = (
            "aws cloudformation update-termination-protection --no-enable-termination-protection "
            f"--stack-name {stack_name()} (docs/runbooks/deploy.md)"
        )
    return judged(
        f"stack {stack_name()}",
        found=now.status + (", and protected" if locked else "") or "not there yet",
        needed="nothing under way, nothing half done",
        held=not mend,
        mend=mend,
    )


def environment(clients: Clients) -> Iterator[Check]:
    others = strangers(clients("cloudformation"))
    yield judged(
        "stacks of other environments",
        found=" and ".join(others) or "none",
        needed="none: each has an account of its own",
        held=not others,
        mend=f"take {chosen()}'s credentials, or name the environment that is meant with "
        f"--environment or {VARIABLE}",
    )


def stores(clients: Clients, now: Existing) -> Iterator[Check]:
    """The stores of the stack that is deployed: CloudFormation would not see that one is gone."""
    gone = [*lost(clients, now.resources)]
    for each in gone:
        yield judged(
            each.name, found=GONE, needed="there", held=False, mend=WAYS_BACK[each.type]
        )  # fmt: skip
    if not gone and any(each.type in WAYS_BACK for each in now.resources):
        yield judged("stores of the stack", found="there", needed="there", held=True)


def leftovers(clients: Clients, tags_of_stack: Mapping[str, str]) -> Iterator[Check]:
    """What a stack that is gone has left: it costs money, but stands in the way by name only."""
    stacks: dict[str, str] = {}
    left = []
    for each in every(
        clients("resourcegroupstaggingapi"),
        "get_resources",
        TagFilters=[{"Key": key, "Values": [value]} for key, value in tags_of_stack.items()],
    ):
        tags = {tag["Key"]: tag["Value"] for tag in each["Tags"]}
        owner = tags.get("aws:cloudformation:stack-id", "")
        if tags.get("aws:cloudformation:stack-name", "").startswith(stack_name()):
            if owner not in stacks:
                stacks[owner] = _status(clients, owner)
            if stacks[owner] == "DELETE_COMPLETE":
                left.append(each["ResourceARN"].split(":", 5)[-1])
    yield judged(
        "left by an earlier stack",
        found=f"{len(left)} resources: {', '.join(sorted(left)[:8])}{' …' if left[8:] else ''}"
        if left
        else "nothing",
        needed="nothing that takes a name (see below)",
        held=True,
        note="they stay, and cost. Of a first deployment that failed: .venv/bin/python -m ops "
        "leftovers; of production that was deleted: import them, or delete them "
        "(docs/runbooks/teardown.md)"
        if left
        else "",
    )


def _status(clients: Clients, stack_id: str) -> str:
    stack = described(clients("cloudformation"), stack_id)
    return str(stack["StackStatus"]) if stack else "DELETE_COMPLETE"


def api_logging_role(clients: Clients, now: Existing) -> Iterator[Check]:
    """The role with which API Gateway logs: one for the account and region."""
    role = clients("apigateway").get_account().get("cloudwatchRoleArn", "")
    ours = any(
        each.type == "AWS::IAM::Role" and role.endswith(f"/{each.name}") for each in now.resources
    )
    found = "none" if not role else "that of the stack" if ours else role
    yield judged(
        "API Gateway's logging role",
        found=found,
        needed="the stack's own, which the deployment sets",
        held=True,
        note=""
        if ours or not role
        else "deploying replaces it for all APIs of this account in "
        f"{REGION}; the stack's role serves them as well",
    )


_RDS_ROLE: Final = "AWSServiceRoleForRDS"


def rds_role(clients: Clients) -> Iterator[Check]:
    """RDS's service-linked role, without which an account's first database cannot be made."""
    needed = "there: RDS acts by it"
    if clients.emulated:
        yield unseen(_RDS_ROLE, needed=needed, why="the embedded environment's RDS has no role")
        return
    there = or_none(partial(clients("iam").get_role, RoleName=_RDS_ROLE), "NoSuchEntity")
    yield judged(
        _RDS_ROLE,
        found="there" if there else "missing: the account never had a database",
        needed=needed,
        held=there is not None,
        mend="aws iam create-service-linked-role --aws-service-name rds.amazonaws.com",
    )


def trail(clients: Clients) -> Iterator[Check]:
    """A CloudTrail trail: EventBridge hears of API calls and sign-ins only while there is one."""
    what, needed = (
        "CloudTrail trail",
        "one that logs changes: three of the alert rules hear of them",
    )
    if clients.emulated:
        yield unseen(what, needed=needed, why="the embedded environment logs no management events")
        return
    cloudtrail = clients("cloudtrail")
    trails = cloudtrail.describe_trails(includeShadowTrails=True)["trailList"]
    logging = [each["Name"] for each in trails if _logs_changes(cloudtrail, each)]
    others = [each["Name"] for each in trails if each["Name"] not in logging]
    if others:
        mend = (
            f"aws cloudtrail start-logging --name {others[0]}; its management events must be "
            "logged (aws cloudtrail put-event-selectors), those of global services too"
        )
    else:
        mend = (
            "aws cloudtrail create-trail --is-multi-region-trail --name management "
            "--s3-bucket-name BUCKET; aws cloudtrail start-logging --name management"
        )
    found = f"none that does, but {', '.join(others)}" if others else "none"
    yield judged(
        what,
        found=f"logging: {', '.join(logging)}" if logging else found,
        needed=needed,
        held=bool(logging),
        mend=mend,
    )


def _logs_changes(cloudtrail: Any, described: Mapping[str, Any]) -> bool:
    """Whether a trail is on, sees the global services (IAM, sign-ins), and writes what is changed.
    An organization's belongs to another account, which alone may look into it."""
    arn = described["TrailARN"]
    if not described.get("IncludeGlobalServiceEvents"):
        return False
    if not cloudtrail.get_trail_status(Name=arn)["IsLogging"]:
        return False
    try:
        selected = cloudtrail.get_event_selectors(TrailName=arn)
    except ClientError:
        if described.get("IsOrganizationTrail"):
            return True
        raise
    return any(
        each["IncludeManagementEvents"] and each["ReadWriteType"] != "ReadOnly"
        for each in selected.get("EventSelectors", [])
    ) or any(
        _selects_changes({field["Field"]: field for field in each["FieldSelectors"]})
        for each in selected.get("AdvancedEventSelectors", [])
    )


def _selects_changes(fields: Mapping[str, Mapping[str, Any]]) -> bool:
    category, read_only = fields.get("eventCategory", {}), fields.get("readOnly", {})
    return "Management" in category.get("Equals", []) and "true" not in read_only.get("Equals", [])


def alert_address(needs: Needs) -> Iterator[Check]:
    """The address takes mail only once its subscription is confirmed."""
    for address in needs.subscriptions or [""]:
        yield judged(
            "alert address",
            found=address or "none",
            needed=allowed("alert_email"),
            held=_is_allowed(address),
            mend="-c alert_email=NAME@COMPANY, or cdk.json",
            note="after the first deployment, confirm its subscription, not by the link in AWS's "
            "mail: docs/deployment.md, step 6",
        )


def _is_allowed(address: str) -> bool:
    try:
        ProductionConfig.from_context({"alert_email": address})
    except ConfigurationError:
        return False
    return True
