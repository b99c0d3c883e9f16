"""R1 of the stack itself: in which state it is, and how it differs from its templates."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from assurance.assembly import NESTED_STACK
from ops.console.checks import Verdict
from ops.console.environment import stack_name
from ops.console.failure import code
from ops.inspection.findings import Finding, judged, problem
from ops.inspection.subjects import Subjects
from ops.production.drift import differences, drifts
from ops.production.lost import WAYS_BACK
from ops.production.questions import Clients
from ops.production.stack import every

_WHOLE: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})
_DRIFT_SECONDS: Final = 600
_POLL_SECONDS: Final = 2.0
_PUT_BACK: Final = {
    "MODIFIED": "put it back by hand; a deployment of an unchanged template does not",
    "DELETED": "what was made in its place is not the stack's: deploy once without it, and then "
    "with it again",
}
_COMPARED: Final = frozenset({"IN_SYNC", "MODIFIED", "DELETED"})


def state(clients: Clients) -> Iterator[Finding]:
    (stack,) = clients("cloudformation").describe_stacks(StackName=stack_name())["Stacks"]
    region = stack["StackId"].split(":")[3]
    yield judged(
        "R1", "region", found=region, needed="us-east-1", mend="deploy it there: config.py, region"
    )
    status = stack["StackStatus"]
    yield judged(
        "R1", f"state of {stack_name()}", found=status, needed="as its last deployment left it",
        held=status in _WHOLE, mend="docs/runbooks/rollback.md tells what to do in each state",
    )  # fmt: skip
    yield judged(
        "R1", f"{stack_name()} is protected against deletion",
        found=stack.get("EnableTerminationProtection", False), needed=True,
        mend="aws cloudformation update-termination-protection --enable-termination-protection "
        f"--stack-name {stack_name()}",
    )  # fmt: skip


def drift(
    clients: Clients, name: str, stack_id: str, subjects: Subjects | None = None
) -> Iterator[Finding]:
    """The drift of one stack: CloudFormation does not look into those nested in it.

    Args:
        name: for people, such as ``NetworkNestedStack``.
        subjects: to tell what is no drift; without them, all is.
    """
    cloudformation = clients("cloudformation")
    try:
        detection = cloudformation.detect_stack_drift(StackName=stack_id)["StackDriftDetectionId"]
    except ClientError as error:
        # While one is under way, or the stack changes, AWS begins none.
        if code(error) not in ("OperationInProgressException", "ValidationError"):
            raise
        yield problem(
            "R1", f"drift of {name}", found=f"could not be detected: {error}", needed="none",
            mend="wait until what is under way is done, and verify again",
        )  # fmt: skip
        return
    deadline = time.monotonic() + _DRIFT_SECONDS
    while True:
        told = cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        if told["DetectionStatus"] != "DETECTION_IN_PROGRESS" or time.monotonic() > deadline:
            break
        if clients.stopped.wait(_POLL_SECONDS):
            return
    drifted = list(_findings(clients, name, stack_id, subjects or Subjects()))
    yield from drifted
    if told["DetectionStatus"] != "DETECTION_COMPLETE":
        yield problem(
            "R1", f"drift of {name}", needed="none", mend="verify again",
            found=f"not fully detected: {told.get('DetectionStatusReason', 'it takes too long')}",
        )  # fmt: skip
        return
    status = told["StackDriftStatus"]
    false = bool(drifted) and all(each.verdict is not Verdict.PROBLEM for each in drifted)
    if false and status == "DRIFTED":
        status = "DRIFTED by what is no drift only"
    yield judged(
        "R1", f"drift of {name}", found=f"{status}, {_compared(cloudformation, stack_id)}",
        needed="IN_SYNC", held=status == "IN_SYNC" or false,
        mend="see what is told of each resource above",
    )  # fmt: skip


def _compared(cloudformation: Any, stack_id: str) -> str:
    """How much drift was looked for in: not every type can be compared (AWS, "Resource type
    support"), and what is not counts as in sync."""
    resources = [
        each
        for each in every(cloudformation, "list_stack_resources", StackName=stack_id)
        if each["ResourceType"] != NESTED_STACK  # has a line of its own
    ]
    statuses = [
        each.get("DriftInformation", {}).get("StackResourceDriftStatus") for each in resources
    ]
    compared = sum(each in _COMPARED for each in statuses)
    return f"{compared} of {len(resources)} resources compared"


def _findings(clients: Clients, name: str, stack_id: str, subjects: Subjects) -> Iterator[Finding]:
    """What the last detection found in a stack's resources, and whether it is drift at all."""
    cloudformation = clients("cloudformation")
    for each in drifts(cloudformation, stack_id):
        what = f"drift of {each['LogicalResourceId']} ({each['ResourceType']})"
        status = each["StackResourceDriftStatus"]
        those = list(differences(clients, subjects.stack, name, each))
        real = [one for one in those if not one.false]
        for one in those:
            if one.false:
                yield Finding(
                    requirement="R1", what=what, found=f"{one.found}: no drift, {one.false}",
                    needed="as in the template", verdict=one.verdict,
                )  # fmt: skip
        if real or not those:
            put_back = _PUT_BACK.get(status, "AWS's guide, Detect drift, tells what it means")
            if status == "DELETED":
                put_back = WAYS_BACK.get(each["ResourceType"], put_back)
            mends = dict.fromkeys(one.mend or put_back for one in real)
            yield Finding(
                requirement="R1",
                what=what,
                found="; ".join(one.found for one in real) or status.lower(),
                needed="as in the template",
                verdict=Verdict.PROBLEM,
                mend=f"{each.get('PhysicalResourceId', 'it')}: {'; '.join(mends) or put_back}",
            )
