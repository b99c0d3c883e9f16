"""Sealing and unsealing: all of the unit's data or, told in full, what is left undone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from aws_lambda_powertools.logging import Logger
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
)

from production_seal.protection import Protectable, code

PAUSE: Final = 3.0
"""Seconds between two looks: a database takes some seconds, up to a few minutes, to change."""

logger = Logger(child=True)


class SealError(Exception):
    """Not everything is as asked for; the text tells of each resource how it is, and why."""


def seal(resources: Sequence[Protectable], patience: float) -> None:
    """Protect each of them against deletion, and wait until they show it.

    Args:
        patience: seconds that all of it may take.

    Raises:
        SealError: also if one of them does not exist.
    """
    _settle(resources, True, patience)


def unseal(resources: Sequence[Protectable], patience: float) -> None:
    """Take the protection away; what does not exist needs nothing.

    Raises:
        SealError.
    """
    _settle(resources, False, patience)


def _settle(resources: Sequence[Protectable], wanted: bool, patience: float) -> None:
    """Each is asked for at once and then watched: one that fails does not keep the others from
    getting what they were to get, so that little is left for a person to do."""
    deadline = time.monotonic() + patience
    asked: set[str] = set()
    failures: dict[str, str] = {}
    passing: dict[str, str] = {}
    waiting = list(resources)
    while waiting:
        still = []
        for resource in waiting:
            try:
                if not _is_settled(resource, wanted, asked):
                    still.append(resource)
            except (BotoCoreError, ClientError, LookupError) as error:
                logger.warning("failed", extra={"resource": resource.name, "reason": str(error)})
                if _may_pass(error):
                    passing[resource.name] = f": {error}"
                    still.append(resource)
                else:
                    failures[resource.name] = str(error)
            else:
                passing.pop(resource.name, None)
        waiting = still
        if waiting and time.monotonic() + PAUSE > deadline:
            failures |= {
                resource.name: f"did not show it within {round(patience)} s"
                f"{passing.get(resource.name, '')}"
                for resource in waiting
            }
            break
        if waiting:
            time.sleep(PAUSE)
    if failures:
        raise SealError(_told(resources, wanted, failures))
    logger.info("settled", extra={"protected": wanted, "resources": [r.name for r in resources]})


_THROTTLED: Final = frozenset({"RequestLimitExceeded", "Throttling", "ThrottlingException"})


def _may_pass(error: Exception) -> bool:
    """AWS is busy, or was not reached: the last resource is not to undo all others for that."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or code(error) in _THROTTLED
    return isinstance(error, ConnectionError | HTTPClientError)


def _is_settled(resource: Protectable, wanted: bool, asked: set[str]) -> bool:
    """Look, and ask unless that is done; True once it is as wanted."""
    protected = resource.is_protected()
    if protected is None:
        if wanted:
            raise LookupError("does not exist")
        return True
    if protected is wanted:
        return True
    if resource.name not in asked and resource.protect(wanted):
        asked.add(resource.name)
    return False


def _told(resources: Sequence[Protectable], wanted: bool, failures: dict[str, str]) -> str:
    state = "protected" if wanted else "unprotected"
    failed = [f"{name} is NOT {state} ({reason})" for name, reason in failures.items()]
    done = [f"{each.name} is {state}" for each in resources if each.name not in failures]
    return f"{'; '.join([*failed, *done])}. {_ADVICE[wanted]}"


_ADVICE: Final = {
    True: "Mend the cause and deploy again: sealing may be repeated. The rollback of a first "
    "deployment unprotects both, that of an update leaves them as they are here.",
    False: "Mend the cause and delete again: unsealing may be repeated.",
}
"""By whether protection was asked for: what to do, and how things stand meanwhile."""
