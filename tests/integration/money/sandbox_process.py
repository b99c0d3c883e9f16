"""Sandboxes of the functions: processes that run the real handlers, and can be killed.

`python -m tests.integration.money.sandbox_process PATH` imports the handlers once and listens on
a Unix socket; each connection gets a process of its own, forked, as Lambda makes a sandbox from a
snapshot. A connection's first line is {"environment": {…}}; every further one is an invocation
{"function", "event", "faults", "down", "clock"}, answered with {"answer" or "error", "calls",
"fired", "seconds"}. clock: seconds that this sandbox is ahead of time.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import traceback
from datetime import datetime, timedelta, tzinfo
from typing import Any

import audit_logger.handler
import boto3
import payment_processor.handler
import payment_validator.handler

import payments.moments
from ledger.posting import Entry, Ledger
from payments.moments import from_rfc3339, to_rfc3339
from tests.functions.lambda_context import CONTEXT
from tests.integration.money.boundary import Boundary, Fault, install

HANDLERS = {
    "payment-validator": payment_validator.handler.handle,
    "payment-processor": payment_processor.handler.handle,
    "audit-logger": audit_logger.handler.handle,
}


class Clock(datetime):
    """datetime, ahead of time."""

    ahead = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Clock:
        return cls.fromtimestamp((datetime.now(tz) + cls.ahead).timestamp(), tz)


class LedgerOfNow(Ledger):
    """The ledger's server is not ahead of time: what it is handed is told in its own."""

    def post(self, **terms: Any) -> Entry | None:
        if terms.get("not_after") is not None:  # the release before knows no such moment
            terms["not_after"] = to_rfc3339(from_rfc3339(terms["not_after"]) - Clock.ahead)
        return super().post(**terms)


def main(path: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that die
    for service in ("dynamodb", "sqs", "s3", "rds"):  # their descriptions are read once, here
        boto3.client(service)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}.new")
        listener.listen(64)
        os.rename(f"{path}.new", path)  # now it can be connected to
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _serve(connection)
                os._exit(0)
            connection.close()


def _serve(connection: socket.socket) -> None:
    boundary = Boundary()
    install(boundary)
    payments.moments.datetime = Clock  # type: ignore[attr-defined]
    payment_processor.handler.Ledger = LedgerOfNow  # type: ignore[attr-defined]
    with connection.makefile("rw") as lines:
        os.environ.update(json.loads(lines.readline())["environment"])
        for line in lines:
            request = json.loads(line)
            boundary.begin([Fault(**fault) for fault in request["faults"]], request["down"])
            Clock.ahead = timedelta(seconds=request["clock"])
            with boundary.timed("all"):
                reply = _invoke(request["function"], request["event"])
            reply |= {
                "calls": boundary.calls,
                "fired": boundary.fired,
                "seconds": boundary.seconds,
            }
            lines.write(json.dumps(reply) + "\n")
            lines.flush()


def _invoke(function: str, event: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"answer": HANDLERS[function](event, CONTEXT)}
    except Exception as error:
        traceback.print_exc()  # as Lambda does, to the function's log
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main(sys.argv[1])
