"""The test's side of the sandboxes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.environment import PROJECT, wait_for
from tests.integration.money.boundary import Fault

ANSWER_SECONDS = 60.0


@dataclass(frozen=True)
class Outcome:
    """What became of an invocation.

    Attributes:
        answer: what the handler returned; None if it raised or its process died.
        error: what it raised.
        calls: its external calls, unless the process died.
        fired: how many faults it met.
        seconds: that it took: "all", and of these waiting for each service.
    """

    answer: Any
    error: str | None
    calls: Sequence[str]
    fired: int
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def died(self) -> bool:
        return self.answer is None and self.error is None


class Sandbox:
    """One process that runs handlers, one invocation at a time."""

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_SECONDS)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rw")
        self._send({"environment": environment})

    def invoke(
        self,
        function: str,
        event: Mapping[str, Any],
        *,
        faults: Sequence[Fault] = (),
        down: Collection[str] = (),
        clock: float = 0,
    ) -> Outcome:
        self._send(
            {
                "function": function,
                "event": event,
                "faults": [asdict(fault) for fault in faults],
                "down": sorted(down),
                "clock": clock,
            }
        )
        reply = self._lines.readline()
        if not reply:
            return Outcome(None, None, (), fired=1)
        read = json.loads(reply)
        return Outcome(
            read.get("answer"), read.get("error"), read["calls"], read["fired"], read["seconds"]
        )

    def close(self) -> None:
        """The process sees the end of its input, and ends."""
        self._lines.close()
        self._socket.close()

    def _send(self, message: Mapping[str, Any]) -> None:
        self._lines.write(json.dumps(message) + "\n")
        self._lines.flush()


@contextmanager
def sandbox_source(directory: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """Where sandboxes can be had; everything they print is in `directory`/log."""
    path = directory / "sandboxes"
    inherited = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.money.sandbox_process", str(path)],
            cwd=PROJECT,
            env={**inherited, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(lambda: path.exists() or process.poll() is not None)
        assert process.poll() is None, (directory / "log").read_text()
        yield path
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # itself, and the sandboxes that are still there
        process.wait()
