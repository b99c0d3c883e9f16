"""Questions to AWS, asked several at a time; what cannot be answered becomes a check as well."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ops.checks import Check, Verdict
from ops.failure import code, explain
from ops.production import client, leads_elsewhere

_AT_ONCE: Final = 16
UNKNOWN: Final = frozenset(
    {"400", "404", "501", "InvalidAction", "UnknownOperationException", "NotImplemented"}
)
"""Codes with which the embedded environment answers a call that it does not know."""

CheckT = TypeVar("CheckT", bound=Check)


class Clients:
    """The clients of one session, each made once: making one takes long, and is not thread-safe.

    Attributes:
        stopped: set when nobody waits for answers any more; then they call no more.
    """

    def __init__(self, session: boto3.Session) -> None:
        self.stopped = threading.Event()
        self._session = session
        self._lock = threading.Lock()
        self._made: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        with self._lock:
            if service not in self._made:
                made = client(self._session, service)
                made.meta.events.register("before-send", self._go_on)
                self._made[service] = made
            return self._made[service]

    def _go_on(self, **_: Any) -> None:
        if self.stopped.is_set():
            raise _StoppedError

    @property
    def emulated(self) -> bool:
        """Whether they lead to the embedded environment."""
        return leads_elsewhere(self("sts"))


class _StoppedError(Exception):
    """Ends a question whose answer nobody waits for."""


@dataclass(frozen=True, kw_only=True)
class Question(Generic[CheckT]):
    """Something to ask AWS.

    Attributes:
        unanswered: the check that is told when the answer does not come; its ``found`` is filled.
        ask: what yields the checks, and calls AWS meanwhile.
    """

    unanswered: CheckT
    ask: Callable[[], Iterable[CheckT]]


def answers(questions: Sequence[Question[CheckT]], clients: Clients) -> list[CheckT]:
    """The checks of all, in the order of the questions.

    Whoever interrupts it does not wait for the questions that are being asked.

    Args:
        clients: what the questions are asked with.
    """
    emulated = clients.emulated
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        found = pool.map(lambda question: _answer(question, emulated=emulated), questions)
        return [check for checks in found for check in checks]
    except BaseException:
        clients.stopped.set()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _answer(question: Question[CheckT], *, emulated: bool) -> list[CheckT]:
    found: list[CheckT] = []
    try:
        found.extend(question.ask())
    except (BotoCoreError, ClientError) as error:
        if emulated and isinstance(error, ClientError) and code(error) in UNKNOWN:
            text = f"cannot be seen here: the embedded environment has no {error.operation_name}"
            found.append(replace(question.unanswered, found=text, verdict=Verdict.UNSEEN, mend=""))
        else:
            found.append(replace(question.unanswered, found=explain(error)))
    return found
