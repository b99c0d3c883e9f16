"""How commands ask AWS: whether it is AWS at all, and that Ctrl-C ends the asking."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError, EndpointConnectionError

from ops.console import checks
from ops.console.checks import Check, Verdict
from ops.console.failure import OpsError
from ops.production.questions import Clients, Question, _StoppedError, answers
from ops.production.stack import Production

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "-")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "-")


def session(region: str = "us-east-1") -> boto3.Session:
    return boto3.Session(region_name=region)


# -- AWS or not --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "variables", "emulated"),
    [
        ("us-east-1", {}, False),
        ("us-east-1", {"AWS_USE_DUALSTACK_ENDPOINT": "true"}, False),
        ("us-east-1", {"AWS_USE_FIPS_ENDPOINT": "true"}, False),
        ("cn-north-1", {}, False),
        ("us-east-1", {"AWS_ENDPOINT_URL": NOWHERE}, True),
        ("us-east-1", {"AWS_ENDPOINT_URL": "http://api.aws.example.org:4566"}, True),
    ],
    ids=["plain", "dual-stack", "fips", "China", "embedded", "embedded, by a name"],
)
def test_only_aws_itself_is_aws(
    monkeypatch: pytest.MonkeyPatch, region: str, variables: dict[str, str], *, emulated: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    production = Production(session=session(region), status="", outputs={})
    assert production.emulated is emulated
    assert Clients(session(region)).emulated is emulated


# -- stopped -----------------------------------------------------------------------------------


class Stop(BaseException):
    """As ops.console.ending.Stopped."""


def question(ask: Iterator[Check]) -> Question[Check]:
    return Question(unanswered=Check(what="", found="", verdict=Verdict.PROBLEM), ask=lambda: ask)


def test_who_stops_does_not_wait_for_what_is_being_asked() -> None:
    clients = Clients(session())
    asked, released, ended = threading.Event(), threading.Event(), threading.Event()

    def long() -> Iterator[Check]:
        asked.set()
        released.wait(10)
        ended.set()
        yield from ()

    def stopped() -> Iterator[Check]:
        asked.wait(60)
        raise Stop
        yield

    assert not clients.stopped.is_set()
    with pytest.raises(Stop):
        answers([question(stopped()), question(long())], clients)
    assert clients.stopped.is_set()
    assert not ended.is_set()
    released.set()


def test_what_is_answered_does_not_stop_what_comes_after_it() -> None:
    clients = Clients(session())
    check = Check(what="a", found="b", verdict=Verdict.HELD)
    assert answers([question(iter([check]))], clients) == [check]
    assert not clients.stopped.is_set()


def test_who_stopped_calls_aws_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOWHERE)
    clients = Clients(session())
    clients.stopped.set()
    with pytest.raises(_StoppedError):
        clients("sts").get_caller_identity()


# -- what is not answered ----------------------------------------------------------------------


def refused(code: str, status: int = 400) -> ClientError:
    metadata: Any = {"HTTPStatusCode": status}
    error = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": metadata}
    return ClientError(error, "ListRoleTags")  # type: ignore[arg-type]


def failing(error: Exception) -> Iterator[Check]:
    yield HELD
    raise error


HELD = Check(what="a", found="b", verdict=Verdict.HELD)


@pytest.mark.parametrize(
    ("error", "verdict", "found"),
    [
        (refused("Throttling"), Verdict.UNANSWERED, "AWS could not answer now"),
        (refused("TooManyRequestsException", 429), Verdict.UNANSWERED, "AWS could not answer now"),
        (refused("RequestLimitExceeded", 503), Verdict.UNANSWERED, "AWS could not answer now"),
        (refused("InternalFailure", 500), Verdict.UNANSWERED, "AWS could not answer now"),
        (EndpointConnectionError(endpoint_url="https://x"), Verdict.UNANSWERED, "no connection"),
        (refused("AccessDenied", 403), Verdict.PROBLEM, "these credentials may not do it"),
        (refused("ValidationError"), Verdict.PROBLEM, "An error occurred (ValidationError)"),
        (OpsError("it has no output X"), Verdict.PROBLEM, "it has no output X"),
        (KeyError("SubnetId"), Verdict.UNANSWERED, "a shape that is not known here (KeyError: "),
        (TypeError("NoneType"), Verdict.UNANSWERED, "a shape that is not known here (TypeError: "),
        (
            RuntimeError("anything"),
            Verdict.UNANSWERED,
            "RuntimeError: anything, test_questions.py:",
        ),
    ],
)
def test_one_question_that_fails_is_told_and_keeps_no_other_from_being_answered(
    error: Exception, verdict: Verdict, found: str
) -> None:
    clients = Clients(session())
    first, told, other = answers([question(failing(error)), question(iter([HELD]))], clients)
    assert first == other == HELD
    assert told.verdict is verdict
    assert found in told.found
    assert (told.mend == "") == (verdict is Verdict.PROBLEM)


def test_what_is_not_answered_is_no_problem_and_does_not_pass() -> None:
    told = Check(what="a", found="AWS could not answer now", verdict=Verdict.UNANSWERED)
    assert checks.has_problems([HELD, told])
    assert checks.as_document([told])["checks"][0]["verdict"] == "not answered"


def test_who_could_not_look_ends_with_2_and_who_found_a_problem_with_1() -> None:
    problem = Check(what="a", found="b", verdict=Verdict.PROBLEM)
    unanswered = Check(what="a", found="", verdict=Verdict.UNANSWERED)
    assert checks.exit_code([HELD]) == 0
    assert checks.exit_code([HELD, unanswered]) == 2
    assert checks.exit_code([unanswered, problem]) == 1


THROTTLED = b"""<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code>
<Message>Rate exceeded</Message></Error><RequestId>1</RequestId></ErrorResponse>"""
ANSWERED = b"""<ListRolesResponse><ListRolesResult><IsTruncated>false</IsTruncated><Roles/>
</ListRolesResult></ListRolesResponse>"""


def test_sixteen_threads_ask_again_until_a_service_that_throttles_has_answered_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each call is refused five times, which three tries do not survive."""
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    clients = Clients(session())
    tries: Counter[int] = Counter()

    def answer(**_: Any) -> Any:
        mine = threading.get_ident()
        tries[mine] += 1
        throttled = tries[mine] % 6 != 0
        body, status = (THROTTLED, 400) if throttled else (ANSWERED, 200)
        headers: Any = {}
        response: Any = AWSResponse("https://iam.amazonaws.com", status, headers, None)
        response._content = body
        return response

    clients("iam").meta.events.register("before-send", answer)

    def ask() -> Iterator[Check]:
        assert clients("iam").list_roles()["Roles"] == []
        yield HELD

    asked = [
        Question(unanswered=Check(what="", found="", verdict=Verdict.PROBLEM), ask=ask)
        for _ in range(16)
    ]
    assert answers(asked, clients) == [HELD] * 16
    assert tries.total() == 16 * 6
    assert waited


def test_who_reaches_nobody_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call is not made with the patience of those that AWS may throttle."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOWHERE)
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    with pytest.raises(EndpointConnectionError):
        Clients(session()).account()
    assert len(waited) == 2
