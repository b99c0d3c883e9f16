"""Questions to AWS, asked several at a time; what cannot be answered becomes a check as well."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ops.console.checks import Check, Verdict
from ops.console.failure import OpsError, code, explain, is_busy
from ops.production.stack import client, leads_elsewhere

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
                made = client(self._session, service, patient=True)
                made.meta.events.register("before-send", self._go_on)
                self._made[service] = made
            return self._made[service]

    def _go_on(self, **_: Any) -> None:
        if self.stopped.is_set():
            raise _StoppedError

    def account(self) -> str:
        """Its number. Asked first, and so by a client that soon says that it reaches nobody."""
        sts = client(self._session, "sts")
        return str(sts.get_caller_identity()["Account"])

    @property
    def region(self) -> str:
        return str(self("sts").meta.region_name)

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
        unanswered: the check that is told when the answer does not come; its ``found`` is filled,
            and its verdict changed where that is no problem of what was asked for.
        ask: what yields the checks, and calls AWS meanwhile.
    """

    unanswered: CheckT
    ask: Callable[[], Iterable[CheckT]]


def answers(questions: Sequence[Question[CheckT]], clients: Clients) -> list[CheckT]:
    """The checks of all, in the order of the questions.

    Whoever interrupts it does not wait for the questions that are being asked.
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
    except _StoppedError:
        raise
    except Exception as error:  # one question must not keep the others from being answered
        found.append(_unanswered(question.unanswered, error, emulated=emulated))
    return found


def _unanswered(check: CheckT, error: Exception, *, emulated: bool) -> CheckT:
    if emulated and isinstance(error, ClientError) and code(error) in UNKNOWN:
        text = f"cannot be seen here: the embedded environment has no {error.operation_name}"
        return replace(check, found=text, verdict=Verdict.UNSEEN, mend="")
    if is_busy(error):
        text, mend = explain(error), "ask again in a minute: that AWS is busy says nothing of it"
        return replace(check, found=text, verdict=Verdict.UNANSWERED, mend=mend)
    if isinstance(error, BotoCoreError | ClientError | OpsError):
        return replace(check, found=explain(error))
    return replace(
        check,
        found=f"AWS answered in a shape that is not known here ({_where(error)})",
        verdict=Verdict.UNANSWERED,
        mend="look at it by hand; a newer version of this tool may know it",
    )


def _where(error: Exception) -> str:
    """The error, and the line of code on which it came."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error}, {Path(last.filename).name}:{last.lineno}"
