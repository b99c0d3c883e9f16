"""How commands ask AWS: whether it is AWS at all, and that Ctrl-C ends the asking."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from ops.checks import Check, Verdict
from ops.production import Production
from ops.questions import Clients, Question, _StoppedError, answers

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
    """As command_line.ending.Stopped."""


def question(ask: Iterator[Check]) -> Question[Check]:
    return Question(
        unanswered=Check(what="", found="", verdict=Verdict.PROBLEM), ask=lambda: list(ask)
    )


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


INTERRUPTED = """
import os, signal, sys
import boto3
from ops import cli
from ops.questions import Clients, answers
from ops.verify import stack
from ops.verify.command import _question


class Detecting:
    def detect_stack_drift(self, **_):
        return {"StackDriftDetectionId": "1"}

    def describe_stack_drift_detection_status(self, **_):
        os.kill(os.getpid(), signal.SIGINT)
        return {"DetectionStatus": "DETECTION_IN_PROGRESS"}


@cli.app.command("detect")
def detect():
    clients = Clients(boto3.Session(region_name="us-east-1"))
    clients._made["cloudformation"] = Detecting()
    answers([_question("R1", "", lambda: stack.drift(clients, "D", "s"))], clients)


sys.argv = ["ops", "detect"]
sys.exit(cli.main())
"""


def test_ctrl_c_ends_the_detection_of_drift() -> None:
    path = os.pathsep.join([str(ROOT), str(ROOT / "lambda_code")])
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr.strip()) == (130, "Interrupted.")
