"""How a command ends, whatever ends it: one way for all.

A verdict is only given by a command that did its work and could tell of it. So there are exit
codes of their own for an interruption (130), for output that nobody reads on (141, as a shell tells
it of what SIGPIPE ended), and for output that could not be written, as to a full disk (2).

Only modules are imported here that Python has loaded anyway: `prepare` is called before all else.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

from ops.console.characters import REPLACED, visible

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

FAILED = 2
INTERRUPTED = 130
NOBODY_READS = 128 + signal.SIGPIPE

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """The user (or the system) asked us to stop."""


class Unwritten(SystemExit):
    """The output could not be written.

    No OSError, lest it be taken for one of what the command looks at; of a kind that ends a thread
    without a word.
    """

    def __init__(self, error: OSError) -> None:
        self.nobody_reads = error.errno == errno.EPIPE
        self.reason = f"the output cannot be written: {error.strerror}"
        super().__init__(NOBODY_READS if self.nobody_reads else FAILED)


# The first of this process: what follows it goes nowhere, and is no failure.
_unwritten: Unwritten | None = None


def prepare() -> None:
    """To be called before the imports that take long: a command that is interrupted meanwhile ends
    at once, there being nothing to clean up; and what is printed is told, whatever the terminal
    can show."""
    for number in STOPPING:
        signal.signal(number, _end_at_once)
    sys.stdout = _renewed(sys.stdout, 1, _Output)
    sys.stderr = _renewed(sys.stderr, 2, _Errors)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")


def unexpected(error: Exception) -> str:
    """What nobody has foreseen."""
    return f"unexpected {type(error).__name__}: {error}"


def run(
    command: Callable[[], object],
    *,
    explain: Callable[[Exception], str] = unexpected,
    interrupted: str = "Interrupted.",
) -> int:
    """Run a command, and tell on the error output what kept it from its work; the exit code.

    Args:
        explain: an error, in a sentence or two.
        interrupted: what is told after an interruption, if anything.
    """
    stop_on_signals()
    try:
        try:
            code = _code(command)
        finally:
            sys.stdout.flush()
    except Unwritten:
        code = 0  # what it is, is found below
    except (Stopped, KeyboardInterrupt):
        _tell(interrupted)
        return INTERRUPTED
    except Exception as error:
        _tell(f"error: {explain(error)}")
        return FAILED
    if _unwritten is None:
        return code
    if not _unwritten.nobody_reads:
        _tell(f"error: {_unwritten.reason}")
    assert isinstance(_unwritten.code, int)
    return _unwritten.code


def stop_on_signals() -> None:
    """Clean up at Ctrl-C, at a request to terminate, and when the terminal goes."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        ignore_signals()  # cleaning up has begun
        raise Stopped

    for number in STOPPING:
        signal.signal(number, stop)


def ignore_signals() -> None:
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


def _code(command: Callable[[], object]) -> int:
    try:
        command()
    except Unwritten:
        raise
    except SystemExit as end:
        if isinstance(end.code, int):
            return end.code
        if end.code is not None:
            _tell(str(end.code))
        return 0 if end.code is None else FAILED
    return 0


def _tell(line: str) -> None:
    """Unwrapped, and without rich, which need not be there."""
    if line:
        print(visible(line), file=sys.stderr, flush=True)  # noqa: T201 - the one place


def _end_at_once(_number: int, _frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)


# -- the streams ---------------------------------------------------------------------------


class _Output(io.FileIO):
    """The descriptor of the standard output. After its first failure, what comes goes nowhere: so
    that whoever cleans up may print, and Python, at its end, what is left."""

    def write(self, data: ReadableBuffer) -> int:
        try:
            return super().write(data)
        except OSError as error:
            global _unwritten
            _to_nowhere(self.fileno())
            _unwritten = _unwritten or Unwritten(error)
            raise Unwritten(error) from error


class _Errors(io.FileIO):
    """That of the error output: a verdict does not depend on who reads what it says."""

    def write(self, data: ReadableBuffer) -> int:
        try:
            return super().write(data)
        except OSError:
            _to_nowhere(self.fileno())
            return super().write(data)


def _renewed(stream: object, descriptor: int, kind: type[_Output | _Errors]) -> io.TextIOWrapper:
    if not isinstance(stream, io.TextIOWrapper):  # closed by whoever started us
        # Something else would get the number. What cannot be written to, tells as a full disk does.
        _to_nowhere(descriptor, os.O_RDONLY)
        encoding, by_line = "utf-8", False
    else:
        stream.flush()
        encoding, by_line = stream.encoding, stream.line_buffering
        stream.detach()  # lest it write, or close the descriptor, at its end
    return io.TextIOWrapper(
        io.BufferedWriter(kind(descriptor, "w", closefd=False)),
        encoding=encoding,
        errors=REPLACED,
        line_buffering=by_line,
    )


def _to_nowhere(descriptor: int, mode: int = os.O_WRONLY) -> None:
    nowhere = os.open(os.devnull, mode)
    if nowhere != descriptor:
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
