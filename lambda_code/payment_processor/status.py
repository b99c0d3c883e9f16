"""GET /status: the state of the parts that a payment needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic, time
from typing import Any

from aws_lambda_powertools.logging import Logger
from botocore.exceptions import ClientError

from ledger.age import Age
from ledger.session import LedgerGoneError
from payments.moments import now, to_rfc3339

# Seconds that an answer is used again, so that watching the system does not load it.
CACHE_SECONDS = 5.0

# What does not pass by itself: waiting, or sending again, is of no use.
GONE = "It does not exist: somebody deleted it, and it must be restored."
_NOT_THERE = ("ResourceNotFoundException", "AWS.SimpleQueueService.NonExistentQueue")

OPERATIONAL, DEGRADED, OUTAGE = "operational", "degraded", "outage"

logger = Logger(child=True)


class StatusReporter:
    """Runs the probes of the components `ledger`, `transactions_table` and `retry_queue`."""

    def __init__(
        self,
        probes: Mapping[str, Callable[[], object]],
        clock: Callable[[], float] = monotonic,
        wall_clock: Callable[[], float] = time,
    ) -> None:
        """Nothing is probed yet.

        Args:
            probes: for each component what raises when it is down, within its own time limit.
            clock: for what happens within a call.
            wall_clock: for what lies between two: in a frozen sandbox, `clock` stands still.
        """
        self._probes = probes
        self._clock = clock
        self._report: dict[str, Any] = {}
        self._age = Age(clock, wall_clock)

    def report(self) -> dict[str, Any]:
        """The state, as schemas/status_response.json."""
        if self._age.seconds() >= CACHE_SECONDS:
            components = {name: self._check(name, probe) for name, probe in self._probes.items()}
            up = {name for name, component in components.items() if component["status"] == "up"}
            self._report = {
                "status": overall(up),
                "components": components,
                "checked_at": to_rfc3339(now()),
            }
            self._age.restart()
        return self._report

    def _check(self, name: str, probe: Callable[[], object]) -> dict[str, Any]:
        started = self._clock()
        told: dict[str, Any] = {"status": "up"}
        try:
            probe()
        except Exception as error:
            logger.exception("component is down", extra={"component": name})
            told = {"status": "down"}
            if _is_gone(error):
                told["detail"] = GONE
        return {**told, "latency_ms": round((self._clock() - started) * 1000)}


def _is_gone(error: Exception) -> bool:
    if isinstance(error, ClientError):
        return error.response["Error"]["Code"] in _NOT_THERE
    return isinstance(error, LedgerGoneError)


def overall(up: set[str]) -> str:
    """The system's state from the components that are up.

    Payments can be accepted as long as the table is there, and with it the ledger, or else the
    queue that waits for it.
    """
    if up == {"ledger", "transactions_table", "retry_queue"}:
        return OPERATIONAL
    accepts = "transactions_table" in up and up & {"ledger", "retry_queue"}
    return DEGRADED if accepts else OUTAGE
