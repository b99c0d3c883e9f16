"""Postings per second through our code, against pgbench with the same statement.

    python -m benchmarks.ledger_postings [--seconds 10] [--clients 1 4]

Same server (fsync on), same database, same user, same Unix socket without TLS, prepared statements;
a client of ours is a process, as a sandbox is. Both take turns, three times.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import re
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final
from uuid import uuid4

from ledger_schema.migrator import migrate, read
from pg8000.native import Connection  # type: ignore[import-untyped]

from ledger.posting import Ledger
from ledger.session import LedgerSession
from local.postgres import BIN, PostgresServer, new_password

TARGET: Final = 0.8  # of pgbench
TURNS: Final = 3
MASTER, PROCESSOR, DATABASE = "ledger_admin", "payment_processor", "payments"

SCRIPT: Final = "SELECT ledger.post_payment(gen_random_uuid(), 'benchmark', 1234, 'EUR', NULL);\n"


def ours(socket: Path, seconds: float, clients: int) -> float:
    with multiprocessing.get_context("spawn").Pool(clients) as pool:
        counts = pool.starmap(_post_for, [(str(socket), seconds)] * clients)
    return sum(counts)


def _post_for(socket: str, seconds: float) -> float:
    """Postings per second of one client."""

    def connect() -> Connection:
        return Connection(PROCESSOR, database=DATABASE, unix_sock=socket, timeout=10)

    ledger = Ledger(LedgerSession(connect))
    ledger.probe()
    posted, started = 0, time.monotonic()
    while (elapsed := time.monotonic() - started) < seconds:
        ledger.post(
            transaction_id=str(uuid4()),
            merchant_id="benchmark",
            amount=1234,
            currency="EUR",
            not_after=None,
        )
        posted += 1
    return posted / elapsed


def pgbench(socket: Path, seconds: float, clients: int, script: Path) -> float:
    done = subprocess.run(  # noqa: S603 - of the pinned package
        [
            *[str(BIN / "pgbench"), "--no-vacuum", "--protocol=prepared", f"--file={script}"],
            *[f"--client={clients}", f"--jobs={min(clients, 2)}", f"--time={seconds:.0f}"],
            *[f"--host={socket.parent}", f"--port={socket.suffix[1:]}"],
            *[f"--username={PROCESSOR}", DATABASE],
        ],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    found = re.search(r"tps = ([\d.]+) \(without initial", done.stdout)
    assert found, done.stdout
    return float(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4])
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as directory,
        PostgresServer(Path(directory) / "postgres") as server,
    ):
        server.create_ledger_database(master_password=new_password())
        with contextlib.closing(server.connect(MASTER, DATABASE)) as master:
            migrate(master, read())
        script = Path(directory) / "post.sql"
        script.write_text(SCRIPT, encoding="utf-8")
        print(f"postings per second, median of {TURNS}; target: {TARGET} of pgbench")  # noqa: T201
        for clients in arguments.clients:
            through_ours, through_pgbench = [], []
            for _ in range(TURNS):
                through_pgbench.append(
                    pgbench(server.socket_path, arguments.seconds, clients, script)
                )
                through_ours.append(ours(server.socket_path, arguments.seconds, clients))
            us, them = median(through_ours), median(through_pgbench)
            print(  # noqa: T201
                f"{clients} clients: ours {us:.0f}, pgbench {them:.0f}, ratio {us / them:.2f}   "
                f"(ours {[round(x) for x in through_ours]}, "
                f"pgbench {[round(x) for x in through_pgbench]})"
            )


if __name__ == "__main__":
    main()
