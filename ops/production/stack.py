"""The deployed PaymentsProd, as the user's AWS credentials see it.

AWS_ENDPOINT_URL is honoured by boto3, so that the embedded environment is found the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from assurance.assembly import NESTED_STACK
from config import STACKS
from ops.console.environment import VARIABLE, chosen, stack_name
from ops.console.failure import OpsError

REGION: Final = "us-east-1"
"""Production's, whatever the profile says (config.py)."""

_SHORT: Final = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard"})
"""Seconds; three tries are the mode's. A user waits for the answers."""

_PATIENT: Final = Config(
    connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 8}
)
"""For many questions at a time, which AWS throttles: each is then asked again for half a minute or
a whole one, at growing, random distances. Mode `adaptive` would keep all of a client's threads
waiting for minutes once AWS has throttled some."""

_HOSTS_OF_AWS: Final = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
"""The last are the dual-stack ones."""


def every(client: Any, operation: str, **arguments: Any) -> Iterator[Any]:
    """All that an operation lists, whatever pages it comes in."""
    paginator = client.get_paginator(operation)
    for page in paginator.paginate(**arguments):
        yield from paginator.result_keys[0].search(page) or ()


def all_alarms(cloudwatch: Any, **filters: Any) -> Iterator[Mapping[str, Any]]:
    """The alarms of the account as DescribeAlarms tells them, composite ones too."""
    pages = cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmTypes=["MetricAlarm", "CompositeAlarm"], **filters
    )
    for page in pages:
        yield from page.get("MetricAlarms", [])
        yield from page.get("CompositeAlarms", [])


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource of the root stack or of a nested one.

    Attributes:
        stack: the root's name, or the nested stack's logical id.
        name: its physical id.
    """

    stack: str
    logical_id: str
    type: str
    name: str

    @property
    def construct(self) -> str:
        """The logical id without the hash that CDK puts behind it."""
        return re.sub(r"[0-9A-F]{8}$", "", self.logical_id)


def described(cloudformation: Any, stack: str) -> dict[str, Any] | None:
    """A stack, by name or id, as DescribeStacks tells it; None, if there is none."""
    try:
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return None
    return dict(found)


def strangers(cloudformation: Any) -> list[str]:
    """The stacks of other environments that stand in the account: an account is for one, as the
    names of each are in the others' way."""
    return [
        name
        for name in STACKS.values()
        if name != stack_name() and described(cloudformation, name) is not None
    ]


@dataclass(frozen=True, kw_only=True)
class Production:
    """The root stack, with its outputs by their keys."""

    session: boto3.Session
    status: str
    outputs: Mapping[str, str]

    @classmethod
    def find(cls) -> Production:
        """
        Raises:
            OpsError: it is not deployed.
            BotoCoreError, ClientError: it could not be asked for.
        """
        session = boto3.Session(region_name=REGION)
        stack = described(client(session, "cloudformation"), stack_name())
        if stack is None:
            raise OpsError(_missing(session))
        outputs = {
            output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])
        }
        return cls(session=session, status=stack["StackStatus"], outputs=outputs)

    @property
    def changing(self) -> bool:
        """Whether a deployment, a rollback or a deletion is under way."""
        return self.status.endswith("_IN_PROGRESS")

    @property
    def emulated(self) -> bool:
        """Whether it stands in the embedded environment, which does less than AWS does."""
        return leads_elsewhere(self.client("cloudformation"))

    def client(self, service: str) -> Any:
        return client(self.session, service)

    def output(self, key: str) -> str:
        """
        Raises:
            OpsError: the stack has none of that key.
        """
        if key not in self.outputs:
            raise OpsError(f"{stack_name()} ({self.status}) has no output {key}: deploy it first")
        return self.outputs[key]

    def resources(self, *types: str) -> Iterator[Resource]:
        """Those of the root stack and of its nested stacks; of some types, if any are given."""
        for resource in standing(self.client("cloudformation")):
            if not types or resource.type in types:
                yield resource


def standing(cloudformation: Any, name: str = "", stack_id: str = "") -> Iterator[Resource]:
    """The resources of a stack and of those nested in it, but for what is deleted, or was not made.

    Args:
        name: of the stack, as `Resource.stack` has it; without one, it is the root.
    """
    name, stack_id = name or stack_name(), stack_id or stack_name()
    for each in every(cloudformation, "list_stack_resources", StackName=stack_id):
        if each.get("ResourceStatus") == "DELETE_COMPLETE" or not each.get("PhysicalResourceId"):
            continue
        found = Resource(
            stack=name,
            logical_id=each["LogicalResourceId"],
            type=each["ResourceType"],
            name=each["PhysicalResourceId"],
        )
        yield found
        if found.type == NESTED_STACK:
            yield from standing(cloudformation, found.logical_id, found.name)


def client(session: boto3.Session, service: str, *, patient: bool = False) -> Any:
    """
    Args:
        patient: asks again and again where AWS throttles.

    Raises:
        OpsError: AWS_ENDPOINT_URL, or the profile's endpoint_url, is no address.
    """
    try:
        # Any: the stubs know each service by a literal name only.
        return session.client(cast(Any, service), config=_PATIENT if patient else _SHORT)
    except ValueError as error:
        if not str(error).startswith("Invalid endpoint"):  # botocore has no error of its own
            raise
        raise OpsError(
            f"{error}. AWS_ENDPOINT_URL must be an address such as http://127.0.0.1:4566; "
            "`unset AWS_ENDPOINT_URL` leads to AWS"
        ) from None


def leads_elsewhere(client: Any) -> bool:
    """Whether a client leads to something else than AWS: the embedded environment."""
    host = urlsplit(client.meta.endpoint_url).hostname or ""
    return not host.endswith(_HOSTS_OF_AWS)


def _missing(session: boto3.Session) -> str:
    account = client(session, "sts").get_caller_identity()["Account"]
    found = f"no stack {stack_name()} in {REGION} of account {account}"
    if others := strangers(client(session, "cloudformation")):
        return (
            f"{found}, but {' and '.join(others)}: are these {chosen()}'s credentials, or is "
            f"another environment meant (--environment, {VARIABLE})?"
        )
    return (
        f"{found}: are these {chosen()}'s credentials, and is it deployed (`make deploy`; in the "
        "embedded environment, `make local`)?"
    )
