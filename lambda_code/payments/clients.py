"""AWS clients with time limits that fit into a function of 30 seconds.

They are botocore's: boto3 would add nothing but the import of its transfer manager, a fifth of a
cold start's CPU time (docs/decisions/0005-driver-validation-and-tracing.md). How often they try is
said here, for each: botocore's own defaults change with the runtime's release.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from random import uniform
from time import monotonic
from typing import Any

from botocore.config import Config
from botocore.exceptions import HTTPClientError
from botocore.loaders import Loader
from botocore.session import Session

# Seconds for the resolver, which no time limit of a client covers: every function's RES_OPTIONS
# (resolv.conf(5)) are two tries of a second.
RESOLVER_SECONDS = 2.0
# Seconds to connect. The limit holds for each address that the name has, one after the other, and
# once more for TLS. A lost packet is sent again after a second: another address, or try, is faster.
CONNECT_SECONDS = 0.5
# Addresses of a service's endpoint, and of S3's, which has up to eight (S3 user guide on
# multi-value answers in DNS).
ADDRESSES, S3_ADDRESSES = 3, 8


def _longest_try(addresses: int, answer: float) -> float:
    return RESOLVER_SECONDS + (addresses + 1) * CONNECT_SECONDS + answer


# Seconds that S3 may take to answer a `client`, and that a call of it may take: two tries, and up
# to a second in between (botocore's standard retries).
ANSWER_SECONDS = 2.0
LONGEST_CALL = 2 * _longest_try(S3_ADDRESSES, ANSWER_SECONDS) + 1.0
# The same of `impatient_client`. Its second try is made only if the first failed within a time,
# which is long enough for a kept connection that leads nowhere: nothing tells of it but silence.
IMPATIENT_ANSWER_SECONDS = 1.25
SECOND_TRY_WITHIN = IMPATIENT_ANSWER_SECONDS + 0.25
PAUSE = 0.1
LONGEST_IMPATIENT_CALL = (
    SECOND_TRY_WITHIN + PAUSE + _longest_try(ADDRESSES, IMPATIENT_ANSWER_SECONDS)
)

_THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "Throttling",
        "ThrottlingException",
    }
)
_STARTED = "first_try_started"
_HERE = Path(__file__).parent
_SERVICES: list[str] = json.loads((_HERE / "services.json").read_text(encoding="utf-8"))


class _Loader(Loader):
    """Reads what the SDK has to know of the services from what the package brings, without the
    manuals' texts (building_blocks/sdk_models.py); where it brings nothing, as in a checkout, from
    the SDK as ever. That, and not looking through the folders of all services for the one that is
    asked for, takes a first client a fourth of the time."""

    def list_available_services(self, _type_name: str) -> list[str]:
        return _SERVICES

    def is_builtin_path(self, _path: str) -> bool:
        """Whether the endpoints are AWS's own: else each would be taken for somebody's address,
        to which no rule of the service applies."""
        return True


@cache
def session() -> Session:
    """The sandbox's one session: credentials and region from the environment."""
    made = Session()
    made.register_component(
        "data_loader", _Loader(extra_search_paths=[str(_HERE.parent / "sdk_models")])
    )
    return made


def client(service: str) -> Any:
    """A client that nobody waits for: two tries, LONGEST_CALL at worst."""
    return _client(service, answer=ANSWER_SECONDS, tries=2)


def impatient_client(service: str) -> Any:
    """A client for what somebody waits for: LONGEST_IMPATIENT_CALL at worst.

    To botocore it tries once. It tries again what failed soon, as all does that is sent on a kept
    connection which has ended meanwhile: a frozen sandbox cannot see that.
    """
    made = _client(service, answer=IMPATIENT_ANSWER_SECONDS, tries=1)
    made.meta.events.register("before-call", _note_start)
    made.meta.events.register("needs-retry", _second_try)
    return made


def _client(service: str, *, answer: float, tries: int) -> Any:
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=answer,
        retries={"mode": "standard", "total_max_attempts": tries},
    )
    return session().create_client(service, config=config)


def _note_start(context: dict[str, Any], **_: Any) -> None:
    context[_STARTED] = monotonic()


def _second_try(
    attempts: int,
    response: tuple[Any, dict[str, Any]] | None,
    caught_exception: Exception | None,
    request_dict: dict[str, Any],
    **_: Any,
) -> float | None:
    """The seconds to wait before another try; None if there is none (botocore's `needs-retry`)."""
    late = monotonic() - request_dict["context"][_STARTED] > SECOND_TRY_WITHIN
    if attempts > 1 or late or not _may_pass(response, caught_exception):
        return None
    return uniform(0, PAUSE)  # noqa: S311 - no secret


def _may_pass(response: tuple[Any, dict[str, Any]] | None, error: Exception | None) -> bool:
    if response is None:
        return isinstance(error, HTTPClientError)
    answered, parsed = response
    return answered.status_code >= 500 or parsed.get("Error", {}).get("Code") in _THROTTLED
