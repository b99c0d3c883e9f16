"""Our command lines, called in this process: what a user of a new one would see.

A process of its own proves more where signals, pipes or terminals are the subject, and costs a
second of imports; such tests start one themselves.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from unittest import mock

import boto3

import ops.cli
from local import aws
from tests.environment import PROJECT, Environment

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WIDTH = "80"  # of what is no terminal


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    output: str
    errors: str

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.output)
        return found

    def refuses(self, *told: str) -> None:
        """That it did nothing, and says why, to people."""
        assert (self.code, self.output) == (2, ""), self
        assert not [each for each in told if each not in self.errors], self.errors

    @property
    def problems(self) -> list[dict[str, str]]:
        return [each for each in self.document["checks"] if each["verdict"] == "problem"]

    def check(self, what: str) -> dict[str, str]:
        """The one check whose subject begins so."""
        (found,) = [each for each in self.document["checks"] if each["what"].startswith(what)]
        checked: dict[str, str] = found
        return checked


def operators_tool(environment: Environment, *arguments: str, **variables: str) -> Answer:
    """`python -m ops`, as by somebody who sourced the embedded environment's `env`.

    Args:
        variables: of the command's environment, besides.
    """
    return _run(ops.cli.main, arguments, {**aws.environment(environment.endpoint), **variables})


def _run(main: Callable[[], int], arguments: tuple[str, ...], own: Mapping[str, str]) -> Answer:
    output, errors = io.StringIO(), io.StringIO()
    others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    variables = {**others, "COLUMNS": WIDTH, **own}
    with (
        mock.patch.dict(os.environ, variables, clear=True),
        mock.patch.object(sys, "argv", [f"python -m {main.__module__}", *arguments]),
        mock.patch.object(boto3, "DEFAULT_SESSION", None),
        contextlib.chdir(PROJECT),
        open(os.devnull, encoding="utf-8") as nothing,
        mock.patch.object(sys, "stdin", nothing),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
        _signals_as_before(),
    ):
        code = main()
    assert "Traceback" not in errors.getvalue(), errors.getvalue()
    return Answer(code, output.getvalue(), errors.getvalue())


@contextlib.contextmanager
def _signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
