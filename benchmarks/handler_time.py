"""Warm handler time of a payment: ours, waiting for PostgreSQL, waiting for AWS.

    python -m benchmarks.handler_time [--payments 200]

One sandbox of each function, against PostgreSQL behind TLS and the emulated AWS, one payment after
the other: POST /validate, POST /process, and the two changes' way into the audit trail.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

from tests.integration.money.payments_at_hand import payment_request
from tests.integration.money.sandboxes import Outcome
from tests.integration.money.stores import running
from tests.integration.money.world import World, body

WARM_UP: Final = 20
STEPS: Final = ("POST /validate", "POST /process", "audit of both")


def payment(world: World) -> Iterator[Outcome]:
    validated = world.validate(payment_request())
    yield validated
    yield world.process(body(validated)["transaction_id"])
    world.read_stream()
    yield world.audit(world.pending)


def split(outcome: Outcome) -> tuple[float, float, float]:
    """Milliseconds: ours, PostgreSQL, AWS."""
    waits = dict(outcome.seconds)
    total, ledger = waits.pop("all"), waits.pop("ledger", 0.0)
    aws = sum(waits.values())
    return (total - ledger - aws) * 1000, ledger * 1000, aws * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--payments", type=int, default=200)
    payments = parser.parse_args().payments
    with tempfile.TemporaryDirectory() as directory, running(Path(directory)) as stores:
        world = World(stores)
        runs = [[split(step) for step in payment(world)] for _ in range(WARM_UP + payments)]
        world.close()
    print(f"median ms of {payments} {'ours':>14} {'PostgreSQL':>11} {'AWS':>7} {'all':>7}")  # noqa: T201
    for number, name in enumerate(STEPS):
        of_step = [run[number] for run in runs[WARM_UP:]]
        ours, ledger, aws = (median(parts) for parts in zip(*of_step, strict=True))
        whole = median(sum(parts) for parts in of_step)
        print(f"{name:22} {ours:10.1f} {ledger:11.1f} {aws:7.1f} {whole:7.1f}")  # noqa: T201


if __name__ == "__main__":
    main()
