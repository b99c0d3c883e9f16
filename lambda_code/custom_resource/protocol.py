"""Answering CloudFormation: always, in time, and within its limits.

Source: "Custom resource request/response objects" in the AWS CloudFormation user guide.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.logging import Logger

# A response holds at most 4096 bytes; the ids in it may take some 2 500 of them.
LONGEST_REASON = 1000
ATTEMPTS = 4
ATTEMPT_SECONDS = 5.0

logger = Logger(child=True)

# For each request type what to do about it, given the ResourceProperties.
Actions = Mapping[str, Callable[[Mapping[str, Any]], None]]


def answer(event: Mapping[str, Any], context: Any, physical_id: str, actions: Actions) -> None:
    """Do what the request asks for, and tell CloudFormation; nothing is raised.

    Args:
        event: the custom resource request.
        physical_id: the same ever after: an update that changed it would delete the old resource.
        actions: a request type that is missing here succeeds at once (Delete, as a rule).
    """
    reason = ""
    try:
        action = actions.get(event["RequestType"])
        if action is not None:
            action(event["ResourceProperties"])
    except Exception as error:
        logger.exception("custom resource failed")
        reason = f"{type(error).__name__}: {error} (log stream {context.log_stream_name})"
    try:
        _send(event["ResponseURL"], _response(event, physical_id, reason))
    except Exception:
        # CloudFormation will wait for its time limit; the log is all that is left to us.
        logger.exception("CloudFormation could not be answered")


def _response(event: Mapping[str, Any], physical_id: str, reason: str) -> bytes:
    return json.dumps(
        {
            "Status": "FAILED" if reason else "SUCCESS",
            "Reason": _cut(reason),
            "PhysicalResourceId": event.get("PhysicalResourceId", physical_id),
            "StackId": event["StackId"],
            "RequestId": event["RequestId"],
            "LogicalResourceId": event["LogicalResourceId"],
        }
    ).encode()


def _cut(reason: str) -> str:
    """The reason in as many ASCII characters as fit: its beginning says what failed."""
    plain = reason.encode("ascii", "replace").decode()
    return plain if len(plain) <= LONGEST_REASON else plain[: LONGEST_REASON - 4] + " ..."


def _send(url: str, body: bytes) -> None:
    if not url.startswith(("https://", "http://")):
        raise ValueError("ResponseURL is no web address")
    # The presigned URL is signed for an empty content type.
    request = urllib.request.Request(  # noqa: S310
        url, data=body, method="PUT", headers={"Content-Type": ""}
    )
    for attempt in range(1, ATTEMPTS + 1):
        try:
            urllib.request.urlopen(request, timeout=ATTEMPT_SECONDS).close()  # noqa: S310
            return
        except OSError:
            if attempt == ATTEMPTS:
                raise
            time.sleep(2 ** (attempt - 1) / 2)
